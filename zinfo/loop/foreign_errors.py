"""What a callable of the user, or of another library, may raise under gevent."""

from __future__ import annotations

from typing import Final

import gevent

FAILURES: Final = (Exception, gevent.Timeout, gevent.GreenletExit)
"""What a failing callable raises. The two of gevent are no `Exception`.

To be caught where the event loop calls, and in zinfo's own greenlets: no caller waits there with a
`gevent.Timeout` of its own. What ends the process is not in it.
"""
