"""Athena SQL expressions -> DuckDB SQL. What has no counterpart is refused.

sqlglot knows most of the way from Trino to DuckDB; this module refuses what Athena would not know
(:func:`check`) and corrects what differs in meaning (:func:`to_duckdb`): whole-number division and division
by zero, dates that stay dates, ``date_diff`` counting full units, ``unnest`` of several arrays and of maps,
the names of unnamed columns, and the clock, which stands still at the start of a query.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlglot import exp
from sqlglot.errors import ParseError, SqlglotError

from stupiddb_kernel.local.athena.errors import QueryError, SyntaxRefused
from stupiddb_kernel.local.athena.functions import KNOWN, REWRITES, call, date_add, joda, unknown
from stupiddb_kernel.local.athena.text import place, tokenize

UNNAMED = "$unnamed"
"""Alias of an output column that has no name; becomes ``_col0`` by its position in the result."""

_STRUCTURAL = (
    exp.Cast,
    exp.TryCast,
    exp.Case,
    exp.If,
    exp.Extract,
    exp.Trim,
    exp.Substring,
    exp.StrPosition,
    exp.Array,
    exp.CurrentDate,
    exp.CurrentTime,
    exp.CurrentTimestamp,
    exp.CurrentUser,
    exp.CurrentCatalog,
    exp.CurrentSchema,
    exp.Localtime,
    exp.Localtimestamp,
    exp.GroupConcat,
    exp.Exists,
    exp.ArgMax,
    exp.ArgMin,
    exp.Floor,
    exp.Ceil,
    exp.Unnest,
    exp.And,
    exp.Or,
)
"""Function nodes that come from syntax or keywords, not from a name someone wrote."""

_SESSION = ("current_catalog", "current_schema")
_REFUSED = (
    exp.Command,
    exp.Pragma,
    exp.Copy,
    exp.Set,
    exp.Attach,
    exp.Pivot,
    exp.Columns,
    exp.Into,
    exp.Lock,
)


def parse(sql: str) -> exp.Expr:
    """The one statement of a text.

    Raises:
        SyntaxRefused: no statement, more than one, or a mistake in it.
    """
    import sqlglot

    tokens = tokenize(sql)
    if not tokens:
        raise SyntaxRefused("mismatched input '<EOF>'. Expecting: <query>", (1, 1))
    try:
        statements = [tree for tree in sqlglot.parse(_fetch_rows(sql), read="athena") if tree is not None]
    except ParseError as error:
        raise _mismatch(sql, error) from error
    except (SqlglotError, RecursionError) as error:
        raise SyntaxRefused(
            f"statement is too large (stack overflow while parsing): {error}", (1, 1)
        ) from error
    if len(statements) != 1:
        raise SyntaxRefused(f"Only one sql statement is allowed. Got: {sql}")
    return statements[0]


def _fetch_rows(sql: str) -> str:
    """``FETCH FIRST 1 ROW ONLY`` with ROWS, the only spelling sqlglot reads in Trino's dialect."""
    return re.sub(r"(?i)(\bfetch\s+(?:first|next)\s+\d+\s+row)(?=\s+only\s*(?:$|[;)]))", r"\1s", sql)


def _mismatch(sql: str, error: ParseError) -> SyntaxRefused:
    first = error.errors[0] if error.errors else {}
    found = str(first.get("highlight") or "")
    line, end = first.get("line") or 1, first.get("col") or 1
    where = (line, max(1, end - len(found) + 1))
    text = sql.rstrip().rstrip(";").rstrip()
    if not found or where >= place(text, max(0, len(text) - len(found))):
        return SyntaxRefused("mismatched input '<EOF>'. Expecting: <expression>", place(text, len(text)))
    return SyntaxRefused(f"mismatched input '{found}'. Expecting: <expression>", where)


def check(tree: exp.Expr, sql: str) -> None:
    """Refuse what Athena does not have: functions not on the list, table functions, other engines' syntax.

    Raises:
        QueryError: with the place of the offence.
    """
    for node in tree.walk():
        if isinstance(node, _REFUSED):
            raise SyntaxRefused(f"mismatched input '{node.key.upper()}'", position(node, sql))
        if isinstance(node, exp.Table):
            _check_table(node, sql)
        elif isinstance(node, exp.Func):
            _check_function(node, sql)
        elif isinstance(node, exp.Placeholder):
            raise QueryError(
                "INVALID_PARAMETER_USAGE",
                "Incorrect number of parameters: expected at least 1 but found 0",
                (1, 1),
            )
        elif isinstance(node, exp.Parameter):
            raise SyntaxRefused("mismatched input '@'", position(node, sql))


