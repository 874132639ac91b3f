"""Athena as a source, over HTTP against the stack's Athena, Glue and S3."""

from __future__ import annotations

import io
import json
import os
import signal
import threading
import time
import urllib.request
import uuid
from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stupiddb_kernel.config.aws import Aws
from stupiddb_kernel.config.secrets import Secrets
from stupiddb_kernel.config.settings import AthenaSettings, AwsSettings
from stupiddb_kernel.errors import (
    InexactValue,
    PermissionDenied,
    QueryCancelled,
    QueryFailed,
    QueryTimeout,
    ScanLimitExceeded,
    SourceError,
    SourceUnreachable,
    Throttled,
    UnknownName,
    UsageError,
)
from stupiddb_kernel.local.stack import Stack
from stupiddb_kernel.sources.athena import AthenaSource
from stupiddb_kernel.sources.athena.execution import Queries, Request, Throttle
from stupiddb_kernel.sources.athena.register import register
from stupiddb_kernel.sources.base import ReadOptions, SourceContext, TableName
from stupiddb_kernel.sources.objects.errors import CorruptObject
from stupiddb_kernel.sources.objects.schema import SchemaConflict

SLOW = (
    "SELECT count(*) AS n, sum(a.id * b.id * c.id) AS s FROM events a CROSS JOIN events b "
    "CROSS JOIN events c CROSS JOIN events d WHERE a.id + b.id + c.id + d.id > 7"
)
DAYS = ("2025-06-01", "2025-06-02", "2025-06-03")
ROWS = 2_000


class World:
    """A bucket of data, a bucket of results, and a database of their own."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.s3, self.athena, self.glue = (stack.client(name) for name in ("s3", "athena", "glue"))
        unique = uuid.uuid4().hex[:10]
        self.data, self.results, self.database = f"data-{unique}", f"results-{unique}", f"db_{unique}"
        for bucket in (self.data, self.results):
            self.s3.create_bucket(Bucket=bucket)

    def put(self, key: str, table: pa.Table | bytes, **options: Any) -> None:
        body = table
        if isinstance(table, pa.Table):
            sink = io.BytesIO()
            pq.write_table(table, sink, **options)
            body = sink.getvalue()
        self.s3.put_object(Bucket=self.data, Key=key, Body=body)

    def source(self, **settings: Any) -> AthenaSource:
        aws = Aws(AwsSettings(region="us-east-1", endpoint_url=self.stack.aws_endpoint))
        given = {
            "name": "athena",
            "endpoint_url": self.stack.athena_endpoint,
            "database": self.database,
            "output_location": f"s3://{self.results}/out/",
            **settings,
        }
        return AthenaSource(AthenaSettings(**given), SourceContext(aws, Secrets(aws)))

    def unloaded(self) -> list[str]:
        """Keys of UNLOAD files that were left behind."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.results)
        return [
            item["Key"]
            for page in pages
            for item in page.get("Contents", ())
            if "stupiddb-unload" in item["Key"]
        ]

    def states(self) -> dict[str, str]:
        """State of each of the latest queries of the primary workgroup."""
        ids = self.athena.list_query_executions()["QueryExecutionIds"][:20]
        if not ids:
            return {}
        found = self.athena.batch_get_query_execution(QueryExecutionIds=ids)["QueryExecutions"]
        return {each["QueryExecutionId"]: each["Status"]["State"] for each in found}

    def refuse(self, action: str, times: int) -> None:
        """Let the stand-in refuse the next calls of an action."""
        request = urllib.request.Request(
            f"{self.stack.athena_endpoint}/_stupiddb/throttle",
            data=json.dumps({"action": action, "times": times}).encode(),
            method="POST",
        )
        urllib.request.urlopen(request).close()


