"""What the cursor stands in: which words lead to it, and which tables its statement reads.

Works on SQL that is still being typed, with tokens alone: no parser, no error. Everything is about the
text before the cursor but for the tables, which may well be named after it: ``SELECT f.| FROM flights f``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from stupiddb_kernel.sources.binding import Token, tokenize

_READS = {"FROM", "JOIN", "INTO", "UPDATE", "TABLE", "DESCRIBE"}
_AFTER_FROM = """
    WHERE GROUP ORDER HAVING LIMIT OFFSET UNION INTERSECT EXCEPT QUALIFY WINDOW SET VALUES SELECT ON USING
    FETCH FOR RETURNING
    """
_IN_FROM = """
    JOIN LEFT RIGHT INNER OUTER FULL CROSS NATURAL LATERAL AS FROM TABLESAMPLE ASOF SEMI ANTI PIVOT UNPIVOT
    POSITIONAL USE FORCE IGNORE PARTITION STRAIGHT_JOIN
    """
_ENDS_FROM = frozenset(_AFTER_FROM.split())
_NO_ALIAS = _ENDS_FROM | frozenset(_IN_FROM.split())
_PROBE = "\u03c8"  # a letter: at the cursor it becomes a word of its own unless a string or comment takes it


@dataclass(frozen=True)
class Reference:
    """A table that a statement reads: its dotted name, and the alias it goes by, if any."""

    path: tuple[str, ...]
    alias: str | None = None
    columns: tuple[str, ...] | None = None
    """For a common table expression or subquery: the columns that can be told, without a store."""

    @property
    def handle(self) -> str:
        """What its columns are qualified with."""
        return self.alias or (self.path[-1] if self.path else "")


@dataclass(frozen=True)
class Cursor:
    """``kind``: code, or text (in a string or comment). ``prefix`` is what is typed of the word so far.

    ``path`` are the names before it, joined by dots; ``wants`` is table or column.
    """

    kind: str
    prefix: str = ""
    quote: str = ""
    path: tuple[str, ...] = ()
    wants: str = "column"
    tables: tuple[Reference, ...] = ()
    closed: bool = False
    """Whether the closing quote stands behind the cursor already."""


def look(sql: str, position: int, dialect: str) -> Cursor:
    """What the cursor at ``position`` in ``sql`` stands in."""
    before = sql[:position]
    tokens = list(tokenize(before + _PROBE, dialect))
    last = tokens[-1] if tokens else None
    if last is None or last.end != len(before) + 1 or last.kind not in ("word", "quoted", "placeholder"):
        return Cursor("text")
    quote = last.text[0] if last.kind == "quoted" else ""
    prefix = last.text[:-1]
    if last.kind == "placeholder":
        return Cursor("placeholder", prefix)
    lead = tokens[:-1]
    path = _path(lead)
    after = sql[position:]
    closed = bool(quote) and after.startswith(quote)  # editors close a quote as soon as it is opened
    everything = [*lead, *tokenize(quote + _PROBE + quote + after[closed:], dialect)]
    at = len(lead)
    lead = lead[: len(lead) - 2 * len(path)]
    return Cursor(
        "code",
        prefix,
        quote,
        path,
        "table" if _wants_table(lead) else "column",
        _tables(everything, at),
        closed,
    )


def name_of(token: Token) -> str:
    """The identifier a token stands for, without its quotes."""
    if token.kind != "quoted":
        return token.text
    quote = token.text[0]
    return token.text[1:].removesuffix(quote).replace(quote * 2, quote)


def _path(tokens: Sequence[Token]) -> tuple[str, ...]:
    """The names that are joined by dots to what comes next."""
    names: list[str] = []
    index = len(tokens)
    while index >= 2 and tokens[index - 1].text == "." and tokens[index - 2].kind in ("word", "quoted"):
        names.insert(0, name_of(tokens[index - 2]))
        index -= 2
    return tuple(names)


def _wants_table(tokens: Sequence[Token]) -> bool:
    """Whether a table's name comes next: after FROM and its kin, or after a comma in a FROM list."""
    depth = 0
    for number, token in enumerate(reversed(tokens)):
        if token.text == ")":
            depth += 1
        elif token.text == "(":
            if depth == 0:
                return False
            depth -= 1
        elif depth == 0 and token.word in _READS:
            return number == 0 or (token.word == "FROM" and tokens[-1].text == ",")
        elif depth == 0 and (token.word in _ENDS_FROM or token.text == ";"):
            return False
    return False


