"""ResultTable: a result of any size in a notebook; its rows stay in DuckDB and come page by page."""

from __future__ import annotations

import uuid
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import anywidget
import traitlets
from pydantic import BaseModel, ConfigDict, Field

from stupiddb.widgets.pages import Filter, Pages, Query, Relation, ShownColumn, Sort
from stupiddb.widgets.requests import Requests, Ticket
from stupiddb_kernel.errors import UsageError

if TYPE_CHECKING:
    import ibis.expr.datatypes as dt
    import ibis.expr.types as ir
    from duckdb import DuckDBPyConnection
    from ibis.backends.duckdb import Backend

_STATIC = Path(__file__).parent / "static"
_COPIES = "stupiddb_shown"
"""An attached in-memory database for the rows of expressions that are no table."""


@runtime_checkable
class Answered(Protocol):
    """What ``Session.query`` returns: an expression with the figures of its query."""

    @property
    def expression(self) -> ir.Table:
        """The rows."""
        ...


class _Asked(BaseModel):
    """A question about a query's rows."""

    model_config = ConfigDict(extra="forbid")
    sort: tuple[Sort, ...] = ()
    filters: tuple[Filter, ...] = ()

    @property
    def query(self) -> Query:
        return Query(sort=self.sort, filters=self.filters)


class _PageAsked(_Asked):
    offset: int = Field(ge=0)
    limit: int = Field(ge=1, le=10_000)


class _CellAsked(_Asked):
    row: int = Field(ge=0)
    column: int = Field(ge=0)


class _CopyAsked(_Asked):
    rows: tuple[int, int]
    columns: tuple[int, int]
    header: bool = False


class ResultTable(anywidget.AnyWidget):
    """A table expression over the local DuckDB, scrolled, sorted and filtered where its rows are.

    Rows of a plain table are read where they lie. Any other expression is computed once, here, and its
    first ``max_rows`` rows are kept by the widget, so that every page shows the same rows. ``available``
    is the number of rows there would have been where a limit cut the result; ``more`` says that it was cut
    and the number is unknown. ``footer`` is the line under the table. ``close`` gives the rows back.
    """

    _esm = _STATIC / "table.js"
    _css = _STATIC / "table.css"

    columns = traitlets.List().tag(sync=True)
    first_page = traitlets.Dict().tag(sync=True)
    rows = traitlets.Int().tag(sync=True)
    available = traitlets.Int(allow_none=True, default_value=None).tag(sync=True)
    more = traitlets.Bool(False).tag(sync=True)
    footer = traitlets.Unicode("").tag(sync=True)
    label = traitlets.Unicode("Result").tag(sync=True)
    page_size = traitlets.Int(100).tag(sync=True)
    height = traitlets.Int(420).tag(sync=True)

    _requests: Requests | None = None
    _drop: Callable[[], object] | None = None

    def __init__(
        self,
        expression: ir.Table | Answered,
        *,
        page_size: int = 100,
        height: int = 420,
        footer: str = "",
        available: int | None = None,
        more: bool = False,
        label: str = "Result",
        max_rows: int = 1_000_000,
    ) -> None:
        if not 1 <= page_size <= 10_000:
            raise UsageError(f"page_size is {page_size}; allowed: 1 to 10,000 rows")
        if max_rows < 1:
            raise UsageError(f"max_rows is {max_rows}; it must be at least 1")
        self.expression: ir.Table = expression.expression if isinstance(expression, Answered) else expression
        backend = _duckdb_backend(self.expression)
        found = _base_table(backend, self.expression)
        if found is None:
            found = _compute(backend, self.expression, max_rows)
            self._drop = weakref.finalize(self, _drop_copy, backend.con, found.sql)
            held = _count(backend.con, found)
            if held == max_rows and available is None:
                available = int(self.expression.count().execute())
        self._pages = Pages(backend.con, found, _shown_columns(backend, self.expression, found))
        first = self._pages.page(Query(), 0, page_size)
        super().__init__(
            columns=[
                {"name": column.name, "type": column.label, "kind": column.kind}
                for column in self._pages.columns
            ],
            first_page=first,
            rows=first["total"],
            available=available,
            more=more,
            footer=footer,
            label=label,
            page_size=page_size,
            height=height,
        )
        self._requests = Requests(self, {"page": self._page, "cell": self._cell, "copy": self._copy})

    def close(self) -> None:
        """Take the table from the page and give its rows back."""
        # ipywidgets closes also what was never made to its end
        if self._requests is not None:
            self._requests.close()
        super().close()
        if self._drop is not None:
            self._drop()

    def _page(self, args: dict[str, Any], ticket: Ticket) -> object:
        asked = _PageAsked.model_validate(args)
        return self._pages.page(asked.query, asked.offset, asked.limit, ticket)

    def _cell(self, args: dict[str, Any], ticket: Ticket) -> object:
        asked = _CellAsked.model_validate(args)
        return self._pages.cell(asked.query, asked.row, asked.column, ticket)

    def _copy(self, args: dict[str, Any], ticket: Ticket) -> object:
        asked = _CopyAsked.model_validate(args)
        return self._pages.copy(asked.query, asked.rows, asked.columns, asked.header, ticket)