@pytest.fixture(scope="module")
def world(stack: Stack) -> Iterator[World]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in stack.environment().items():
            if name.startswith("AWS_") and "ENDPOINT" not in name:
                patch.setenv(name, value)
        world = World(stack)
        for index, day in enumerate(DAYS):
            ids = range(index * ROWS, (index + 1) * ROWS)
            table = pa.table(
                {
                    "id": pa.array(ids, pa.int64()),
                    "name": [None if i % 5 == 0 else "" if i % 5 == 1 else f'n,"{i}"\n' for i in ids],
                    "price": pa.array([Decimal(i) / 100 for i in ids], pa.decimal128(12, 2)),
                    "at": pa.array(
                        [datetime(2025, 6, 1, 0, 0, i % 60, 123000) for i in ids], pa.timestamp("ms")
                    ),
                    "tags": [["a, b", None] for _ in ids],
                }
            )
            world.put(f"events/Login/dt={day}/a.parquet", table, row_group_size=500)
        register(
            world.source(),
            location=f"s3://{world.data}/events/",
            database=world.database,
            table="events",
            partitions="{event_type}/dt={dt}",
        )
        yield world


@pytest.fixture
def source(world: World) -> Iterator[AthenaSource]:
    source = world.source()
    yield source
    source.close()
    assert world.unloaded() == []


# Reading


def test_rows_come_exact_through_parquet_and_leave_no_file(source: AthenaSource) -> None:
    result = source.query(
        "SELECT * FROM events WHERE dt = :day AND id < :most", {"day": DAYS[1], "most": 2_003}
    )
    rows = result.to_arrow().sort_by("id").to_pylist()
    assert rows[1] == {
        "id": 2_001,
        "name": "",
        "price": Decimal("20.01"),
        "at": datetime(2025, 6, 1, 0, 0, 21, 123000),
        "tags": ["a, b", None],
        "event_type": "Login",
        "dt": DAYS[1],
    }
    assert [row["name"] for row in rows] == [None, "", 'n,"2002"\n']


def test_every_result_tells_what_it_took(source: AthenaSource, world: World) -> None:
    result = source.query("SELECT id FROM events")
    assert result.to_arrow().num_rows == 3 * ROWS
    stats = result.stats
    execution = world.athena.get_query_execution(QueryExecutionId=stats.query_id)["QueryExecution"]
    assert stats.scanned == execution["Statistics"]["DataScannedInBytes"] > 0
    assert stats.engine == execution["Statistics"]["EngineExecutionTimeInMillis"] / 1000
    assert stats.dollars == 10_000_000 / 10**12 * 5
    assert stats.queued is not None
    assert stats.cache_hit is False
    assert stats.elapsed is not None
    assert execution["Query"].startswith("UNLOAD (")


def test_ordered_results_keep_their_order_and_nulls_over_many_pages(source: AthenaSource) -> None:
    result = source.query("SELECT id, name, price, at FROM events ORDER BY id DESC")
    table = result.to_arrow()
    ids = list(range(3 * ROWS - 1, -1, -1))
    assert table["id"].to_pylist() == ids
    assert table["name"].to_pylist() == [
        None if i % 5 == 0 else "" if i % 5 == 1 else f'n,"{i}"\n' for i in ids
    ]
    assert table["price"].to_pylist() == [Decimal(i) / 100 for i in ids]
    assert table.schema.field("price").type == pa.decimal128(12, 2)
    assert table["at"][0].as_py() == datetime(2025, 6, 1, 0, 0, 59, 123000)


