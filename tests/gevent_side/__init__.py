"""Tests of what runs under gevent; they need a patched process.

python -m gevent.monkey --module pytest tests/gevent_side
"""
