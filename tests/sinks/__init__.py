"""Tests of zinfo.sinks."""
