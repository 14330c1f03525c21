"""ZeroMQ sockets under gevent: binding, receiving in the event loop's callbacks, monitoring.

Imports `loop`, `wire` and `native`; knows no message of zinfo. The bus, the ROUTER socket and ZAP
use it. Begin with `listen.py`, then `direct.py`.
"""
