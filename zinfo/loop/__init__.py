"""Fair use of gevent's event loop.

Long work yields, callbacks are spread over several turns of the loop, and greenlets that die are
started again. Imports nothing of zinfo. Begin with `yielding.py`, then `callback_queue.py` and
`supervisor.py`.
"""
