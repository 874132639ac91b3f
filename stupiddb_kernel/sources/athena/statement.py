"""What kind of statement the user wrote, and how its result is best read.

UNLOAD writes Parquet: exact nested types, and several times faster for many rows. But it keeps no order
between files, needs distinct column names, writes no ``time`` or zoned timestamps, and its results are
never reused. So ordered statements and plain aggregates, whose results are short and worth reusing, are read
directly; all other SELECTs are unloaded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from stupiddb_kernel.sources import binding
from stupiddb_kernel.sources.literal import Renderer, is_list

if TYPE_CHECKING:
    from sqlglot import exp

_NESTING = {
    "APPROX_MOST_FREQUENT", "ARRAY", "ARRAY_AGG", "ARRAY_DISTINCT", "ARRAY_SORT", "FILTER", "HISTOGRAM",
    "MAP", "MAP_AGG", "MAP_FROM_ENTRIES", "MAP_UNION", "MULTIMAP_AGG", "NUMERIC_HISTOGRAM", "ROW",
    "SEQUENCE", "SPLIT", "TRANSFORM",
}  # fmt: skip
_MOST_PARAMETERS = 25  # Athena's own limits for ExecutionParameters
_LONGEST_PARAMETER = 1_024


@dataclass(frozen=True)
class Statement:
    """One statement with its values bound.

    ``direct`` is sent with ``execution_parameters`` for its ``?``; ``inlined`` has every value as a
    literal, for UNLOAD and wherever Athena's parameters don't reach.
    """

    typed: str
    direct: str
    execution_parameters: tuple[str, ...]
    inlined: str
    unload: bool
    """Whether reading it by UNLOAD is possible, as far as the text tells, and worth it."""
    select: bool
    """Whether it is a query that LIMIT 0 can be put around."""
    _found: tuple[binding.Placeholder, ...]
    _parameters: Mapping[str, object]

    @classmethod
    def of(cls, sql: str, parameters: Mapping[str, object] | None, limit: int | None = None) -> Statement:
        """``limit`` is put behind a query that has none of its own.

        Raises UsageError for wrong parameters and UnsafeStatement for more than one statement.
        """
        text = binding.single_statement(sql, "athena")
        found = tuple(binding.placeholders(text, "athena"))
        given = parameters or {}
        binding.check(found, given)
        render = Renderer(given, "trino")
        inlined = binding.rewrite(text, found, render)
        direct, values = _with_parameters(text, found, given, render)
        shape = _shape(inlined)
        if limit is not None and shape.limitable:
            direct, inlined = f"{direct}\nLIMIT {limit:d}", f"{inlined}\nLIMIT {limit:d}"
        return cls(sql, direct, values, inlined, shape.unload, shape.select, found, given)

    def position(self, sent: str, line: int, column: int) -> int | None:
        """The offset in the SQL as typed of Athena's 1-based place in ``direct`` or ``inlined``."""
        lines = sent.split("\n")
        if not 0 < line <= len(lines) or column < 1:
            return None
        offset = sum(len(each) + 1 for each in lines[: line - 1]) + column - 1
        render = Renderer(self._parameters, "trino")
        if sent == self.inlined:
            return binding.original_position(offset, self._found, render)
        if sent == self.direct:
            return binding.original_position(
                offset, self._found, lambda placeholder: _short(placeholder, self._parameters, render)
            )
        return None


def _with_parameters(
    text: str,
    found: tuple[binding.Placeholder, ...],
    given: Mapping[str, object],
    render: Renderer,
) -> tuple[str, tuple[str, ...]]:
    """The text with ``?`` for plain values and what stands for them, within Athena's limits."""
    values = [render(placeholder) for placeholder in found if _is_plain(placeholder, given)]
    marks = [token for token in binding.tokenize(text, "athena") if token.text == "?"]
    if not values or marks or len(values) > _MOST_PARAMETERS or max(map(len, values)) > _LONGEST_PARAMETER:
        return binding.rewrite(text, found, render), ()
    direct = binding.rewrite(text, found, lambda placeholder: _short(placeholder, given, render))
    return direct, tuple(values)


def _short(placeholder: binding.Placeholder, given: Mapping[str, object], render: Renderer) -> str:
    return "?" if _is_plain(placeholder, given) else render(placeholder)


def _is_plain(placeholder: binding.Placeholder, given: Mapping[str, object]) -> bool:
    """Whether a value's literal is a bare word of SQL: typed literals and lists stay in the text."""
    value = given[placeholder.name]
    return not is_list(value) and (isinstance(value, str) or (type(value) is int and 0 <= value < 2**63))


@dataclass(frozen=True, slots=True)
class _Shape:
    select: bool = False
    unload: bool = False
    limitable: bool = False
    """It is a query without a LIMIT of its own, so one can be put behind it."""


def _shape(sql: str) -> _Shape:
    """What kind of statement this is, from sqlglot's reading of it; if it has none, from its words."""
    first = binding.first_word(sql, "athena")
    if first not in ("SELECT", "WITH", "VALUES", "TABLE"):
        return _Shape()
    import sqlglot
    from sqlglot import exp
    from sqlglot.errors import SqlglotError

    try:
        tree: Any = sqlglot.parse_one(sql, dialect="athena")
    except SqlglotError:
        return _Shape(select=True, unload=first in ("SELECT", "WITH") and "ORDER" not in _words(sql))
    limitable = isinstance(tree, exp.Query) and not tree.args.get("limit")
    while isinstance(tree, exp.Subquery) and not any(tree.args.get(key) for key in ("order", "limit")):
        tree = tree.this
    if not isinstance(tree, exp.Query):
        return _Shape(select=isinstance(tree, exp.Values))
    if tree.args.get("order") or not _has_names(tree):
        return _Shape(select=True, limitable=limitable)
    unload = not _is_aggregate(tree) or bool(_NESTING & _words(sql))
    return _Shape(select=True, unload=unload, limitable=limitable)


def _words(sql: str) -> set[str]:
    return {token.word for token in binding.tokenize(sql, "athena")}


def _has_names(tree: exp.Query) -> bool:
    """Whether every column has a name of its own, as far as the text tells."""
    from sqlglot import exp

    if any(isinstance(each, exp.Star) or each.is_star for each in tree.selects):
        return True  # Athena will say if it is not so, and failed queries are free
    names = [each.alias_or_name.lower() for each in tree.selects]
    return all(names) and len(set(names)) == len(names)


def _is_aggregate(tree: exp.Query) -> bool:
    from sqlglot import exp

    if not isinstance(tree, exp.Select):
        return False
    if tree.args.get("group") or tree.args.get("distinct"):
        return True
    return bool(tree.selects) and all(
        each.find(exp.AggFunc) and not each.find(exp.Window) for each in tree.selects
    )
