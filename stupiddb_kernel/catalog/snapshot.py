"""What one source held at one moment, packed so that ten thousand tables load and search in an instant.

Tables are rows of plain values; the columns of a table stay one line of JSON until somebody looks at
them; their names stand in one text, a line each, for the search. The same packing is the file format.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from itertools import accumulate
from typing import Any

from stupiddb_kernel.catalog.packed import PackedTable
from stupiddb_kernel.sources.base import Column, ColumnStatistics, Statistics, Table, TableName

_WORDS = re.compile(r"[^\W\d_]+|\d+")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


@dataclass(frozen=True, eq=False)
class Snapshot:
    """One source's databases and tables. ``errors`` holds the databases that could not be listed."""

    source: str
    read_at: float
    """Seconds since 1970."""
    databases: tuple[str, ...]
    tables: tuple[tuple[Any, ...], ...]
    """database's index, name, kind, comment, location, statistics, number of columns; sorted."""
    columns: tuple[str, ...] = field(repr=False)
    """For each table its columns as JSON."""
    column_text: str = field(repr=False)
    """Folded column names of all tables in order, each between newlines."""
    comment_text: str = field(repr=False)
    """Folded comments of columns: ``column's index<TAB>comment``, each between newlines."""
    vocabulary: str = field(repr=False)
    """Distinct words of all names, each between newlines: what a mistyped word is corrected to."""
    errors: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, source: str, tables: Mapping[str, Sequence[Table]], errors: Mapping[str, str]) -> Snapshot:
        """Pack what a source listed; ``tables`` by database."""
        databases = tuple(sorted({*tables, *errors}))
        rows: list[tuple[Any, ...]] = []
        lines: list[str] = []
        names: list[str] = []
        comments: list[str] = []
        words: set[str] = set()
        for index, database in enumerate(databases):
            words.update(split_words(database))
            for table in sorted(tables.get(database, ()), key=lambda table: table.name.table):
                rows.append(_row(index, table))
                lines.append(json.dumps([_packed(column) for column in table.columns], ensure_ascii=False))
                words.update(split_words(table.name.table))
                for column in table.columns:
                    if column.comment:
                        comments.append(f"{len(names)}\t{fold(column.comment)}")
                    names.append(column.name)
        words.update(word for name in set(names) for word in split_words(name))
        return cls(
            source,
            time.time(),
            databases,
            tuple(rows),
            tuple(lines),
            _text(map(fold, names)),
            _text(comments),
            _text(sorted(words)),
            dict(errors),
        )

    def tables_of(self, database: str) -> list[Table]:
        """The tables of a database, sorted by name; empty for an unknown one."""
        return [self.table(index) for index in self._ranges.get(database, ())]

    def table(self, index: int) -> Table:
        """The table at an index."""
        database, name, kind, comment, location, statistics, _ = self.tables[index]
        return PackedTable(
            TableName(self.source, self.databases[database], name),
            kind=kind,
            comment=comment,
            statistics=_statistics(statistics, self.read_at),
            location=location,
            unpack=lambda: self.read_columns(index),
        )

    def find(self, database: str, table: str) -> Table | None:
        """The table of a name, or None; letter case matters only where two names differ in nothing else."""
        index = self._by_name.get((database, table))
        if index is None:
            index = self._by_folded_name.get((fold(database), fold(table)))
        return None if index is None else self.table(index)

    def read_columns(self, index: int) -> tuple[Column, ...]:
        """The columns of the table at an index."""
        return tuple(Column(*column) for column in json.loads(self.columns[index]))

    def prepare(self) -> None:
        """Work out what the first search would have to wait for."""
        _ = (self.column_offsets, self.table_text, self.table_comment_text, self._by_name)

    @cached_property
    def column_starts(self) -> list[int]:
        """The number of columns before each table, and of all at the end."""
        starts = [0]
        for row in self.tables:
            starts.append(starts[-1] + row[6])
        return starts

    @cached_property
    def column_offsets(self) -> list[int]:
        """Where in ``column_text`` the columns of each table begin (at the newline before), and its end."""
        lengths = [len(name) + 1 for name in self.column_text[1:-1].split("\n")]
        ends = [0, *accumulate(lengths)]
        return [ends[start] for start in self.column_starts] if len(self.column_text) > 1 else []

    @cached_property
    def folded_tables(self) -> list[str]:
        """The folded names of all tables."""
        return [fold(row[1]) for row in self.tables]

    @cached_property
    def folded_paths(self) -> list[str]:
        """For each table its folded path and comment."""
        return [
            fold(f"{self.source}.{self.databases[row[0]]}.{row[1]} {row[3] or ''}") for row in self.tables
        ]

    @cached_property
    def table_text(self) -> str:
        """Folded table names in order, each between newlines."""
        return _text(self.folded_tables)

    @cached_property
    def table_comment_text(self) -> str:
        """Folded comments of tables: ``table's index<TAB>comment``, each between newlines."""
        return _text(f"{index}\t{fold(row[3])}" for index, row in enumerate(self.tables) if row[3])

    @cached_property
    def _ranges(self) -> dict[str, range]:
        ranges: dict[str, range] = {}
        for index, row in enumerate(self.tables):
            database = self.databases[row[0]]
            ranges[database] = range(ranges[database].start if database in ranges else index, index + 1)
        return ranges

    @cached_property
    def _by_name(self) -> dict[tuple[str, str], int]:
        return {(self.databases[row[0]], row[1]): index for index, row in enumerate(self.tables)}

    @cached_property
    def _by_folded_name(self) -> dict[tuple[str, str], int]:
        return {(fold(self.databases[row[0]]), fold(row[1])): i for i, row in enumerate(self.tables)}


