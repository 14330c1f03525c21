"""The grammar of filters: words, `or`, `!`, parentheses and quotes, as nested lists. Pure.

`parse` returns a tree that JSON can write, and the page for browsers makes the same one:

| node | matches |
|---|---|
| `["and", NODE, ...]` | what all nodes match; without nodes, everything |
| `["or", NODE, ...]` | what any of them matches |
| `["not", NODE]` | what the node does not match |
| `["text", TEXT]` | this text in id, state, reason, role, version or a label |
| `["compare", NAME, SIGN, VALUE]` | a quantity or label; SIGN is = != < > <= or >= |

`or` binds less than the words beside it. A word is everything up to a space; text in double quotes
may have spaces, and a sign, a parenthesis or the words `and` and `or` have no meaning in it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, TypeAlias

from zinfo.views.formatting import safe

Node: TypeAlias = "list[str | Node]"

GRAMMAR = (
    ("db-1", "part of id, state, reason, role, version or a label"),
    ("site=fra", "the label site is fra; also label:site=fra"),
    ("state=down", "a column's value; also id, reason, role, error"),
    ("id=db-*", "* matches any text, ? one character"),
    ("site!=fra", "the label site is not fra, or missing"),
    ("ops>1k", "more than 1000 ops/s; k M G; also <, >=, <="),
    ("memory>2G", "more than 2 GiB; k M G are powers of 1024 for bytes"),
    ("hits<80%", "hit ratio below 80%; full>90%: of maxmemory"),
    ("age>10s", "older than 10 seconds; ms, m, h, d; also since"),
    ("version<7.2", "a version before 7.2"),
    ("used_memory_rss>1G", "any field of INFO; db0.keys>1k: a part of a field"),
    ("expired_keys/s>100", "growth of a field per second"),
    ("!replica", "! negates a word or a parenthesis"),
    ('"two words"', "quotes, for spaces and signs"),
    ("role=primary ops>0", "all words must match"),
    ("down or full>90%", "either side must match"),
    ("(down or busy) fra", "parentheses"),
)
"""Each form of a filter, and its meaning, for help."""

MAX_LENGTH = 2000
"""Maximum length of a filter, in characters."""

MAX_WORDS = 200
"""Maximum number of words and parentheses in a filter."""

MAX_DEPTH = 20
"""Maximum depth of parentheses."""

SPACES = " \t\r\n\f\v\u00a0"
"""The characters that separate words."""

_LONG_SIGNS = ("!=", ">=", "<=")
_SHORT_SIGNS = ("=", ">", "<")


class FilterError(ValueError):
    """A filter is invalid; the message says why, in one line."""


class _Token(NamedTuple):
    """A word, or a parenthesis.

    Attributes:
        kind: "word", "compare", "(", ")", "and", "or".
        nots: number of `!` before it.
        text: the word; of a comparison its name.
        sign: of a comparison.
        value: of a comparison.
    """

    kind: str
    nots: int = 0
    text: str = ""
    sign: str = ""
    value: str = ""


def parse(text: str) -> Node:
    """Return the tree of a filter.

    Args:
        text: the filter, of at most `MAX_LENGTH` characters.

    Raises:
        FilterError: it is invalid.
    """
    if len(text) > MAX_LENGTH:
        raise FilterError(f"a filter has at most {MAX_LENGTH} characters")
    tokens: list[_Token] = []
    for token in _tokens(text):
        tokens.append(token)
        if len(tokens) > MAX_WORDS:
            raise FilterError(f"a filter has at most {MAX_WORDS} words")
    if not tokens:
        return ["and"]
    return _Parser(tokens).alternatives(0)


def _tokens(text: str) -> Iterator[_Token]:
    at = depth = 0
    while at < len(text):
        if text[at] in SPACES:
            at += 1
            continue
        begin = at
        while text.startswith("!", at):
            at += 1
        nots = at - begin
        if text.startswith("(", at):
            depth += 1
            yield _Token("(", nots)
            at += 1
        elif text.startswith(")", at):
            if nots:
                raise FilterError("! needs a word to negate, as in !down")
            if not depth:
                raise FilterError("a ( is missing before )")
            depth -= 1
            yield _Token(")")
            at += 1
        else:
            token, at = _word(text, at, nots, closing=")" if depth else "")
            yield token


def _word(text: str, at: int, nots: int, closing: str) -> tuple[_Token, int]:
    """Return the word at a position, and the position after it."""
    begin, parts, name, sign, quoted = at, [], "", "", False
    while at < len(text) and text[at] not in SPACES and text[at] != closing:
        if text[at] == '"':
            end = text.find('"', at + 1)
            if end < 0:
                raise FilterError('a " is missing: put a word with spaces between two of them')
            parts.append(text[at + 1 : end])
            at, quoted = end + 1, True
            continue
        here = "" if sign else _sign(text, at)
        if here:
            name, sign, parts, quoted = "".join(parts), here, [], False
            at += len(here)
            continue
        parts.append(text[at])
        at += 1
    word = safe(text[begin:at][:80])
    value = "".join(parts)
    if sign:
        if not name:
            raise FilterError(
                f"{word}: the name before the sign is missing, as in site=fra or ops>100"
            )
        if not value and not quoted:
            raise FilterError(f"{word}: the value after {sign} is missing")
        return _Token("compare", nots, name, sign, value), at
    if not value and not quoted:
        raise FilterError("! needs a word to negate, as in !down")
    if not nots and not quoted and value.lower() in ("and", "or"):
        return _Token(value.lower()), at
    return _Token("word", nots, value), at


def _sign(text: str, at: int) -> str:
    """Return the sign of a comparison at a position; "" where there is none."""
    if text[at : at + 2] in _LONG_SIGNS:
        return text[at : at + 2]
    return text[at] if text[at] in _SHORT_SIGNS else ""


class _Parser:
    """Makes a tree of tokens.

    Args:
        tokens: of a whole filter.
    """

    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._at = 0

    def alternatives(self, depth: int) -> Node:
        """Read words with `or` between them, up to a closing parenthesis or the end."""
        found = [self._words(depth)]
        while self._next() == "or":
            self._at += 1
            found.append(self._words(depth))
        return found[0] if len(found) == 1 else ["or", *found]

    def _words(self, depth: int) -> Node:
        """Read words that must all match; `and` between two of them is optional."""
        found: list[Node] = []
        while self._next() not in ("", ")", "or"):
            if self._next() == "and":
                self._at += 1
                if not found or self._next() in ("", ")", "or", "and"):
                    raise FilterError("and needs a word on either side; in quotes it is a text")
            found.append(self._term(depth))
        if not found:
            raise FilterError(
                "or needs a word on either side; in quotes it is a text"
                if self._next() == "or" or (self._at and self._tokens[self._at - 1].kind == "or")
                else "there is nothing between ( and )"
            )
        return found[0] if len(found) == 1 else ["and", *found]

    def _term(self, depth: int) -> Node:
        token = self._tokens[self._at]
        self._at += 1
        node: Node
        if token.kind == "(":
            if depth == MAX_DEPTH:
                raise FilterError(f"parentheses are nested more than {MAX_DEPTH} deep")
            node = self.alternatives(depth + 1)
            if self._next() != ")":
                raise FilterError("a ) is missing")
            self._at += 1
        elif token.kind == "compare":
            node = ["compare", token.text, token.sign, token.value]
        else:
            node = ["text", token.text]
        return ["not", node] if token.nots % 2 else node

    def _next(self) -> str:
        """Return the kind of the next token; "" at the end."""
        return self._tokens[self._at].kind if self._at < len(self._tokens) else ""
