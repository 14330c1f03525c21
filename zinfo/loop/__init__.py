"""Fair use of gevent's event loop, and supervision of greenlets.

Long work yields, callbacks are spread over several iterations of the loop, and greenlets that crash
are restarted. Imports nothing of zinfo. Begin with `yielding.py`, then `callback_queue.py` and
`supervisor.py`; `patching.py` prepares the process. Work that cannot yield runs in a process of its
own (`child_process.py` and, on its side, `pieces.py`).
"""
