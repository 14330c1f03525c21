"""The files of deploy/: they are right, agree with zinfo and each other, and do what they say."""