def test_a_repeated_aggregate_is_reused_for_nothing_unless_told_otherwise(source: AthenaSource) -> None:
    sql = f"SELECT count(*) AS n FROM events WHERE '{uuid.uuid4()}' <> ''"
    first, second, third = (
        source.query(sql, options=ReadOptions(use_cache=use)) for use in (True, True, False)
    )
    assert [result.to_arrow()["n"].to_pylist() for result in (first, second, third)] == [[6000]] * 3
    assert [result.stats.cache_hit for result in (first, second, third)] == [False, True, False]
    assert (second.stats.dollars, second.stats.scanned) == (0, 0)


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT id, id FROM events WHERE id = 7", [[7], [7]]),
        ("SELECT id + 1 FROM events WHERE id = 7", [[8]]),
        (
            "SELECT * FROM (SELECT id FROM events) a JOIN (SELECT id FROM events) b"
            " ON a.id = b.id WHERE a.id = 7",
            [[7], [7]],
        ),
        ("SELECT TIME '12:30:00' AS t, id FROM events WHERE id = 7", None),
        ("SELECT from_unixtime(0) AS t, id FROM events WHERE id = 7", None),
        ("SHOW TABLES", [["events"]]),
        ("VALUES 1, 2", [[1, 2]]),
    ],
)
def test_what_can_not_be_unloaded_is_read_as_text(
    source: AthenaSource, sql: str, expected: list[list[object]] | None
) -> None:
    table = source.query(sql).to_arrow()
    if expected is not None:
        assert [column.to_pylist() for column in table.columns] == expected
    else:
        assert table.num_rows == 1
        assert table["id"].to_pylist() == [7]


def test_describe_is_a_table_and_explain_is_free(source: AthenaSource) -> None:
    described = source.query("DESCRIBE events").to_arrow()
    assert {"id", "name", "dt"} <= {value for value in described[0].to_pylist() if value}
    explained = source.query("SELECT * FROM events", options=ReadOptions(dry_run=True))
    assert explained.to_arrow().num_rows > 0
    assert explained.stats.dollars == 0


def test_no_rows_keep_their_schema(source: AthenaSource) -> None:
    result = source.query("SELECT id, name, price, at FROM events WHERE id < 0")
    table = result.to_arrow()
    assert table.num_rows == 0
    assert table.schema.names == ["id", "name", "price", "at"]
    assert table.schema.field("id").type == pa.int64()
    assert table.schema.field("price").type == pa.decimal128(12, 2)


def test_nested_values_in_text_are_refused_not_guessed(source: AthenaSource) -> None:
    with pytest.raises(InexactValue, match="column 'tags'") as refused:
        source.query("SELECT id, tags FROM events ORDER BY id LIMIT 3")
    assert "CAST(" in (refused.value.hint or "")


def test_values_of_every_type_are_bound(source: AthenaSource) -> None:
    values: dict[str, object] = {
        "i": 7,
        "s": "it's \\ ? :i",
        "d": date(2025, 6, 1),
        "t": datetime(2025, 6, 1, 1, 2, 3, 456000),
        "m": Decimal("12.340"),
        "f": 1e-300,
        "b": True,
        "z": None,
        "many": [1, 2, 3],
    }
    sql = "SELECT :i AS i, :s AS s, :d AS d, :t AS t, :m AS m, :f AS f, :b AS b, :z AS z WHERE 2 IN (:many)"
    (row,) = source.query(sql, values).to_arrow().to_pylist()
    del values["many"]
    assert row == values


def test_a_limit_reaches_athena(source: AthenaSource, world: World) -> None:
    result = source.query("SELECT id FROM events", options=ReadOptions(limit=5))
    assert result.to_arrow().num_rows == 5
    sent = world.athena.get_query_execution(QueryExecutionId=result.stats.query_id)["QueryExecution"]["Query"]
    assert "LIMIT 5" in sent


def test_managed_results_are_read_page_by_page(world: World) -> None:
    name = f"managed-{uuid.uuid4().hex[:8]}"
    world.athena.create_work_group(
        Name=name, Configuration={"ManagedQueryResultsConfiguration": {"Enabled": True}}
    )
    source = world.source(workgroup=name, output_location=None)
    result = source.query("SELECT id, name, price FROM events ORDER BY id")
    table = result.to_arrow()
    assert table["id"].to_pylist() == list(range(3 * ROWS))
    assert table["name"].to_pylist()[:3] == [None, "", 'n,"2"\n']
    assert source.query("SELECT id FROM events").to_arrow().num_rows == 3 * ROWS
    assert [line.ok for line in source.check()] == [True] * len(source.check())


# Files


