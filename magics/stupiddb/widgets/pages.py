"""Pages of one DuckDB table, sorted and filtered, as exact texts.

A query's row ids are found once and kept; a page is then a lookup of some ids. Every read uses a
connection of its own, so it never meets what the user's cells do, and can be interrupted alone.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field

from stupiddb.widgets.requests import Cancelled, Ticket
from stupiddb.widgets.values import Kind, kind_of_duckdb, not_a_value, operand, text_of
from stupiddb_kernel.errors import StupiddbError, UsageError

if TYPE_CHECKING:
    import numpy as np
    from duckdb import DuckDBPyConnection

_KEPT_QUERIES = 4
_MOST_CELLS = 1_000_000
"""What one copy may hold."""

Value = str | None


class Sort(BaseModel):
    """One key of the order; NULLs come last either way."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    column: int = Field(ge=0)
    descending: bool = False


class Filter(BaseModel):
    """One condition on a column; ``value`` as the user typed it."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    column: int = Field(ge=0)
    operator: Literal["contains", "=", "!=", "<", "<=", ">", ">=", "null", "not null"]
    value: str = ""


class Query(BaseModel):
    """An order and conditions that all hold."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    sort: tuple[Sort, ...] = ()
    filters: tuple[Filter, ...] = ()


@dataclass(frozen=True)
class ShownColumn:
    """A column as it is shown: ``label`` names its type, ``duckdb_type`` is the type."""

    name: str
    label: str
    duckdb_type: str

    @property
    def kind(self) -> Kind:
        """What the front end goes by: alignment, icon, conditions."""
        return kind_of_duckdb(self.duckdb_type)


@dataclass(frozen=True)
class Relation:
    """A base table of a DuckDB: its qualified quoted name and its columns' quoted names.

    ``identity`` is its oid; None where it can't be replaced.
    """

    sql: str
    columns: tuple[str, ...]
    identity: tuple[str, str, str, int] | None = None


def hold(rows: pa.Table) -> Pages:
    """Arrow rows in a DuckDB of their own, for instance a preview's.

    Columns of a type that DuckDB does not know are held as Arrow's text for them.
    """
    import duckdb

    connection = duckdb.connect(":memory:")
    names = tuple(f"c{index}" for index in range(rows.num_columns))
    arrays = [_known_to_duckdb(rows.column(index)) for index in range(rows.num_columns)]
    connection.register("incoming", pa.table(dict(zip(names, arrays, strict=True))))
    connection.execute("CREATE TABLE rows AS SELECT * FROM incoming")
    connection.unregister("incoming")
    types = [row[1] for row in connection.execute("DESCRIBE rows").fetchall()]
    columns = [
        ShownColumn(field.name, _arrow_label(field.type), duckdb_type)
        for field, duckdb_type in zip(rows.schema, types, strict=True)
    ]
    return Pages(connection, Relation("rows", names), columns)


