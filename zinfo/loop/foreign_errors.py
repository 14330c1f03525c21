"""The exceptions that a callable of the user, or of another library, may raise under gevent."""

from __future__ import annotations

from typing import Final

import gevent

FOREIGN_ERRORS: Final = (Exception, gevent.Timeout, gevent.GreenletExit)
"""What a failing callable raises; gevent's two are no subclasses of `Exception`.

To be caught in callbacks of the event loop and in zinfo's own greenlets: no caller there waits with
a `gevent.Timeout` of its own. KeyboardInterrupt and SystemExit are not in it.
"""