def test_files_go_however_a_read_ends(source: AthenaSource, world: World) -> None:
    world.s3.put_object(Bucket=world.results, Key="out/stupiddb-unloadx/keep", Body=b"not ours")
    result = source.query("SELECT * FROM events")
    assert len(world.unloaded()) > 1
    next(iter(result))
    result.close()
    left = [key for key in world.unloaded() if "unloadx" not in key]
    assert left == []
    assert "out/stupiddb-unloadx/keep" in world.unloaded()
    world.s3.delete_object(Bucket=world.results, Key="out/stupiddb-unloadx/keep")
    with source.query("SELECT * FROM events"):
        pass
    cancelled = source.query("SELECT * FROM events")
    cancelled.cancel()
    with pytest.raises(QueryCancelled):
        cancelled.to_arrow()
    assert world.unloaded() == []


# Stopping


def running(world: World) -> list[str]:
    return [query for query, state in world.states().items() if state in ("QUEUED", "RUNNING")]


def test_a_timeout_stops_the_query_and_tells_the_cost(source: AthenaSource, world: World) -> None:
    with pytest.raises(QueryTimeout, match=r"stopped after 0\.5 s; .* scanned, \$") as stopped:
        source.query(SLOW, options=ReadOptions(timeout_seconds=0.5))
    assert world.states()[stopped.value.query_id or ""] == "CANCELLED"
    assert stopped.value.dollars is not None


def test_ctrl_c_stops_the_query_before_it_is_raised(source: AthenaSource, world: World) -> None:
    before = set(world.states())

    def interrupt() -> None:
        while not any(state == "RUNNING" for query, state in world.states().items() if query not in before):
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    with pytest.raises(KeyboardInterrupt):
        source.query(SLOW)
    mine = {query: state for query, state in world.states().items() if query not in before}
    assert list(mine.values()) == ["CANCELLED"]


def test_a_scan_above_the_cap_is_an_error_with_figures(source: AthenaSource) -> None:
    with pytest.raises(
        ScanLimitExceeded, match=r"above the cap of 10 bytes; .* scanned, \$0\.000050"
    ) as stopped:
        source.query("SELECT * FROM events", options=ReadOptions(max_scan_bytes=10))
    assert stopped.value.scanned is not None
    assert stopped.value.scanned > 10
    assert stopped.value.dollars == 0.00005


def test_the_workgroups_cutoff_is_a_scan_limit_too(world: World) -> None:
    name = f"cut-{uuid.uuid4().hex[:8]}"
    world.athena.create_work_group(
        Name=name,
        Configuration={
            "BytesScannedCutoffPerQuery": 10_000_000,
            "ResultConfiguration": {"OutputLocation": f"s3://{world.results}/{name}/"},
        },
    )
    import numpy as np

    noise = np.random.default_rng(1).random(1_600_000)
    world.put("noise/a.parquet", pa.table({"x": noise}), row_group_size=100_000)
    source = world.source(workgroup=name)
    register(source, location=f"s3://{world.data}/noise/", table="noise")
    with pytest.raises(ScanLimitExceeded, match="cutoff"):
        source.query("SELECT sum(x) AS s FROM noise")
    source.set_cutoff(50_000_000)
    assert source.query("SELECT count(x) AS n FROM noise").to_arrow()["n"].to_pylist() == [1_600_000]
    with pytest.raises(UsageError, match="10,000,000"):
        source.set_cutoff(5)


def test_a_disabled_workgroup_is_refused_before_anything_is_sent(world: World) -> None:
    name = f"off-{uuid.uuid4().hex[:8]}"
    world.athena.create_work_group(Name=name)
    world.athena.update_work_group(WorkGroup=name, State="DISABLED")
    source = world.source(workgroup=name)
    with pytest.raises(PermissionDenied, match="disabled"):
        source.query("SELECT 1 AS one")
    assert not all(line.ok for line in source.check())


# Errors and throttling