class Pages:
    """The pages of a relation; safe to ask from several threads."""

    def __init__(
        self, connection: DuckDBPyConnection, relation: Relation, columns: Sequence[ShownColumn]
    ) -> None:
        self._connection = connection
        self._relation = relation
        self.columns = tuple(columns)
        self._texts = [
            text_of(name, column.duckdb_type)
            for name, column in zip(relation.columns, self.columns, strict=True)
        ]
        self._longest = min(500, max(60, 60_000 // max(len(self.columns), 1)))
        self._found: OrderedDict[Query, np.ndarray[Any, Any]] = OrderedDict()
        self._lock = threading.Lock()
        self._finding: dict[Query, threading.Lock] = {}

    def page(self, query: Query, offset: int, limit: int, ticket: Ticket | None = None) -> dict[str, Any]:
        """Rows ``offset`` … ``offset + limit``, ``total`` under the query, and which cells were cut short."""
        with self._cursor(ticket) as cursor:
            total, rows = self._rows(
                cursor, query, offset, limit, range(len(self.columns)), self._longest + 1
            )
        cut: list[tuple[int, int]] = []
        for at, row in enumerate(rows):
            for column, value in enumerate(row):
                if value is not None and len(value) > self._longest:
                    row[column] = value[: self._longest]
                    cut.append((at, column))
        return {"offset": offset, "rows": rows, "total": total, "cut": cut}

    def cell(self, query: Query, row: int, column: int, ticket: Ticket | None = None) -> Value:
        """The whole text of one cell."""
        with self._cursor(ticket) as cursor:
            _, rows = self._rows(cursor, query, row, 1, [column], None)
        return rows[0][0] if rows else None

    def copy(
        self,
        query: Query,
        rows: tuple[int, int],
        columns: tuple[int, int],
        header: bool,
        ticket: Ticket | None = None,
    ) -> str:
        """An area, both ends included, as tab-separated values; NULL is an empty field.

        Raises UsageError for more than a million cells.
        """
        count, chosen = rows[1] - rows[0] + 1, range(columns[0], columns[1] + 1)
        if count * len(chosen) > _MOST_CELLS:
            raise UsageError(
                f"{count * len(chosen):,} cells are too many for the clipboard; at most {_MOST_CELLS:,}",
                hint="write the expression to a file: expr.to_csv(…) or expr.to_parquet(…)",
            )
        with self._cursor(ticket) as cursor:
            _, values = self._rows(cursor, query, rows[0], count, chosen, None)
        lines: list[list[Value]] = [[self.columns[column].name for column in chosen]] if header else []
        return "\n".join("\t".join(map(_field, line)) for line in lines + values)

    def _rows(
        self,
        cursor: DuckDBPyConnection,
        query: Query,
        offset: int,
        limit: int,
        columns: Sequence[int],
        longest: int | None,
    ) -> tuple[int, list[list[Value]]]:
        texts = [self._texts[self._valid(column)] for column in columns]
        if longest is not None:
            texts = [f"left({text}, {longest})" for text in texts]
        selected, source = ", ".join(texts), self._relation.sql
        if query == Query():
            total = _one(cursor.execute(f"SELECT count(*) FROM {source}").fetchone())
            found = cursor.execute(f"SELECT {selected} FROM {source} LIMIT ? OFFSET ?", [limit, offset])
            return int(total), [list(row) for row in found.fetchall()]
        ids = self._ids(cursor, query)
        wanted = ids[offset : offset + limit].tolist()
        found = cursor.execute(
            f"SELECT rowid, {selected} FROM {source} WHERE rowid IN (SELECT unnest(?::BIGINT[]))", [wanted]
        )
        by_id = {row[0]: list(row[1:]) for row in found.fetchall()}
        return len(ids), [by_id[each] for each in wanted if each in by_id]

    def _ids(self, cursor: DuckDBPyConnection, query: Query) -> np.ndarray[Any, Any]:
        """The row ids of a query in its order; found once, however many ask for it at the same moment."""
        with self._lock:
            finding = self._finding.setdefault(query, threading.Lock())
        with finding:
            with self._lock:
                if query in self._found:
                    self._found.move_to_end(query)
                    return self._found[query]
            ids = self._find(cursor, query)
            with self._lock:
                self._found[query] = ids
                while len(self._found) > _KEPT_QUERIES:
                    self._finding.pop(self._found.popitem(last=False)[0], None)
            return ids

    def _find(self, cursor: DuckDBPyConnection, query: Query) -> np.ndarray[Any, Any]:
        import duckdb
        import numpy as np

        conditions: list[str] = []
        values: list[object] = []
        for each in query.filters:
            condition, bound = self._condition(each)
            conditions.append(condition)
            values += bound
        where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
        keys = [
            f"{self._relation.columns[self._valid(key.column)]}{' DESC' if key.descending else ''} NULLS LAST"
            for key in query.sort
        ]
        sql = f"SELECT rowid FROM {self._relation.sql}{where} ORDER BY {', '.join([*keys, 'rowid'])}"
        try:
            ids = cursor.execute(sql, values).fetchnumpy()["rowid"]
        except (duckdb.ConversionException, duckdb.OutOfRangeException) as error:
            typed = [f for f in query.filters if f.operator not in ("contains", "null", "not null")]
            last = typed[-1] if typed else query.filters[-1]
            raise not_a_value(last.value, self.columns[last.column].duckdb_type) from error
        return np.asarray(ids)

    def _condition(self, condition: Filter) -> tuple[str, list[object]]:
        at = self._valid(condition.column)
        name, text, kind = self._relation.columns[at], self._texts[at], self.columns[at].kind
        if condition.operator == "null":
            return f"{name} IS NULL", []
        if condition.operator == "not null":
            return f"{name} IS NOT NULL", []
        if condition.operator == "contains":
            return f"contains(lower({text}), lower(?))", [condition.value]
        sql, value = operand(condition.value, self.columns[at].duckdb_type)
        compared = f"({text})" if kind in ("json", "list", "struct", "map", "other", "string") else name
        operator = "<>" if condition.operator == "!=" else condition.operator
        return f"{compared} {operator} {sql}", [value]

    def _valid(self, column: int) -> int:
        if not 0 <= column < len(self.columns):
            raise UsageError(f"there is no column {column}; the table has {len(self.columns)}")
        return column

    @contextmanager
    def _cursor(self, ticket: Ticket | None) -> Iterator[DuckDBPyConnection]:
        """A connection for one question: interrupted when it is cancelled, its errors ours."""
        import duckdb

        try:
            cursor = self._connection.cursor()
        except duckdb.ConnectionException as error:
            raise StupiddbError(
                "the result is gone: its session was closed", hint="run the cell again"
            ) from error
        if ticket is not None:
            ticket.on_cancel(cursor.interrupt)
        try:
            self._same_table(cursor)
            yield cursor
        except duckdb.InterruptException as error:
            raise Cancelled from error
        except duckdb.Error as error:
            raise StupiddbError(f"the local DuckDB could not read the page: {error}") from error
        finally:
            cursor.close()

    def _same_table(self, cursor: DuckDBPyConnection) -> None:
        """Refuse to show another table's rows under this one's head."""
        if self._relation.identity is None:
            return
        *name, oid = self._relation.identity
        found = cursor.execute(
            "SELECT table_oid FROM duckdb_tables()"
            " WHERE (database_name, schema_name, table_name) = (?, ?, ?)",
            name,
        ).fetchone()
        if found is None or found[0] != oid:
            what = "dropped" if found is None else "replaced"
            raise StupiddbError(
                f"the table {name[-1]} was {what} since it was shown", hint="run the cell again"
            )


def _known_to_duckdb(values: pa.ChunkedArray) -> pa.ChunkedArray:
    kind = values.type
    if pa.types.is_decimal256(kind) or pa.types.is_float16(kind):
        return values.cast(pa.string())
    if isinstance(kind, pa.BaseExtensionType):
        return pa.chunked_array([chunk.storage for chunk in values.chunks], kind.storage_type)
    return values


def _arrow_label(kind: pa.DataType) -> str:
    """Ibis's name for an Arrow type; Arrow's own where Ibis has none."""
    from ibis.formats.pyarrow import PyArrowType

    try:
        return str(PyArrowType.to_ibis(kind)).removeprefix("!")
    except (NotImplementedError, KeyError, ValueError, TypeError):
        return str(kind)


def _one(row: tuple[Any, ...] | None) -> Any:
    return row[0] if row is not None else None


def _field(value: Value) -> str:
    if value is None:
        return ""
    quoted = any(character in value for character in '"\t\r\n')
    return '"' + value.replace('"', '""') + '"' if quoted else value
