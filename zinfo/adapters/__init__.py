"""Other doors to the servicer, one module a protocol; docs/doors.md tells how one is added."""
