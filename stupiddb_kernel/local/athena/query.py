"""One SELECT (or anything that yields rows): from Athena's text to a stream of Arrow batches."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from sqlglot import exp

from stupiddb_kernel.local.athena import hive, translate
from stupiddb_kernel.local.athena.binding import Binding, Relation
from stupiddb_kernel.local.athena.chunks import Footers
from stupiddb_kernel.local.athena.duck import Evaluator, open_engine
from stupiddb_kernel.local.athena.errors import QueryError, QueryStopped
from stupiddb_kernel.local.athena.glue import CATALOG, Catalog, Partition, Table
from stupiddb_kernel.local.athena.meter import Meter
from stupiddb_kernel.local.athena.scan import Reading, Scan
from stupiddb_kernel.local.athena.storage import Storage

if TYPE_CHECKING:
    import duckdb

BATCH_ROWS = 65_536
_WHOLE = {
    "HUGEINT": "int64",
    "UHUGEINT": "int64",
    "UBIGINT": "int64",
    "UINTEGER": "int64",
    "USMALLINT": "int32",
    "UTINYINT": "int16",
}
"""DuckDB's integer types that Trino does not have, and what Trino's result would be."""


@dataclass(frozen=True)
class Context:
    """What a query runs with."""

    catalog: Catalog
    storage: Storage
    footers: Footers
    pool: ThreadPoolExecutor
    meter: Meter
    spill: Path
    evaluator: Evaluator
    database: str
    now: datetime


@dataclass(frozen=True)
class Output:
    """The running query's columns and rows."""

    schema: pa.Schema
    kinds: tuple[str, ...]
    batches: Iterator[pa.RecordBatch]
    unnamed: tuple[int, ...] = ()

    def require_names(self) -> None:
        """Refuse columns without a name or with the same one: a table or file could not hold them.

        Raises:
            QueryError: with the position of the column.
        """
        if self.unnamed:
            raise QueryError(
                "MISSING_COLUMN_NAME", f"Column name not specified at position {self.unnamed[0] + 1}", (1, 1)
            )
        names = [name.lower() for name in self.schema.names]
        if doubled := [name for name in names if names.count(name) > 1]:
            raise QueryError(
                "DUPLICATE_COLUMN_NAME", f"Column name '{doubled[0]}' specified more than once", (1, 1)
            )


