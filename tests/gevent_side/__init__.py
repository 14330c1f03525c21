"""Tests that need a process patched by gevent.

python -m gevent.monkey --module pytest tests/gevent_side
"""
