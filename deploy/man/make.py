"""Writes the manual pages beside itself, from the commands' help: `python -m deploy.man.make`.

click-man leaves out arguments, examples and commands that are imported when they are run; so these
pages are made here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from inspect import cleandoc
from pathlib import Path
from typing import Final

import click

from zinfo.cli.app import COMMANDS, cli

FOLDER: Final = Path(__file__).parent

_VERBATIM: Final = "\b"  # before a paragraph whose lines stay as they are; click's sign

_SHORT: Final = "Poll the INFO of many Redis servers once, for everyone."

_CODES: Final = (
    ("0", "done; of serve: ended by a signal"),
    ("1", "failed; of serve: could not start or keep a part alive"),
    ("2", "wrong usage, configuration included"),
    ("130", "interrupted"),
)
_VARIABLES: Final = (
    ("ZINFO_CONNECT", "The daemon that client commands ask, as with --connect."),
    ("ZINFO_SERVER_KEY, ZINFO_CLIENT_KEY", "With which keys they ask it."),
    ("ZINFO_SHARDS", "URLs of shards for serve, with white space between them."),
    (
        "ZINFO_SECTION_KEY",
        "Any key of the configuration of serve: ZINFO_POLL_TIMEOUT, ZINFO_HTTP_LISTEN, ...",
    ),
    ("NO_COLOR", "Set to anything: no colours."),
    (
        "NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID",
        "Set by systemd, which serve tells that it is ready, and lives: sd_notify(3).",
    ),
)


def texts() -> dict[str, str]:
    """Return the pages by the names of their files."""
    top = click.Context(cli, info_name="zinfo", **cli.context_settings)
    made = {
        "zinfo.1": _page(
            top, _all_commands(), "INFO of many Redis servers, polled once for everyone."
        )
    }
    for name, (_, short) in COMMANDS.items():
        command = cli.get_command(top, name)
        assert command is not None, name
        context = click.Context(command, info_name=name, parent=top)
        made[f"zinfo-{name}.1"] = _page(context, (), short)
    return made


def main() -> None:
    """Write the files; those of commands that are no more go."""
    for left in FOLDER.glob("*.1"):
        left.unlink()
    for name, text in texts().items():
        (FOLDER / name).write_text(text, encoding="utf-8")


def _page(context: click.Context, more: Iterable[str], short: str) -> str:
    command = context.command
    name = context.command_path.replace(" ", "-")
    pages = ["zinfo", *(f"zinfo-{one}" for one in COMMANDS)]
    see = ", ".join(rf"\fB{_escaped(page)}\fP(1)" for page in pages if page != name)
    lines = [
        '.\\" Made by deploy/man/make.py from what --help says.',
        f'.TH {name.upper()} 1 "" zinfo "zinfo manual"',  # no date: a page changes with its text
        ".SH NAME",
        rf"{_escaped(name)} \- {_escaped(short[0].lower() + short[1:].rstrip('.'))}",
        ".SH SYNOPSIS",
        rf"\fB{_escaped(context.command_path)}\fP "
        + _escaped(" ".join(command.collect_usage_pieces(context))),
        ".SH DESCRIPTION",
        *_text(command.help or ""),
        ".SH OPTIONS",
        *_list(_options(context)),
        *more,
        *_epilog(command.epilog or ""),
        ".SH SEE ALSO",
        see,
    ]
    return "\n".join(lines) + "\n"


def _all_commands() -> Iterator[str]:
    yield ".SH COMMANDS"
    yield from _list((f"zinfo {name}", short) for name, (_, short) in COMMANDS.items())
    yield ".SH EXIT STATUS"
    yield from _list(_CODES)
    yield ".SH ENVIRONMENT"
    yield from _list(_VARIABLES)


def _options(context: click.Context) -> Iterator[tuple[str, str]]:
    for parameter in context.command.get_params(context):
        record = parameter.get_help_record(context)
        if record is not None:  # arguments have none: the text tells of them
            yield record


def _list(entries: Iterable[tuple[str, str]]) -> Iterator[str]:
    for term, text in entries:
        yield ".TP"
        yield rf"\fB{_escaped(term)}\fP"
        yield _line(text)


def _text(help_: str) -> Iterator[str]:
    """Give the paragraphs of a help text, the first without what would part it from its heading."""
    paragraphs = cleandoc(help_).split("\n\n")
    for number, paragraph in enumerate(paragraphs):
        if paragraph.startswith(_VERBATIM):
            yield from _as_it_is(paragraph.lstrip(f"{_VERBATIM}\n").split("\n"))
            continue
        if number:
            yield ".PP"
        yield _line(" ".join(paragraph.split()))


def _epilog(epilog: str) -> Iterator[str]:
    """Give each part of an epilog, a heading and lines below it, as a section."""
    for part in filter(None, epilog.split(_VERBATIM)):
        heading, *lines = part.strip("\n").split("\n")
        yield f".SH {_escaped(heading.rstrip(':').upper())}"
        yield from _as_it_is([line.removeprefix("  ") for line in lines])


def _as_it_is(lines: Iterable[str]) -> Iterator[str]:
    yield ".nf"
    yield from map(_line, lines)
    yield ".fi"


def _line(text: str) -> str:
    """Return text as a line that troff takes for text; what is between backquotes becomes bold."""
    line = re.sub(r"`([^`]+)`", r"\\fB\1\\fP", _escaped(text))
    return rf"\&{line}" if line.startswith((".", "'")) else line


def _escaped(text: str) -> str:
    return text.replace("\\", r"\e").replace("-", r"\-").replace("~", r"\(ti").replace("^", r"\(ha")


if __name__ == "__main__":
    main()