def _check_table(node: exp.Table, sql: str) -> None:
    inner = node.this
    if isinstance(inner, exp.Anonymous) and inner.name.lower() == "table" and len(inner.expressions) == 1:
        if isinstance(inner.expressions[0], exp.GenerateSeries):
            return
        raise QueryError("FUNCTION_NOT_FOUND", "Table function not registered", position(inner, sql))
    if isinstance(inner, exp.Func):
        raise QueryError(
            "FUNCTION_NOT_FOUND",
            f"Table function '{_written(inner, sql)}' not registered",
            position(inner, sql),
        )
    if not isinstance(inner, exp.Identifier) or "start" not in inner.meta:
        raise SyntaxRefused(f"mismatched input {node.sql('athena')}", position(node, sql))
    if sql[inner.meta["start"]] == "'":
        raise SyntaxRefused(f"mismatched input '{inner.name}'. Expecting: <identifier>", position(inner, sql))


def _check_function(node: exp.Func, sql: str) -> None:
    if "start" not in node.meta:
        if not isinstance(node, _STRUCTURAL):
            raise unknown(node.sql_name())
        return
    name = _written(node, sql)
    if name == "table" and isinstance(node.parent, exp.Table):
        return
    if name not in KNOWN:
        failure = unknown(name)
        raise QueryError(failure.name, failure.message, position(node, sql))


def _written(node: exp.Expr, sql: str) -> str:
    if "start" not in node.meta:
        return node.sql_name().lower() if isinstance(node, exp.Func) else node.key
    return sql[node.meta["start"] : node.meta["end"] + 1].strip('"`').lower()


def position(node: exp.Expr, sql: str) -> tuple[int, int] | None:
    """Where a node begins in its text, if it or something in it knows."""
    starts = [part.meta["start"] for part in node.walk() if "start" in part.meta]
    return place(sql, min(starts)) if starts else None


def locate(name: str, sql: str) -> tuple[int, int] | None:
    """Where a name is first written in a text."""
    for token in tokenize(sql):
        written = sql[token.start : token.end + 1].strip('"`')
        if written.lower() == name.lower():
            return place(sql, token.start)
    return None


@dataclass(frozen=True)
class Surroundings:
    """What an expression's meaning depends on besides its text."""

    catalog: str
    schema: str
    now: datetime
    is_map: Callable[[exp.Expr], bool]


def to_duckdb(tree: exp.Expr, around: Surroundings) -> exp.Expr:
    """The same query in DuckDB's terms. The tree is changed in place where it can be."""
    for unnest in list(tree.find_all(exp.Unnest)):
        _unnest(unnest, around)
    return tree.transform(lambda node: _rewrite(node, around), copy=False)


def render(tree: exp.Expr) -> str:
    """The text for DuckDB, with every name quoted."""
    return tree.sql("duckdb", identify=True, comments=False)


def name_outputs(tree: exp.Expr) -> None:
    """Give unnamed output columns an alias that :func:`output_names` replaces."""
    query = tree
    while isinstance(query, (exp.SetOperation, exp.Subquery)):
        query = query.this
    if not isinstance(query, exp.Select):
        return
    for index, item in enumerate(query.expressions):
        if isinstance(item, exp.Column) and not item.table and item.name.lower() in _SESSION:
            item.replace(exp.alias_(item.copy(), f"{UNNAMED}{index}", quoted=True))
            continue
        named = (
            isinstance(item, (exp.Alias, exp.Column, exp.Star, exp.Dot, exp.Aliases))
            and item.output_name != ""
        )
        if not named and not item.is_star:
            item.replace(exp.alias_(item.copy(), f"{UNNAMED}{index}", quoted=True))


def output_names(names: list[str]) -> list[str]:
    """The names of a result's columns: ``_col<position>`` where none was given."""
    return [f"_col{index}" if name.startswith(UNNAMED) else name for index, name in enumerate(names)]


def _rewrite(node: exp.Expr, around: Surroundings) -> exp.Expr:
    if isinstance(node, exp.Anonymous):
        rewrite = REWRITES.get(node.name.upper())
        return rewrite(list(node.expressions)) if rewrite else node
    if isinstance(node, exp.Column):
        return _session_column(node, around)
    for kind, rewrite_typed in _TYPED:
        if isinstance(node, kind):
            return rewrite_typed(node, around)
    return node


def _session_column(node: exp.Column, around: Surroundings) -> exp.Expr:
    if node.table or (isinstance(node.this, exp.Identifier) and node.this.quoted):
        return node
    value = {"current_catalog": around.catalog, "current_schema": around.schema}.get(node.name.lower())
    return node if value is None else exp.Literal.string(value)


def _unit(node: exp.Expr) -> str:
    unit = node.args.get("unit")
    return (unit.name if unit is not None else "day").lower()