def _tables(tokens: Sequence[Token], at: int) -> tuple[Reference, ...]:
    """The tables that the statement around token ``at`` reads, those of its own bracket first."""
    start = max((i for i in range(min(at, len(tokens))) if tokens[i].text == ";"), default=-1) + 1
    stop = next((i for i in range(at, len(tokens)) if tokens[i].text == ";"), len(tokens))
    brackets = _brackets(tokens[start:stop])
    inside = brackets[at - start] if at - start < len(brackets) else ()
    found: list[tuple[int, Reference]] = []
    for index in range(start, stop):
        around = brackets[index - start]
        if tokens[index].word in _READS and inside[: len(around)] == around:
            found += [(-len(around), reference) for reference in _references(tokens, index + 1, stop)]
    common = _common_tables(tokens[start:stop])
    ordered = [reference for _, reference in sorted(found, key=lambda pair: pair[0])]
    resolved = [
        Reference(r.path, r.alias, common[r.path[0].casefold()])
        if len(r.path) == 1 and r.path[0].casefold() in common
        else r
        for r in ordered
    ]
    unread = [Reference((name,), None, columns) for name, columns in common.items()]
    return tuple(dict.fromkeys([*resolved, *unread]))


def _brackets(tokens: Sequence[Token]) -> list[tuple[int, ...]]:
    """For each token, the indices of the brackets that are open around it."""
    found: list[tuple[int, ...]] = []
    opened: tuple[int, ...] = ()
    for index, token in enumerate(tokens):
        if token.text == ")":
            opened = opened[:-1]
        found.append(opened)
        if token.text == "(":
            opened = (*opened, index)
    return found


def _references(tokens: Sequence[Token], index: int, stop: int) -> list[Reference]:
    """The tables named from ``index`` on: ``a.b AS x, c y``; a subquery counts with its alias."""
    found: list[Reference] = []
    while index < stop:
        path: list[str] = []
        columns: tuple[str, ...] | None = None
        if tokens[index].text == "(":
            end = _closing(tokens, index, stop)
            columns = _selected(tokens[index + 1 : end])
            index = end + 1
        else:
            while index < stop and tokens[index].kind in ("word", "quoted"):
                if tokens[index].word in _NO_ALIAS or _PROBE in tokens[index].text:
                    break
                path.append(name_of(tokens[index]))
                if index + 1 < stop and tokens[index + 1].text == ".":
                    index += 2
                    continue
                index += 1
                break
        if index < stop and tokens[index].word == "AS":
            index += 1
        alias = None
        if index < stop and tokens[index].kind in ("word", "quoted") and tokens[index].word not in _NO_ALIAS:
            alias = None if _PROBE in tokens[index].text else name_of(tokens[index])
            index += 1
        if path or (alias and columns is not None):
            found.append(Reference(tuple(path), alias, columns))
        if index < stop and tokens[index].text == ",":
            index += 1
            continue
        break
    return found


def _common_tables(tokens: Sequence[Token]) -> dict[str, tuple[str, ...]]:
    """The names in ``WITH name AS ( … )``, folded, with the columns that can be told."""
    found: dict[str, tuple[str, ...]] = {}
    for index, token in enumerate(tokens[:-2]):
        if token.kind not in ("word", "quoted") or tokens[index + 1].word != "AS":
            continue
        opening = index + 2
        while opening < len(tokens) and tokens[opening].word in ("NOT", "MATERIALIZED"):
            opening += 1
        before = tokens[index - 1] if index else None
        if before is None or not (before.word in ("WITH", "RECURSIVE") or before.text == ","):
            continue
        if opening < len(tokens) and tokens[opening].text == "(":
            body = tokens[opening + 1 : _closing(tokens, opening, len(tokens))]
            found[name_of(token).casefold()] = _selected(body)
    return found


def _selected(tokens: Sequence[Token]) -> tuple[str, ...]:
    """The names of the columns that ``SELECT a, t.b, f(x) AS c FROM …`` gives; * gives none."""
    if not tokens or tokens[0].word != "SELECT":
        return ()
    names: list[str] = []
    depth = 0
    for index, token in enumerate(tokens[1:], start=1):
        depth += (token.text in "([{") - (token.text in ")]}")
        after = tokens[index + 1] if index + 1 < len(tokens) else None
        ends = after is None or (depth == 0 and (after.text == "," or after.word == "FROM"))
        if depth == 0 and ends and token.kind in ("word", "quoted") and token.word not in _NO_ALIAS:
            names.append(name_of(token))
        if depth == 0 and token.word == "FROM":
            break
    return tuple(dict.fromkeys(names))


def _closing(tokens: Sequence[Token], opening: int, stop: int) -> int:
    depth = 0
    for index in range(opening, stop):
        depth += (tokens[index].text == "(") - (tokens[index].text == ")")
        if depth == 0:
            return index
    return stop
