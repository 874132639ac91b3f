"""CatalogTree: sources, databases, tables and columns in one tree, with search, preview and profile.

The front end asks for each part when it is looked at; see ``requests`` for how. What a source says
later by itself (it has been read, it can't be reached) is pushed as ``{event: "source", source}``.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import anywidget
import traitlets
from pydantic import BaseModel, ConfigDict, Field

from stupiddb.widgets.pages import Pages, Query, hold
from stupiddb.widgets.requests import Requests, Ticket
from stupiddb.widgets.snippets import select
from stupiddb.widgets.values import kind_of_ibis, text_of_edge, text_of_python
from stupiddb_kernel.sources.base import Column, Statistics, Table, TableName

if TYPE_CHECKING:
    from stupiddb_kernel.catalog.nodes import ColumnProfile, Hit, Profile, SourceNode
    from stupiddb_kernel.sources.base import Source
    from stupiddb_kernel.sources.result import Result

_STATIC = Path(__file__).parent / "static"
_PREVIEW_ROWS = 100
_KEPT_PREVIEWS = 4
_SEARCH_SECONDS = 0.3
"""How long a search waits for sources of which nothing is known yet."""


class Browsable(Protocol):
    """What the tree needs of a catalog; ``stupiddb_kernel.catalog.Catalog`` is one."""

    def sources(self, wait: float | None = None) -> Sequence[SourceNode]:
        """Every source and how it is doing."""

    def source(self, name: str) -> SourceNode:
        """How one source is doing."""

    def databases(self, source: str) -> Sequence[str]:
        """The databases of a source."""

    def tables(self, source: str, database: str) -> Sequence[Table]:
        """The tables of a database."""

    def table(self, name: TableName) -> Table:
        """A table with its columns."""

    def search(self, text: str, limit: int = 50, wait: float | None = None) -> Sequence[Hit]:
        """What is named or commented like a text."""

    def preview(self, name: TableName, limit: int = 100) -> Result:
        """Some rows."""

    def statistics(self, name: TableName) -> Statistics:
        """The best statistics to be had without reading data."""

    def profile(self, name: TableName) -> Profile:
        """What the columns hold."""

    def refresh(self, source: str | None = None) -> object:
        """Ask a source again."""

    def subscribe(self, listener: Callable[[str], None]) -> Callable[[], None]:
        """Be told the name of a source of which more is known; returns what ends that."""


class Browser(Protocol):
    """What the tree needs of a session."""

    @property
    def catalog(self) -> Browsable:
        """The catalog that is shown."""

    @property
    def sources(self) -> Mapping[str, Source[Any]]:
        """The sources by name; they say how SQL for them is written."""


class _SourceAsked(BaseModel):
    model_config = ConfigDict(extra="forbid")
    source: str


class _DatabaseAsked(BaseModel):
    model_config = ConfigDict(extra="forbid")
    source: str
    database: str


class _SearchAsked(BaseModel):
    model_config = ConfigDict(extra="forbid")
    text: str
    limit: int = Field(ge=1, le=1000)


class _TableAsked(BaseModel):
    model_config = ConfigDict(extra="forbid")
    table: tuple[str, str, str]

    @property
    def name(self) -> TableName:
        return TableName(*self.table)


class _CellAsked(_TableAsked):
    row: int = Field(ge=0)
    column: int = Field(ge=0)


class CatalogTree(anywidget.AnyWidget):
    """The catalog of a session as a tree. Making it asks no source; showing it does.

    ``height`` is in pixels; the user can drag it.
    """

    _esm = _STATIC / "catalog.js"
    _css = _STATIC / "catalog.css"

    height = traitlets.Int(460).tag(sync=True)

    _requests: Requests | None = None
    _unsubscribe: Callable[[], None] | None = None

    def __init__(self, session: Browser, *, height: int = 460) -> None:
        super().__init__(height=height)
        self._session = session
        self._previews: OrderedDict[TableName, Pages] = OrderedDict()
        self._lock = threading.Lock()
        self._told: dict[str, SourceNode] = {}
        self._requests = Requests(
            self,
            {
                "sources": self._sources,
                "open": self._open,
                "refresh": self._refresh,
                "tables": self._tables,
                "columns": self._columns,
                "table": self._table,
                "statistics": self._statistics,
                "search": self._search,
                "preview": self._preview,
                "preview_cell": self._preview_cell,
                "profile": self._profile,
            },
        )
        self._unsubscribe = session.catalog.subscribe(self._changed)

    def close(self) -> None:
        """Take the tree from the page and stop what it asked for."""
        # ipywidgets closes also what was never made to its end
        if self._unsubscribe is not None:
            self._unsubscribe()
        if self._requests is not None:
            self._requests.close()
        super().close()

    @property
    def _catalog(self) -> Browsable:
        return self._session.catalog

    def _changed(self, source: str) -> None:
        """Tell every view how a source is doing now, if that is news. Called in the catalog's threads."""
        node = self._catalog.source(source)
        with self._lock:
            before = self._told.get(source)
            self._told[source] = node
        if self._requests is not None and (before is None or _news(before) != _news(node)):
            self._requests.push({"event": "source", "source": _source(node)})

    # -- answers

    def _sources(self, _args: dict[str, Any], _ticket: Ticket) -> object:
        return [_source(node) for node in self._catalog.sources(wait=0)]

    def _open(self, args: dict[str, Any], _: Ticket) -> object:
        asked = _SourceAsked.model_validate(args)
        databases = list(self._catalog.databases(asked.source))
        return {"source": _source(self._catalog.source(asked.source)), "databases": databases}

    def _refresh(self, args: dict[str, Any], ticket: Ticket) -> object:
        asked = _SourceAsked.model_validate(args)
        with self._lock:
            self._previews.clear()
        self._catalog.refresh(asked.source)
        return self._open(args, ticket)

    def _tables(self, args: dict[str, Any], _: Ticket) -> object:
        asked = _DatabaseAsked.model_validate(args)
        return [_row(table) for table in self._catalog.tables(asked.source, asked.database)]

    def _columns(self, args: dict[str, Any], _: Ticket) -> object:
        table = self._catalog.table(_TableAsked.model_validate(args).name)
        return [_column(column) for column in table.columns]

    def _table(self, args: dict[str, Any], _: Ticket) -> object:
        table = self._catalog.table(_TableAsked.model_validate(args).name)
        return {
            "source": table.name.source,
            "database": table.name.database,
            "name": table.name.table,
            "kind": table.kind,
            "comment": table.comment,
            "location": table.location,
            "shape": [_column(column) for column in table.columns],
            "qualified": str(table.name),
            "snippet": select(table, self._session.sources[table.name.source]),
            **_size(table.statistics),
        }

    def _statistics(self, args: dict[str, Any], _: Ticket) -> object:
        return _size(self._catalog.statistics(_TableAsked.model_validate(args).name))

    def _search(self, args: dict[str, Any], _: Ticket) -> object:
        asked = _SearchAsked.model_validate(args)
        return [_hit(hit) for hit in self._catalog.search(asked.text, asked.limit, wait=_SEARCH_SECONDS)]

    def _preview(self, args: dict[str, Any], ticket: Ticket) -> object:
        name = _TableAsked.model_validate(args).name
        with self._catalog.preview(name, _PREVIEW_ROWS) as result:
            ticket.on_cancel(result.cancel)
            rows = result.to_arrow()
        pages = hold(rows)
        with self._lock:
            self._previews[name] = pages
            self._previews.move_to_end(name)
            while len(self._previews) > _KEPT_PREVIEWS:
                self._previews.popitem(last=False)
        page = pages.page(Query(), 0, _PREVIEW_ROWS, ticket)
        columns = [{"name": c.name, "type": c.label, "kind": c.kind} for c in pages.columns]
        return {"columns": columns, "rows": page["rows"], "cut": page["cut"]}

    def _preview_cell(self, args: dict[str, Any], ticket: Ticket) -> object:
        asked = _CellAsked.model_validate(args)
        with self._lock:
            pages = self._previews.get(asked.name)
        if pages is None:
            self._preview({"table": asked.table}, ticket)
            pages = self._previews[asked.name]
        return pages.cell(Query(), asked.row, asked.column, ticket)

    def _profile(self, args: dict[str, Any], _: Ticket) -> object:
        profile = self._catalog.profile(_TableAsked.model_validate(args).name)
        return {
            "columns": [_column_profile(column) for column in profile.columns],
            "sampled_rows": profile.sampled_rows,
            "basis": profile.basis,
        }


