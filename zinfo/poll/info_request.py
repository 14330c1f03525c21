"""Finds the INFO commands that return the chosen sections of a server, when it is connected.

Redis from 7.0 on takes several sections in one INFO. Older servers reply to that with an error, or
with one of the sections, and get an INFO for each section. A server that knows no sections gets a
plain INFO.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import redis

from zinfo.info.bounds import size_problem
from zinfo.info.lines import has_fields
from zinfo.info.section_choice import GROUPS, join_sections, sections_of
from zinfo.poll.credentials import Credentials
from zinfo.poll.errors import NOPERM, OTHER, PROTOCOL, PollError, from_reply
from zinfo.poll.exchange import exchange
from zinfo.poll.limits import PollLimits, reply_too_long
from zinfo.poll.resp import ErrorReply, pack
from zinfo.shards.shard import ShardState

# By group. A server replies to an unknown group with nothing, or with an error if it is very old:
# the next smaller one is tried. INFO without a group is `INFO default`, and each server knows it.
_GROUP_COMMANDS: Final = (("INFO", "everything"), ("INFO", "all"), ("INFO",))
_PLAIN: Final = _GROUP_COMMANDS[-1:]

_HEADER: Final = re.compile(rb"^#([^\r\n]*)", re.MULTILINE)
_NOT_IN_NAMES: Final = re.compile(rb"[^a-z0-9]+")  # `# Scripting Engines` is `scriptingengines`

_MAX_REQUESTS = 256  # requests that are shared
_requests: dict[bytes, bytes] = {}  # one copy of each request for all shards


@dataclass(slots=True)
class InfoRequest:
    """What to send to a server at each poll.

    Attributes:
        request: the bytes of the INFO commands.
        commands: their number.
        first_reply: the first INFO reply, joined from those to the commands.
        unknown: sections that the server does not have.
        problem: what of the choice the server does not support, as text; "" if it supports all.
    """

    request: bytes
    commands: int
    first_reply: bytes
    unknown: tuple[str, ...] = ()
    problem: str = ""


def find_request(connection: Any, limits: PollLimits, credentials: Credentials) -> InfoRequest:
    """Return the request that the server supports for the chosen sections, with the first reply.

    Args:
        connection: a redis-py Connection that is connected.
        limits: the chosen sections, and the limits of a reply.
        credentials: those sent to the server; they are removed from its error texts.

    Raises:
        PollError: the reply is not INFO, too long, or an error.
        redis.RedisError: the same, or the connection was lost.
        OSError: the connection was lost.
    """
    choice = limits.sections
    if choice[0] in GROUPS:
        return _request_group(connection, _GROUP_COMMANDS[GROUPS.index(choice[0]) :], limits)
    names = sections_of(choice)
    found = _request_together(connection, names, limits, credentials)
    if found is None:
        found = _request_each(connection, names, limits, credentials)
    if found is None:
        found = _request_group(connection, _PLAIN, limits)
        found.problem = "INFO of this server takes no section: it is polled without"
    elif unknown := ", ".join(name for name in found.unknown if name in choice):
        found.problem = f"INFO of this server has no section {unknown}; the others are polled"
    return found


def _request_group(
    connection: Any, commands: Sequence[tuple[str, ...]], limits: PollLimits
) -> InfoRequest:
    """Return the first of these requests that the server replies to with fields."""
    rejection: redis.ResponseError | None = None
    for command in commands:
        reply = _reply_to(connection, command, limits)
        if isinstance(reply, bytes):
            return InfoRequest(_shared(pack(*command)), 1, reply)
        rejection = reply or rejection
    if rejection is not None:
        raise rejection
    raise PollError("INFO has no fields", PROTOCOL)


def _reply_to(
    connection: Any, command: tuple[str, ...], limits: PollLimits
) -> bytes | redis.ResponseError | None:
    """Return INFO, or the error if the server does not know the command; None without fields."""
    connection.send_packed_command(connection.pack_command(*command), check_health=False)
    try:
        reply = connection.read_response(disable_decoding=True)
    except (redis.exceptions.NoPermissionError, redis.exceptions.AuthenticationError):
        raise
    except redis.exceptions.BusyLoadingError:
        raise
    except redis.ResponseError as error:
        if str(error).startswith("BUSY"):
            raise
        return error
    return reply if isinstance(reply, bytes) and _is_info(reply, limits) else None


def _request_together(
    connection: Any, names: tuple[str, ...], limits: PollLimits, credentials: Credentials
) -> InfoRequest | None:
    """Return one INFO for all sections; None if the server does not support that."""
    reply = _reply_to(connection, ("INFO", *names), limits)
    if not isinstance(reply, bytes):
        return None
    titles = [_NOT_IN_NAMES.sub(b"", title.lower()) for title in _HEADER.findall(reply)]
    absent = tuple(name for name in names if not _is_titled(name, titles))
    parts = _replies_to_each(connection, absent, limits, credentials)
    if any(part and not _has_part(reply, part) for part in parts):
        return None  # it replied to one of the arguments only
    unknown = tuple(name for name, part in zip(absent, parts, strict=True) if not part)
    return InfoRequest(_shared(pack("INFO", *names)), 1, reply, unknown)


def _request_each(
    connection: Any, names: tuple[str, ...], limits: PollLimits, credentials: Credentials
) -> InfoRequest | None:
    """Return an INFO for each section that the server has; None if it has none of them."""
    known: dict[str, bytes] = {}
    unknown: list[str] = []
    replies = _replies_to_each(connection, names, limits, credentials)
    for name, reply in zip(names, replies, strict=True):
        if not reply:
            unknown.append(name)
        elif not any(_has_part(part, reply) for part in known.values()):
            known[name] = reply
    joined = join_sections(known.values())
    if not _is_info(joined, limits):
        return None
    request = b"".join(pack("INFO", name) for name in known)
    return InfoRequest(_shared(request), len(known), joined, tuple(unknown))


def _replies_to_each(
    connection: Any, names: tuple[str, ...], limits: PollLimits, credentials: Credentials
) -> list[bytes]:
    """Return the sections, each requested by an INFO of its own; empty where there is none."""
    if not names:
        return []
    request = b"".join(pack("INFO", name) for name in names)
    replies = exchange(connection, request, len(names), limits.max_reply_bytes)
    parts: list[bytes] = []
    for reply in replies:
        if isinstance(reply, ErrorReply):
            error = from_reply(reply, credentials)
            # An ACL may allow some sections: `+info|server`.
            if error.state is not ShardState.DOWN or error.reason not in (OTHER, NOPERM):
                raise error
            parts.append(b"")
        else:
            parts.append(reply.strip() and reply)
    return parts


def _is_titled(name: str, titles: list[bytes]) -> bool:
    """Return whether a title is a section's; the sections of a module begin with its name."""
    start = _NOT_IN_NAMES.sub(b"", name.encode())
    return any(title.startswith(start) for title in titles)


def _has_part(reply: bytes, part: bytes) -> bool:
    """Return whether a reply contains the first header, or field, of another one."""
    line = part.split(maxsplit=0)[0].partition(b"\n")[0].rstrip(b"\r")
    if not line.startswith(b"#"):
        return _has_line(reply, b"%b:" % line.partition(b":")[0])
    return _has_line(reply, line + b"\r") or _has_line(reply, line + b"\n")


def _has_line(reply: bytes, start: bytes) -> bool:
    """Return whether a line starts with these bytes; copies nothing of a long reply."""
    return reply.startswith(start) or b"\n" + start in reply


def _is_info(reply: bytes, limits: PollLimits) -> bool:
    if len(reply) > limits.max_reply_bytes:
        raise PollError(reply_too_long(len(reply), limits.max_reply_bytes), PROTOCOL)
    if problem := size_problem(reply, limits.max_fields):
        raise PollError(problem, PROTOCOL)
    return has_fields(reply)


def _shared(request: bytes) -> bytes:
    if len(_requests) < _MAX_REQUESTS:
        return _requests.setdefault(request, request)
    return _requests.get(request, request)