def _divide(node: exp.Expr, _: Surroundings) -> exp.Expr:
    divisor = node.expression
    literal = divisor.unnest()
    if isinstance(literal, exp.Literal) and not literal.is_string and float(literal.this) != 0:
        return node
    if divisor.find(exp.Subquery, exp.Select):  # a macro would run it twice, and scan its tables twice
        return node
    if node.find_ancestor(exp.Try):  # TRY wants NULL, which DuckDB gives by itself
        return node
    node.set("expression", call("trino_nonzero", divisor.copy()))
    return node


def _plus(node: exp.Expr, _: Surroundings) -> exp.Expr:
    left, right = node.this, node.expression
    if isinstance(left, exp.Interval) == isinstance(right, exp.Interval):
        return node
    if isinstance(right, exp.Interval):
        return call("trino_plus", left.copy(), right.copy())
    return call("trino_plus", right.copy(), left.copy())


def _minus(node: exp.Expr, _: Surroundings) -> exp.Expr:
    if isinstance(node.expression, exp.Interval) and not isinstance(node.this, exp.Interval):
        return call("trino_plus", node.this.copy(), exp.Neg(this=exp.Paren(this=node.expression.copy())))
    return node


def _reduce(node: exp.Expr, _: Surroundings) -> exp.Expr:
    reduced = call("list_reduce", node.this, node.args["merge"], node.args["initial"])
    finish = node.args.get("finish")
    if not isinstance(finish, exp.Lambda):
        return reduced
    name = finish.expressions[0].name.lower()
    finished: exp.Expr = finish.this.transform(
        lambda part: (
            exp.Paren(this=reduced.copy())
            if isinstance(part, (exp.Column, exp.Identifier)) and part.name.lower() == name
            else part
        )
    )
    return finished


def _struct(node: exp.Expr, _: Surroundings) -> exp.Expr:
    if any(isinstance(item, exp.PropertyEQ) for item in node.expressions):
        return node
    if isinstance(node.parent, (exp.Cast, exp.TryCast)):  # a named struct would be cast by name, not position
        return call("row", *[item.copy() for item in node.expressions])
    fields = [
        exp.PropertyEQ(this=exp.to_identifier(f"field{index}"), expression=item.copy())
        for index, item in enumerate(node.expressions)
    ]
    return exp.Struct(expressions=fields)


def _type(node: exp.Expr, _: Surroundings) -> exp.Expr:
    kinds = (exp.DType.TIMESTAMP, exp.DType.TIMESTAMPTZ, exp.DType.TIME, exp.DType.VARCHAR, exp.DType.CHAR)
    if isinstance(node, exp.DataType) and node.this in kinds and node.expressions:
        node.set("expressions", [])
    return node


def _regexp_replace(node: exp.Expr, _: Surroundings) -> exp.Expr:
    replacement = node.args.get("replacement")
    if isinstance(replacement, exp.Literal) and replacement.is_string:
        text = re.sub(r"\$(\d)", r"\\\1", replacement.this.replace("\\", "\\\\"))
        node.set("replacement", exp.Literal.string(text))
    return node


def _quantile(node: exp.Expr, _: Surroundings) -> exp.Expr:
    if node.args.get("accuracy") is not None:
        raise QueryError("NOT_SUPPORTED", "approx_percentile with weights or accuracy is not supported here")
    return node


def _array_sort(node: exp.Expr, _: Surroundings) -> exp.Expr:
    if node.args.get("expression") is not None:
        raise QueryError("NOT_SUPPORTED", "array_sort with a comparator is not supported here")
    return node


def _moment(text: str, kind: str) -> exp.Expr:
    return exp.cast(exp.Literal.string(text), kind)


def _size(node: exp.Expr, around: Surroundings) -> exp.Expr:
    return call("cardinality", node.this) if around.is_map(node.this) else node


def _random(node: exp.Expr, _: Surroundings) -> exp.Expr:
    bounds = [node.args[key] for key in ("this", "lower") if node.args.get(key) is not None]
    return call("trino_random", *bounds) if bounds else node


def _format(node: exp.Expr, _: Surroundings) -> exp.Expr:
    return call("printf", node.this, *node.expressions)