def fold(text: str) -> str:
    """Text as the search compares it: no case, one line."""
    return text.lower().replace("\n", " ")


def split_words(name: str) -> list[str]:
    """The words in a name: ``memberCode_2`` has member, code and 2."""
    return _WORDS.findall(_CAMEL.sub(" ", name).lower())


def _text(lines: Iterable[str]) -> str:
    return "\n" + "".join(f"{line}\n" for line in lines)


def _row(database: int, table: Table) -> tuple[Any, ...]:
    """A table without its columns. Least and greatest values are row data, so they are left out."""
    known = table.statistics
    as_of = known.as_of.timestamp() if known.as_of else None
    counts = [
        None if count is None else int(count)
        for count in (known.rows, known.bytes, known.partitions, known.files)
    ]
    statistics = [*counts, known.exact, as_of]
    columns = {
        name: [column.distinct, column.null_fraction, column.bytes]
        for name, column in known.columns.items()
        if (column.distinct, column.null_fraction, column.bytes) != (None, None, None)
    }
    if columns:
        statistics.append(columns)  # type: ignore[arg-type]
    packed = None if statistics == [None, None, None, None, False, None] else statistics
    name = table.name.table
    return (database, name, table.kind, table.comment, table.location, packed, len(table.columns))


def _packed(column: Column) -> list[Any]:
    values = [column.name, column.type, column.native_type, column.nullable, column.comment, column.partition]
    for default in (False, None, True):
        if values[-1] is not default:
            break
        values.pop()
    return values


def _statistics(packed: list[Any] | None, read_at: float) -> Statistics:
    if packed is None:
        return Statistics()
    rows, size, partitions, files, exact, as_of = packed[:6]
    columns = {
        name: ColumnStatistics(distinct=distinct, null_fraction=nulls, bytes=width)
        for name, (distinct, nulls, width) in (packed[6] if len(packed) > 6 else {}).items()
    }
    moment = datetime.fromtimestamp(as_of if as_of is not None else read_at, UTC)
    return Statistics(rows, size, partitions, files, exact, columns, moment)