def test_an_error_points_into_the_sql_as_typed(source: AthenaSource) -> None:
    sql = "SELECT id,\n  nope FROM events WHERE name = :name"
    for text in (sql, sql + "\nORDER BY id"):
        with pytest.raises(QueryFailed, match=r"line 2:3.*nope") as failed:
            source.query(text, {"name": "x"})
        assert failed.value.position == text.index("nope")
        assert failed.value.sql == text
    with pytest.raises(QueryFailed, match="no_such_table"):
        source.query("SELECT * FROM no_such_table")


def test_throttled_starts_and_polls_are_retried(source: AthenaSource, world: World) -> None:
    world.refuse("StartQueryExecution", 7)
    world.refuse("GetQueryExecution", 7)
    assert source.query("SELECT count(*) AS n FROM events").to_arrow()["n"].to_pylist() == [3 * ROWS]


def test_endless_throttling_ends_in_throttled(world: World) -> None:
    client = world.source().athena()
    queries = Queries(client, "athena", Throttle("athena", seconds=0.3, first=0.01))
    world.refuse("StartQueryExecution", 200)
    try:
        with pytest.raises(Throttled, match="attempts"):
            queries.start(
                Request(
                    "SELECT 1 AS a", world.database, "AwsDataCatalog", "primary", f"s3://{world.results}/out/"
                ),
                "SELECT 1 AS a",
                lambda line, column: None,
            )
    finally:
        world.refuse("StartQueryExecution", 0)


def test_a_start_that_is_sent_twice_runs_once(source: AthenaSource, world: World) -> None:
    request = Request(
        "SELECT 1 AS a", world.database, "AwsDataCatalog", "primary", f"s3://{world.results}/out/"
    )
    ids = {source.queries().start(request, request.sql, lambda line, column: None) for _ in range(3)}
    assert len(ids) == 1


def test_a_statement_that_is_too_long_is_refused_here(source: AthenaSource) -> None:
    with pytest.raises(UsageError, match="262,144"):
        source.query("SELECT :s AS s", {"s": "x" * 300_000})


def test_a_dead_endpoint_and_a_missing_workgroup_are_said(world: World) -> None:
    dead = world.source(endpoint_url="http://127.0.0.1:9")
    with pytest.raises(SourceUnreachable):
        dead.query("SELECT 1 AS one")
    assert [(line.step, line.ok) for line in dead.check()][-1] == ("reachable", False)
    with pytest.raises(SourceError, match="nowhere"):
        world.source(workgroup="nowhere").query("SELECT 1 AS one")


# The catalog


def test_tables_show_columns_partitions_and_location(source: AthenaSource, world: World) -> None:
    (table,) = [each for each in source.tables(world.database) if each.name.table == "events"]
    assert [(c.name, c.native_type, c.partition) for c in table.columns] == [
        ("id", "bigint", False),
        ("name", "string", False),
        ("price", "decimal(12,2)", False),
        ("at", "timestamp", False),
        ("tags", "array<string>", False),
        ("event_type", "string", True),
        ("dt", "string", True),
    ]
    assert table.location == f"s3://{world.data}/events/"
    assert world.database in source.databases()
    with pytest.raises(UnknownName, match="did you mean 'events'"):
        source.describe(TableName("athena", world.database, "event"))


def test_statistics_and_preview_run_no_query(source: AthenaSource, world: World) -> None:
    name = TableName("athena", world.database, "events")
    before = world.states()
    statistics = source.statistics(name)
    preview = source.preview(name, 5)
    rows = preview.to_arrow()
    assert world.states() == before
    assert (statistics.rows, statistics.files, statistics.partitions) == (3 * ROWS, 3, 3)
    assert statistics.exact
    assert (statistics.columns["id"].minimum, statistics.columns["id"].maximum) == (0, 5_999)
    days = statistics.columns["dt"]
    assert (days.distinct, days.minimum, days.maximum, days.null_fraction) == (3, DAYS[0], DAYS[2], 0)
    assert rows["id"].to_pylist() == [0, 1, 2, 3, 4]
    assert rows["dt"].to_pylist() == [DAYS[0]] * 5
    assert preview.stats.scanned == 0