_TYPED: tuple[tuple[type[exp.Expr], Callable[[Any, Surroundings], exp.Expr]], ...] = (
    (exp.TimestampTrunc, lambda n, _: call("trino_date_trunc", _unit(n), n.this)),
    (exp.DateTrunc, lambda n, _: call("trino_date_trunc", _unit(n), n.this)),
    (exp.DateDiff, lambda n, _: call("date_sub", _unit(n), n.expression, n.this)),
    (exp.DateAdd, lambda n, _: date_add(_unit(n), n.expression, n.this)),
    (
        exp.GenerateSeries,
        lambda n, _: call(
            "trino_sequence", *[n.args[k] for k in ("start", "end", "step") if n.args.get(k) is not None]
        ),
    ),
    (
        exp.RegexpExtract,
        lambda n, _: call("trino_regexp_extract", n.this, n.expression, n.args.get("group") or 0),
    ),
    (exp.RegexpReplace, _regexp_replace),
    (exp.SplitPart, lambda n, _: call("trino_split_part", n.this, n.args["delimiter"], n.args["part_index"])),
    (exp.ArrayDistinct, lambda n, _: call("trino_array_distinct", n.this)),
    (exp.ArrayRemove, lambda n, _: call("trino_array_remove", n.this, n.expression)),
    (
        exp.ArrayToString,
        lambda n, _: call(
            "trino_array_join",
            *[n.args[k] for k in ("this", "expression", "null") if n.args.get(k) is not None],
        ),
    ),
    (exp.ArraySize, _size),
    (exp.ArraySort, _array_sort),
    (exp.Rand, _random),
    (exp.Reduce, _reduce),
    (exp.Length, lambda n, _: call("trino_length", n.this)),
    (exp.Typeof, lambda n, _: call("trino_typeof", n.this)),
    (exp.Repeat, lambda n, _: call("trino_repeat", n.this, n.args["times"])),
    (exp.Normalize, lambda n, _: call("trino_normalize", n.this)),
    (
        exp.WidthBucket,
        lambda n, _: call(
            "trino_width_bucket", n.this, n.args["min_value"], n.args["max_value"], n.args["num_buckets"]
        ),
    ),
    (
        exp.ParseDatetime,
        lambda n, _: exp.cast(call("strptime", n.this, joda(n.args["format"])), "TIMESTAMPTZ"),
    ),
    (exp.Format, _format),
    (exp.ApproxQuantile, _quantile),
    (exp.Div, _divide),
    (exp.Mod, _divide),
    (exp.Add, _plus),
    (exp.Sub, _minus),
    (exp.Struct, _struct),
    (exp.DataType, _type),
    (exp.CurrentDate, lambda _, a: _moment(f"{a.now:%Y-%m-%d}", "DATE")),
    (exp.CurrentTimestamp, lambda _, a: _moment(f"{a.now:%Y-%m-%d %H:%M:%S.%f}"[:23] + "+00", "TIMESTAMPTZ")),
    (exp.Localtimestamp, lambda _, a: _moment(f"{a.now:%Y-%m-%d %H:%M:%S.%f}"[:23], "TIMESTAMP")),
    (exp.Localtime, lambda _, a: _moment(f"{a.now:%H:%M:%S.%f}"[:12], "TIME")),
    (exp.CurrentUser, lambda _, __: exp.Literal.string("stupiddb")),
    (exp.CurrentCatalog, lambda _, a: exp.Literal.string(a.catalog)),
    (exp.CurrentSchema, lambda _, a: exp.Literal.string(a.schema)),
)


def _unnest(node: exp.Unnest, around: Surroundings) -> None:
    """``UNNEST(a, b) AS t(x, y)`` as a lateral select, which DuckDB zips and pads with NULL as Trino does."""
    alias = node.args.get("alias")
    names = [column.name for column in alias.columns] if alias else []
    offset = node.args.get("offset")
    ordinality = offset.name if isinstance(offset, exp.Identifier) else "ordinality" if offset else None
    if len(node.expressions) == 1 and len(names) <= 1 and not around.is_map(node.expressions[0]):
        return
    outputs: list[exp.Expr] = []
    for argument in node.expressions:
        outputs += _unnest_argument(argument, names, len(node.expressions), around)
    if ordinality:
        outputs.append(
            exp.alias_(call("generate_subscripts", node.expressions[0].copy(), 1), ordinality, quoted=True)
        )
    label = alias.name if alias and alias.name else "unnest"
    lateral = exp.Subquery(
        this=exp.select(*outputs), alias=exp.TableAlias(this=exp.to_identifier(label, quoted=True))
    )
    correlated = isinstance(node.parent, exp.Join)
    node.replace(
        exp.Lateral(this=lateral.this.subquery(), alias=lateral.args["alias"]) if correlated else lateral
    )


def _unnest_argument(
    argument: exp.Expr, names: list[str], arguments: int, around: Surroundings
) -> list[exp.Expr]:
    def next_name() -> str:
        return names.pop(0) if names else "_unnested"

    if around.is_map(argument):
        return [
            exp.alias_(call("unnest", call(part, argument.copy())), next_name(), quoted=True)
            for part in ("map_keys", "map_values")
        ]
    if arguments == 1 and len(names) > 1:  # an array of rows becomes one column a field
        rows = exp.Bracket(this=exp.Paren(this=call("unnest", argument.copy())))
        return [
            exp.alias_(call("struct_extract", rows.this.copy(), index + 1), next_name(), quoted=True)
            for index in range(len(names))
        ]
    return [exp.alias_(call("unnest", argument.copy()), next_name(), quoted=True)]
