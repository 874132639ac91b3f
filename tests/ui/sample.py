"""A catalog for the browser tests: sources behind the contract, held in DuckDB, one of them unreachable."""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import duckdb

from stupiddb_kernel.catalog import Catalog
from stupiddb_kernel.config.settings import CatalogSettings, Settings, SourceSettings
from stupiddb_kernel.errors import PermissionDenied, SourceUnreachable, UnknownName
from stupiddb_kernel.sources.base import (
    Capabilities,
    Check,
    Column,
    QueryStats,
    ReadOptions,
    Source,
    Statistics,
    Table,
    TableName,
)
from stupiddb_kernel.sources.result import Result

EVIL = '<img src=x onerror="window.pwned=1">'
"""What must only ever be text."""

DAYS = 365
MEMBERS = 5_000


class HeldSource(Source[SourceSettings]):
    """Tables of one DuckDB, shown with the comments, partitions and sizes they are given."""

    kind: ClassVar[str] = "athena"
    dialect: ClassVar[str] = "athena"
    capabilities: ClassVar[Capabilities] = Capabilities(billed_by_scan=True, partitions=True)

    def __init__(self, name: str, tables: Sequence[Table], setup: str = "") -> None:
        super().__init__(SourceSettings(name=name), context=None)  # type: ignore[arg-type] # nothing is fetched
        self._tables = {table.name: table for table in tables}
        self._connection = duckdb.connect(":memory:")
        self._connection.execute(setup)

    def databases(self) -> list[str]:
        return sorted({name.database for name in self._tables})

    def tables(self, database: str) -> list[Table]:
        return sorted((t for t in self._tables.values() if t.name.database == database), key=lambda t: t.name)

    def statistics(self, name: TableName) -> Statistics:
        return self._tables[name].statistics

    def query(
        self, sql: str, parameters: Mapping[str, object] | None = None, options: ReadOptions | None = None
    ) -> Result:
        rows = self._connection.cursor().execute(sql).to_arrow_table()
        return Result(rows.schema, rows.to_batches(), QueryStats(self.name, sql))

    def preview(self, name: TableName, limit: int = 100) -> Result:
        if name not in self._tables:
            raise UnknownName("table", str(name), map(str, self._tables))
        return self.query(
            f'SELECT * FROM {name.database}."{name.table.replace(chr(34), chr(34) * 2)}" LIMIT {limit}'
        )

    def ibis(self) -> Any:
        raise NotImplementedError

    def table(self, name: TableName) -> Any:
        raise NotImplementedError

    def check(self) -> Sequence[Check]:
        return []

    def close(self) -> None:
        self._connection.close()


class PostgresLike(HeldSource):
    kind: ClassVar[str] = "postgres"
    dialect: ClassVar[str] = "postgres"
    capabilities: ClassVar[Capabilities] = Capabilities(transactions=True)

    def preview(self, name: TableName, limit: int = 100) -> Result:
        if name.table == "secrets":
            raise PermissionDenied(
                "reading secrets is not allowed to analyst", source=self.name, hint="ask its owner for SELECT"
            )
        return super().preview(name, limit)


class UnreachableSource(HeldSource):
    """A server that can't be reached until ``repaired`` is set."""

    kind: ClassVar[str] = "mysql"
    repaired = threading.Event()

    def databases(self) -> list[str]:
        if self.repaired.is_set():
            return super().databases()
        time.sleep(0.3)
        raise SourceUnreachable(
            "no connection to weather.example:3306: connection refused",
            source=self.name,
            hint="start the server, or correct [aws.rds] host",
        )


def _columns(*described: tuple[str, str, str, str | None]) -> tuple[Column, ...]:
    return tuple(Column(name, kind, native, True, comment) for name, kind, native, comment in described)


def _athena() -> HeldSource:
    events = Table(
        TableName("athena", "analytics", "events"),
        (
            *_columns(
                ("event_id", "int64", "bigint", "Unique within a day"),
                ("member_code", "string", "varchar", "Who did it; joins to crm.members"),
                ("event_type", "string", "varchar", None),
                ("ts", "timestamp('UTC')", "timestamp with time zone", "When it happened, UTC"),
                ("amount", "decimal(18, 4)", "decimal(18,4)", "In the account's currency"),
                ("latency_ms", "float64", "double", None),
                ("success", "boolean", "boolean", None),
                ("tags", "array<string>", "array(varchar)", None),
                (
                    "payload",
                    "struct<device: string, build: int32>",
                    "row(device varchar, build integer)",
                    None,
                ),
                ("raw", "binary", "varbinary", None),
            ),
            Column("dt", "date", "date", False, "Day of the event", partition=True),
        ),
        "external",
        "Every event since 2013, one Parquet folder a day",
        Statistics(rows=336_776, bytes=41_215_903, partitions=DAYS, files=DAYS, exact=True),
        "s3://example-events/events/",
    )
    sessions = Table(
        TableName("athena", "analytics", "sessions"),
        _columns(("session_id", "uuid", "uuid", None), ("started", "timestamp", "timestamp", None)),
        "view",
        "Events grouped into visits",
    )
    wide = [
        Table(
            TableName("athena", "warehouse", f"fact_{number:05d}"),
            _columns(("id", "int64", "bigint", None), (f"measure_{number:05d}", "float64", "double", None)),
            "table",
            None,
            Statistics(rows=number * 37, bytes=number * 4096),
        )
        for number in range(10_000)
    ]
    setup = """
        CREATE SCHEMA analytics; CREATE SCHEMA warehouse;
        CREATE TABLE analytics.events AS SELECT
          range + 9007199254740993 AS event_id,
          'M' || lpad((range * 7919 % 4999)::VARCHAR, 5, '0') AS member_code,
          ['Login', 'Game Opened', 'Game Opened', 'Deposit', 'API Error'][range % 5 + 1] AS event_type,
          TIMESTAMPTZ '2013-01-01 00:00:00+00' + to_minutes(range * 5) AS ts,
          CASE WHEN range % 5 = 3 THEN (range % 977)::DECIMAL(18, 4) / 7 END AS amount,
          round(20 + 300 * pow(random(), 4), 2) AS latency_ms, range % 5 <> 4 AS success,
          ['web', 'build-' || range % 7] AS tags,
          {'device': 'ios', 'build': (range % 400)::INTEGER} AS payload,
          '\\xDE\\xAD'::BLOB AS raw, DATE '2013-01-01' + (range // 288)::INTEGER AS dt FROM range(20000);
        CREATE TABLE analytics.sessions AS
          SELECT uuid() AS session_id, TIMESTAMP '2013-01-01' AS started FROM range(3);
        CREATE TABLE warehouse.fact_00000 AS SELECT 1 AS id, 0.5::DOUBLE AS measure_00000;
    """
    return HeldSource("athena", [events, sessions, *wide], setup)