def test_a_view_is_previewed_by_a_capped_query(source: AthenaSource, world: World) -> None:
    source.query("CREATE OR REPLACE VIEW few AS SELECT id, name FROM events WHERE id < 10").to_arrow()
    name = TableName("athena", world.database, "few")
    assert source.describe(name).table.kind == "view"
    preview = source.preview(name, 3)
    assert preview.to_arrow().num_rows == 3
    assert preview.stats.query_id


def test_files_outside_every_partition_are_not_counted(source: AthenaSource, world: World) -> None:
    world.put("events/Stray/dt=2025-06-01/x.parquet", pa.table({"id": [1]}))
    try:
        assert source.statistics(TableName("athena", world.database, "events")).files == 3
    finally:
        world.s3.delete_object(Bucket=world.data, Key="events/Stray/dt=2025-06-01/x.parquet")


def test_check_says_what_each_step_found(source: AthenaSource) -> None:
    lines = source.check()
    assert all(line.ok for line in lines)
    assert {line.step for line in lines} == {"version", "reachable", "authenticated", "permitted", "writable"}
    assert any("no cutoff" in line.detail for line in lines)


# Ibis


def test_ibis_reads_through_the_same_door(source: AthenaSource, world: World) -> None:
    events = source.table(TableName("athena", world.database, "events"))
    found = events.filter(events.dt == DAYS[0], events.id < 3).select("id", "price", "tags").to_pyarrow()
    assert found.num_rows == 3
    assert events.count().execute() == 3 * ROWS
    assert events.group_by("dt").agg(n=events.count()).order_by("dt").execute()["n"].tolist() == [ROWS] * 3
    assert "events" in source.ibis().list_tables()
    assert source.ibis().list_tables(database=world.database) == source.ibis().list_tables()
    assert source.ibis().raw_sql("SELECT 7 AS seven").fetchall() == [(7,)]
    sql = source.ibis().sql("SELECT id, dt FROM events WHERE id < 2")
    assert sql.schema().names == ("id", "dt")
    assert sql.count().execute() == 2
    empty = events.filter(events.id < 0).select("id", "tags").to_pyarrow()
    assert (empty.num_rows, empty.schema.field("tags").type) == (0, pa.list_(pa.string()))


def test_ibis_is_capped_as_well(world: World) -> None:
    events = world.source(max_scan_bytes=10).table(TableName("athena", world.database, "events"))
    with pytest.raises(ScanLimitExceeded):
        events.select("id").to_pyarrow()


# Registering


@pytest.fixture
def prefix(world: World) -> str:
    return f"r{uuid.uuid4().hex[:8]}"


def test_registering_again_adds_only_what_is_new(world: World, prefix: str) -> None:
    source = world.source()

    def again(**more: Any) -> Any:
        location = f"s3://{world.data}/{prefix}/"
        return register(source, location=location, table=prefix, partitions="{event_type}/dt={dt}", **more)

    for day in range(150):
        world.put(
            f"{prefix}/Login/dt=d{day:03d}/a.parquet", pa.table({"memberCode": ["x"], "@timestamp": ["t"]})
        )
    planned = again(dry_run=True)
    assert (planned.created, planned.partitions_added, planned.dry_run) == (True, 150, True)
    with pytest.raises(UnknownName):
        source.describe(TableName("athena", world.database, prefix))
    assert planned.ddl.startswith(
        f"CREATE EXTERNAL TABLE IF NOT EXISTS {world.database}.{prefix} (\n"
        "    memberCode STRING,\n    `@timestamp` STRING\n)\n"
        "PARTITIONED BY (event_type STRING, dt STRING)\nSTORED AS PARQUET\n"
        f"LOCATION 's3://{world.data}/{prefix}/'\nTBLPROPERTIES ('parquet.compression'='SNAPPY');"
    )
    assert planned.ddl.count("ALTER TABLE") == 2
    assert str(planned).startswith(planned.ddl)
    assert "nothing was changed" in str(planned)
    first, second = again(), again()
    assert (first.created, first.partitions_added) == (True, 150)
    assert (second.created, second.partitions_added, second.partitions_present, second.ddl) == (
        False,
        0,
        150,
        "",
    )
    world.put(f"{prefix}/Other/dt=new/a.parquet", pa.table({"memberCode": ["y"], "extra": [1]}))
    third = again()
    assert (third.partitions_added, third.columns_added) == (1, ("extra",))
    rows = source.query(f"SELECT event_type, count(*) AS n FROM {prefix} GROUP BY 1 ORDER BY 1").to_arrow()
    assert rows.to_pylist() == [{"event_type": "Login", "n": 150}, {"event_type": "Other", "n": 1}]