def _news(node: SourceNode) -> tuple[object, ...]:
    return (node.state, node.error, node.databases, node.tables, node.columns, node.failed_databases)


def _source(node: SourceNode) -> dict[str, object]:
    return {
        "name": node.name,
        "kind": node.kind,
        "state": node.state,
        "error": node.error,
        "advice": node.advice,
        "age_seconds": node.age_seconds,
        "databases": node.databases,
        "tables": node.tables,
        "failed_databases": list(node.failed_databases),
    }


def _row(table: Table) -> list[object]:
    """A table in the tree, without names for its parts: a database may have ten thousand."""
    statistics = table.statistics
    return [
        table.name.table,
        table.kind,
        table.comment,
        statistics.rows,
        statistics.bytes,
        statistics.partitions,
        statistics.exact,
    ]


def _size(statistics: Statistics) -> dict[str, object]:
    return {
        "rows": statistics.rows,
        "bytes": statistics.bytes,
        "partitions": statistics.partitions,
        "files": statistics.files,
        "exact": statistics.exact,
    }


def _column(column: Column) -> dict[str, object]:
    return {
        "name": column.name,
        "type": column.type,
        "native": column.native_type,
        "kind": kind_of_ibis(column.type),
        "nullable": column.nullable,
        "comment": column.comment,
        "partition": column.partition,
    }


def _hit(hit: Hit) -> dict[str, object]:
    path = hit.path.split(".", 1)
    if hit.table is not None:
        path = [hit.table.source, hit.table.database, hit.table.table]
        if hit.column is not None:
            path.append(hit.column)
    return {
        "path": path,
        "kind": hit.kind,
        "table": path[:3] if hit.table is not None else None,
        "column": hit.column,
        "type": hit.type,
        "value_kind": None if hit.type is None else kind_of_ibis(hit.type),
        "comment": hit.comment,
    }


def _column_profile(column: ColumnProfile) -> dict[str, object]:
    kind = kind_of_ibis(column.type)
    return {
        "name": column.name,
        "type": column.type,
        "kind": kind,
        "null_fraction": column.null_fraction,
        "distinct": column.distinct,
        "minimum": text_of_python(column.minimum),
        "maximum": text_of_python(column.maximum),
        "top": [[text_of_python(value), count] for value, count in column.top],
        "histogram": [
            [text_of_edge(lower, kind), text_of_edge(upper, kind), count]
            for lower, upper, count in column.histogram
        ],
        "basis": column.basis,
    }