def _aurora() -> HeldSource:
    def table(name: str, columns: tuple[Column, ...], comment: str | None, rows: int, size: int) -> Table:
        return Table(TableName("aurora", "crm", name), columns, "table", comment, Statistics(rows, size))

    members = table(
        "members",
        (
            Column("member_id", "int64", "bigint", False, "Primary key"),
            *_columns(
                ("member_code", "string", "varchar(12)", "Public code of the member"),
                ("tier", "string", "text", "VIP tier"),
                ("registration_date", "date", "date", None),
                ("balance", "decimal(38, 9)", "numeric(38,9)", None),
                ("note", "string", "text", None),
            ),
        ),
        "One row a member",
        MEMBERS,
        1_146_880,
    )
    evil = table(EVIL, _columns((EVIL, "string", "text", EVIL)), EVIL, 1, 8192)
    secrets = table("secrets", _columns(("value", "string", "text", None)), None, 12, 8192)
    setup = f"""
        CREATE SCHEMA crm;
        CREATE TABLE crm.members AS SELECT
          range AS member_id, 'M' || lpad(range::VARCHAR, 5, '0') AS member_code,
          CASE WHEN range % 11 = 0 THEN 'Platinum' WHEN range % 3 = 0 THEN 'Gold' ELSE 'Silver' END AS tier,
          DATE '2010-01-01' + (range % 1200)::INTEGER AS registration_date,
          12345678901234567890.123456789::DECIMAL(38, 9) + range AS balance,
          CASE WHEN range % 4 = 0 THEN NULL WHEN range % 4 = 1 THEN ''
            ELSE 'line one' || chr(10) || 'line two' END AS note
          FROM range({MEMBERS});
        CREATE TABLE crm."{EVIL.replace('"', '""')}" AS SELECT '{EVIL}' AS "{EVIL.replace('"', '""')}";
    """
    return PostgresLike("aurora", [members, evil, secrets], setup)


def _rds() -> HeldSource:
    hourly = Table(TableName("rds", "weather", "hourly"), _columns(("temp", "float64", "double", None)))
    return UnreachableSource("rds", [hourly])


@dataclass
class SampleSession:
    """What ``CatalogTree`` needs of a session."""

    catalog: Catalog
    sources: Mapping[str, Source[Any]]
    cache: tempfile.TemporaryDirectory[str]
    """Goes with the session."""


def session() -> SampleSession:
    """A fresh session with an empty cache."""
    sources: dict[str, Source[Any]] = {source.name: source for source in (_athena(), _aurora(), _rds())}
    cache = tempfile.TemporaryDirectory(prefix="stupiddb-ui-", ignore_cleanup_errors=True)
    settings = Settings(catalog=CatalogSettings(cache_directory=Path(cache.name)))
    return SampleSession(Catalog(sources, settings), sources, cache)


LARGE = """
    CREATE TABLE large AS SELECT
      range + 9007199254740993 AS id, ['UA', 'AA', 'B6', 'DL', NULL][range % 5 + 1] AS carrier,
      (range % 1000 + 0.1415)::DECIMAL(18, 4) AS fare,
      CASE WHEN range = 150000 THEN 'nan'::DOUBLE ELSE (range % 1000) / 10 END AS delay,
      CASE WHEN range % 7 = 0 THEN 'two' || chr(10) || 'lines, "q"' ELSE 'note ' || range END AS note
    FROM range(300000)
"""
EXACT = """
    CREATE TABLE exact AS SELECT
      9223372036854775807::BIGINT AS bigint, 18446744073709551615::UBIGINT AS ubigint,
      170141183460469231731687303715884105727::HUGEINT AS hugeint,
      12345678901234567890.123456789::DECIMAL(38, 9) AS decimal, 0.1::DOUBLE + 0.2::DOUBLE AS double,
      'nan'::DOUBLE AS nan, '-inf'::DOUBLE AS infinite, 0.1::FLOAT AS single,
      TIMESTAMPTZ '2013-01-01 05:00:00.123456+02' AS moment,
      TIMESTAMP_NS '2013-01-01 05:00:00.123456789' AS nanoseconds, DATE '12000-06-30' AS far,
      TIME '05:00:00.5' AS clock, '05:00:00+02'::TIMETZ AS zoned,
      INTERVAL '1 month 2 days 3.5 seconds' AS span, '\\x00\\xFF\\xDE\\xAD'::BLOB AS bytes,
      UUID '550e8400-e29b-41d4-a716-446655440000' AS uuid, [1, NULL, 9007199254740993] AS list,
      {'a': 1, 'b': [{'c': 1.50::DECIMAL(5, 2)}]} AS struct, NULL::INTEGER AS nothing, '' AS empty
"""