def test_hive_paths_are_partitions_and_athena_can_make_the_table(world: World, prefix: str) -> None:
    for day in ("2025-06-01", "2025-06-02"):
        world.put(f"{prefix}/dt={day}/hour=01/a.parquet", pa.table({"id": [1, 2]}))
    world.put(f"{prefix}/_SUCCESS", b"")
    source = world.source()
    done = register(source, location=f"s3://{world.data}/{prefix}", table=prefix, through="athena")
    assert (done.partition_columns, done.partitions_added, done.rows) == (("dt", "hour"), 2, 4)
    rows = source.query(f"SELECT id, dt, hour FROM {prefix} WHERE dt = '2025-06-02' ORDER BY id").to_arrow()
    assert rows.to_pylist() == [
        {"id": 1, "dt": "2025-06-02", "hour": "01"},
        {"id": 2, "dt": "2025-06-02", "hour": "01"},
    ]


def test_what_does_not_fit_is_refused_by_name(world: World, prefix: str) -> None:
    source = world.source()

    def attempt(**more: Any) -> None:
        given = {"location": f"s3://{world.data}/{prefix}/", "table": prefix, **more}
        register(source, **given)

    with pytest.raises(UsageError, match="no data file"):
        attempt()
    world.put(f"{prefix}/dt=1/a.parquet", pa.table({"n": [1]}))
    with pytest.raises(UsageError, match="can't be a name"):
        attempt(table="Bad-Name")
    with pytest.raises(UsageError, match="does not fit the pattern"):
        attempt(partitions="{a}/{b}/{c}")
    with pytest.raises(UsageError, match="names no partition column"):
        attempt(partitions="x/y")
    world.put(f"{prefix}/dt=2/hour=1/a.parquet", pa.table({"n": [1]}))
    with pytest.raises(UsageError, match=r"dt=2/hour=1/a\.parquet has the partition columns"):
        attempt()
    world.s3.delete_object(Bucket=world.data, Key=f"{prefix}/dt=2/hour=1/a.parquet")
    world.put(f"{prefix}/dt=3/a.parquet", pa.table({"n": ["text"]}))
    with pytest.raises(SchemaConflict, match="column 'n' is int64"):
        attempt()
    world.put(f"{prefix}/dt=3/a.parquet", b"no parquet at all")
    with pytest.raises(CorruptObject, match=r"dt=3/a\.parquet"):
        attempt()


def test_an_existing_table_elsewhere_is_left_alone(world: World, prefix: str) -> None:
    source = world.source()
    world.put(f"{prefix}/a.parquet", pa.table({"id": [1]}))
    with pytest.raises(UsageError, match="exists and lies at"):
        register(source, location=f"s3://{world.data}/{prefix}/", table="events")


def test_reads_at_once_don_t_disturb_each_other(source: AthenaSource) -> None:
    answers: list[int] = []

    def read(most: int) -> None:
        answers.append(source.query("SELECT id FROM events WHERE id < :m", {"m": most}).to_arrow().num_rows)

    threads = [threading.Thread(target=read, args=(most,)) for most in range(1, 7)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [1, 2, 3, 4, 5, 6]


def test_nothing_runs_on_afterwards(world: World) -> None:
    end = time.monotonic() + 10
    while running(world) and time.monotonic() < end:
        time.sleep(0.1)
    assert running(world) == []