def _duckdb_backend(expression: ir.Table) -> Backend:
    import ibis.expr.types as ir
    from ibis.backends.duckdb import Backend
    from ibis.common.exceptions import IbisError

    if not isinstance(expression, ir.Table):
        raise UsageError(
            f"a ResultTable shows an Ibis table expression, not a {type(expression).__name__}",
            hint="turn a column into a table with .as_table()",
        )
    try:
        backend = expression.get_backend()
    except IbisError as error:
        raise UsageError(f"the expression can't be computed in one place: {error}") from error
    if not isinstance(backend, Backend):
        raise UsageError(
            f"a ResultTable shows what is in the local DuckDB; this expression is in {backend.name}",
            hint="read it first: %%<source> --out name",
        )
    return backend


def _base_table(backend: Backend, expression: ir.Table) -> Relation | None:
    """The stored table that the expression simply is, if other connections can read its row ids."""
    import ibis.expr.operations as ops

    operation = expression.op()
    if not isinstance(operation, ops.DatabaseTable) or "rowid" in (n.lower() for n in expression.columns):
        return None
    here = backend.con.execute("SELECT current_database(), current_schema()").fetchone()
    name = (
        operation.namespace.catalog or here[0],
        operation.namespace.database or here[1],
        operation.name,
    )
    row = backend.con.execute(
        "SELECT table_oid FROM duckdb_tables()"
        " WHERE (database_name, schema_name, table_name) = (?, ?, ?) AND NOT temporary",
        list(name),
    ).fetchone()
    if row is None:
        return None
    return Relation(".".join(map(_quote, name)), tuple(map(_quote, expression.columns)), (*name, row[0]))


def _compute(backend: Backend, expression: ir.Table, max_rows: int) -> Relation:
    """The expression's first rows, kept under neutral column names.

    Ibis's own ``create_table`` and Arrow readers go by Ibis's types, which are poorer than DuckDB's (no
    time zone of a time, 38 digits); DuckDB's CREATE TABLE AS keeps every value as it is.
    """
    columns = tuple(f"c{index}" for index in range(len(expression.columns)))
    table = f"{_COPIES}.main.shown_{uuid.uuid4().hex}"
    backend._run_pre_execute_hooks(expression)  # registers in-memory tables and Python functions
    sql = backend.compile(expression)
    backend.con.execute(f"ATTACH IF NOT EXISTS ':memory:' AS {_COPIES}")
    backend.con.execute(
        f"CREATE TABLE {table} AS SELECT * FROM ({sql}) AS shown({', '.join(columns)}) LIMIT {int(max_rows)}"
    )
    return Relation(table, columns)


def _drop_copy(connection: DuckDBPyConnection, table: str) -> None:
    import duckdb

    try:
        cursor = connection.cursor()
    except duckdb.ConnectionException:
        return  # closed: the rows went with it
    try:
        cursor.execute(f"DROP TABLE IF EXISTS {table}")
    finally:
        cursor.close()


def _shown_columns(backend: Backend, expression: ir.Table, relation: Relation) -> list[ShownColumn]:
    types = backend.con.execute(f"DESCRIBE {relation.sql}").fetchall()
    schema = expression.schema()
    return [
        ShownColumn(name, _label(schema[name], row[1]), row[1])
        for name, row in zip(expression.columns, types, strict=True)
    ]


def _label(kind: dt.DataType, duckdb_type: str) -> str:
    """Ibis's name of a type; DuckDB's where Ibis knows none."""
    return duckdb_type.lower() if kind.is_unknown() else str(kind).removeprefix("!")


def _count(connection: DuckDBPyConnection, relation: Relation) -> int:
    row = connection.execute(f"SELECT count(*) FROM {relation.sql}").fetchone()
    return int(row[0]) if row is not None else 0


def _quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
