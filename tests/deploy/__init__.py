"""Tests of the files in deploy/: they are valid, and consistent with zinfo and each other."""