class Query:
    """A bound and translated query. Used once; :meth:`close` frees the engine, also after an error."""

    def __init__(self, context: Context, sql: str, tree: exp.Expr) -> None:
        self._context = context
        self._sql = sql
        self._engine: duckdb.DuckDBPyConnection | None = None
        self._binding = Binding(context.catalog)
        tree = _as_query(tree)
        translate.name_outputs(tree)
        self._binding.bind(tree, sql, context.database)
        self._surroundings = translate.Surroundings(
            CATALOG, context.database, context.now, self._binding.is_map
        )
        self._tree = translate.to_duckdb(tree, self._surroundings)
        self.text = translate.render(self._tree)

    def open(self) -> None:
        """Prune partitions and open the engine over the scans."""
        reading = Reading(
            self._context.storage, self._context.footers, self._context.meter, self._context.pool
        )
        relations: dict[str, tuple[Any, list[str]]] = {}
        for relation in self._binding.relations:
            data = relation.rows
            if relation.table is not None:
                data = Scan(relation.table, self._partitions(relation.table, relation), reading)
            relations[relation.name] = (data, relation.columns)
        self._engine = open_engine(self._context.spill, relations)
        self._context.meter.check()

    def interrupt(self) -> None:
        """Stop from another thread."""
        import duckdb

        if self._engine is not None:
            with contextlib.suppress(duckdb.ConnectionException):  # already closed: nothing runs
                self._engine.interrupt()

    def run(self) -> Output:
        """Start the query.

        Raises:
            QueryError, QueryStopped, ScanCutoffReached: it can't run.
        """
        return self._execute(self.text)

    def describe(self) -> Output:
        """The columns, without running the query."""
        return self._execute(f"SELECT * FROM ({self.text}) LIMIT 0")

    def explain(self, analyze: bool) -> str:
        """DuckDB's plan; with ``analyze`` the query is really run.

        Raises:
            QueryError: it can't be planned.
        """
        output = self._execute(("EXPLAIN ANALYZE " if analyze else "EXPLAIN ") + self.text)
        return "\n".join(
            str(row[-1]) for batch in output.batches for row in zip(*batch.to_pydict().values(), strict=True)
        )

    def close(self) -> None:
        """Free the engine."""
        if self._engine is not None:
            self._engine.close()

    def _execute(self, text: str) -> Output:
        if self._engine is None:
            self.open()
        engine = self._engine
        assert engine is not None  # noqa: S101 - set by open()
        try:
            engine.execute(text)
            kinds = tuple(str(column[1]) for column in engine.description or ())
            reader = engine.to_arrow_reader(BATCH_ROWS)
        except Exception as error:
            raise self._translated(error) from error
        names = translate.output_names(reader.schema.names)
        schema = pa.schema(
            [
                pa.field(name, getattr(pa, _WHOLE[kind])() if kind in _WHOLE else found.type)
                for name, kind, found in zip(names, kinds, reader.schema, strict=True)
            ]
        )
        unnamed = tuple(i for i, name in enumerate(reader.schema.names) if name.startswith(translate.UNNAMED))
        return Output(schema, kinds, self._rows(reader, schema), unnamed)

    def _rows(self, reader: pa.RecordBatchReader, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        meter = self._context.meter
        try:
            for batch in reader:
                meter.check()
                arrays = [
                    column if column.type == field.type else column.cast(field.type)
                    for column, field in zip(batch.columns, schema, strict=True)
                ]
                yield pa.RecordBatch.from_arrays(arrays, schema=schema)
        except GeneratorExit:
            raise
        except Exception as error:
            raise self._translated(error) from error

    def _partitions(self, table: Table, relation: Relation) -> list[Partition] | None:
        """The partitions that meet the query's conditions on partition keys."""
        if relation.partitions is None or relation.condition is None or not relation.partitions:
            return relation.partitions
        import duckdb

        condition = translate.to_duckdb(relation.condition.copy(), self._surroundings)
        for column in condition.find_all(exp.Column):
            column.set("table", None)
        keys: list[pa.Array] = [pa.array(range(len(relation.partitions)), pa.int64())]
        for index, key in enumerate(table.partition_keys):
            values = pa.array([partition.values[index] for partition in relation.partitions], pa.string())
            try:
                keys.append(values.cast(hive.arrow_type(key.type)))
            except pa.ArrowInvalid:
                return relation.partitions
        rows = pa.table(keys, names=["$partition", *[key.name for key in table.partition_keys]])
        try:
            kept = self._context.evaluator.matching(rows, translate.render(condition))
        except duckdb.Error:  # the query itself meets the same condition and reports it in full
            return relation.partitions
        return [relation.partitions[index] for index in kept]

    def _translated(self, error: Exception) -> Exception:
        """The error Athena would give for one of DuckDB's or of a scan's."""
        meter = self._context.meter
        if meter.stopped:
            return QueryStopped()
        if meter.error is not None:
            return meter.error
        if isinstance(error, (QueryError, QueryStopped)) or not _is_engine(error):
            return error
        return engine_error(error, self._sql)


def _is_engine(error: Exception) -> bool:
    import duckdb

    return isinstance(error, (duckdb.Error, pa.ArrowException, OSError))


def _as_query(tree: exp.Expr) -> exp.Expr:
    """The statement as a query that sqlglot's scopes understand.

    Raises:
        QueryError: it yields no rows.
    """
    if isinstance(tree, exp.Values):
        width = len(tree.expressions[0].expressions) if isinstance(tree.expressions[0], exp.Tuple) else 1
        names = [exp.to_identifier(f"_col{index}") for index in range(width)]
        tree.set("alias", exp.TableAlias(this=exp.to_identifier("values"), columns=names))
        return exp.select("*").from_(tree)
    if isinstance(tree, exp.Subquery) and not tree.args.get("alias"):
        return (
            exp.select("*").from_(exp.alias_(tree.this, "query", table=True))
            if tree.args.get("with_")
            else tree
        )
    if not isinstance(tree, exp.Query):
        raise QueryError("NOT_SUPPORTED", f"Queries of this type are not supported: {tree.key.upper()}")
    return tree


_PATTERNS: tuple[tuple[str, str, str], ...] = (
    (
        r'Referenced column "([^"]+)" (?:was )?not found',
        "COLUMN_NOT_FOUND",
        "Column '{0}' cannot be resolved or requester is not authorized to access requested resources",
    ),
    (
        r'Referenced table "([^"]+)" not found',
        "COLUMN_NOT_FOUND",
        "Column '{0}' cannot be resolved or requester is not authorized to access requested resources",
    ),
    (
        r'(?:Table|Values list) "[^"]+" does not have a column named "([^"]+)"',
        "COLUMN_NOT_FOUND",
        "Column '{0}' cannot be resolved or requester is not authorized to access requested resources",
    ),
    (r'Ambiguous reference to column name "([^"]+)"', "AMBIGUOUS_NAME", "Column '{0}' is ambiguous"),
    (
        r'column "([^"]+)" must appear in the GROUP BY',
        "EXPRESSION_NOT_AGGREGATE",
        "'{0}' must be an aggregate expression or appear in GROUP BY clause",
    ),
    (
        r"Macro (?:trino_)?(\w+)\(\) does not support the supplied arguments",
        "FUNCTION_NOT_FOUND",
        "Unexpected parameters for function {0}",
    ),
    (
        r"No function matches the given name and argument types '(?:trino_)?(\w+)(\([^']*\))'",
        "FUNCTION_NOT_FOUND",
        "Unexpected parameters {1} for function {0}",
    ),
    (
        r"Function with name (?:trino_)?(\w+) does not exist",
        "FUNCTION_NOT_FOUND",
        "Function '{0}' not registered",
    ),
    (r"DIVISION_BY_ZERO", "DIVISION_BY_ZERO", "Division by zero"),
    (
        r"Cannot (?:compare|mix) values of type (\w+) and (?:type )?(\w+)",
        "TYPE_MISMATCH",
        "Cannot apply operator: {0} and {1}",
    ),
    (r"Could not convert (.*)", "INVALID_CAST_ARGUMENT", "Cannot cast: could not convert {0}"),
    (r"(Could not parse string .*)", "INVALID_FUNCTION_ARGUMENT", "{0}"),
    (r"(invalid (?:date|timestamp|time) field format.*)", "INVALID_CAST_ARGUMENT", "{0}"),
    (r"(.*(?:[Oo]verflow|[Oo]ut of [Rr]ange).*)", "NUMERIC_VALUE_OUT_OF_RANGE", "{0}"),
    (
        r"More than one row returned by a subquery",
        "SUBQUERY_MULTIPLE_ROWS",
        "Scalar sub-query has returned multiple rows",
    ),
    (
        r"(?:[Oo]ut of [Mm]emory|could not allocate|failed to (?:pin|allocate) block)",
        "EXCEEDED_LOCAL_MEMORY_LIMIT",
        "Query exhausted resources at this scale factor",
    ),
)


def engine_error(error: Exception, sql: str) -> QueryError:
    """DuckDB's error in Athena's words; the place is where the name stands in Athena's text."""
    text = str(error).split("\n\nLINE ", 1)[0]
    for pattern, name, message in _PATTERNS:
        if match := re.search(pattern, text):
            parts: Sequence[str] = [part or "" for part in match.groups()]
            where = translate.locate(parts[0], sql) if parts else None
            return QueryError(name, message.format(*parts), where)
    first = text.splitlines()[0] if text else type(error).__name__
    kind, _, rest = first.partition(" Error: ")
    if kind in ("Binder", "Parser", "Catalog") and rest:
        return QueryError("SYNTAX_ERROR", rest)
    return QueryError("GENERIC_USER_ERROR" if rest else "GENERIC_INTERNAL_ERROR", rest or first)
