"""DataScannedInBytes is what was fetched from S3: told by footers, and by a proxy that sees the ranges."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest

from stupiddb_kernel.local.stack import Stack
from tests.integration.athena_lab import Lab, RangeProxy, chunk_bytes, own_endpoint

DAYS = ["2013-01-01", "2013-01-02", "2013-02-01", "2013-03-01"]
ROWS, GROUP = 8_000, 1_000


@dataclass
class Site:
    """A partitioned table behind a proxy that notes what is fetched."""

    lab: Lab
    proxy: RangeProxy
    files: dict[str, bytes]

    def fetched(self, sql: str, **options: Any) -> tuple[int, int]:
        """Bytes the query says it scanned, and bytes of column chunks the proxy saw."""
        self.proxy.gets.clear()
        ran = self.lab.run(sql, **options)
        return ran.scanned, self.proxy.data_bytes(self.files)


def rows_of(day: str, shift: int) -> pa.Table:
    start = datetime.fromisoformat(day)
    return pa.table(
        {
            "id": pa.array(range(shift, shift + ROWS), pa.int64()),
            "word": pa.array([f"word{i % 50:03d}" for i in range(ROWS)]),
            "wide": pa.array([f"{i * 7919 % 1_000_003:040d}" for i in range(ROWS)]),
            "ts": pa.array([start + timedelta(seconds=i) for i in range(ROWS)], pa.timestamp("us")),
            "maybe": pa.array([None if i % 3 else i / 7 for i in range(ROWS)], pa.float64()),
            "tags": pa.array([[i, i + 1] for i in range(ROWS)], pa.list_(pa.int64())),
        }
    )


@pytest.fixture(scope="module")
def site(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    proxy = RangeProxy(stack.aws_endpoint)
    folder = tmp_path_factory.mktemp("athena")
    with own_endpoint(folder, stack.aws_endpoint, "--get-burst", "100000", s3=proxy.url) as (url, _):
        lab = Lab(stack, _athena(stack, url))
        files = {}
        for index, day in enumerate(DAYS):
            key = f"events/dt={day}/part.parquet"
            files[key] = lab.put(key, rows_of(day, index * ROWS), row_group_size=GROUP, compression="zstd")
        lab.table(
            "events",
            "id bigint, word string, wide string, ts timestamp, maybe double, tags array<bigint>",
            "dt string",
        )
        yield Site(lab, proxy, files)
    proxy.close()


def _athena(stack: Stack, url: str) -> Any:
    import boto3

    known = stack.environment()
    return boto3.client(
        "athena",
        endpoint_url=url,
        region_name=known["AWS_DEFAULT_REGION"],
        aws_access_key_id=known["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=known["AWS_SECRET_ACCESS_KEY"],
    )


EVERY = set(DAYS)
JANUARY = {"2013-01-01", "2013-01-02"}


@pytest.mark.parametrize(
    ("sql", "columns", "days", "groups"),
    [
        ("SELECT sum(id) AS s FROM events", {"id"}, EVERY, None),
        ("SELECT sum(length(wide)) AS s FROM events WHERE dt = '2013-02-01'", {"wide"}, {"2013-02-01"}, None),
        ("SELECT count(word) AS c FROM events WHERE dt LIKE '2013-01-%'", {"word"}, JANUARY, None),
        ("SELECT max(id) AS m FROM events WHERE substr(dt, 1, 7) = '2013-01'", {"id"}, JANUARY, None),
        ("SELECT max(id) AS m FROM events WHERE CAST(dt AS date) < date '2013-02-01'", {"id"}, JANUARY, None),
        ("SELECT max(id) AS m FROM events WHERE dt IN ('2013-01-01', '2013-03-01')", {"id"},
         {"2013-01-01", "2013-03-01"}, None),
        ("SELECT max(id) AS m FROM events e WHERE NOT (e.dt > '2013-01-02') AND e.word >= ''", {"id", "word"},
         JANUARY, None),
        ("SELECT word FROM events WHERE id BETWEEN 1500 AND 1600", {"word", "id"}, {"2013-01-01"}, {1}),
        ("SELECT max(ts) AS m FROM events WHERE ts < timestamp '2013-01-01 00:10:00'", {"ts"},
         {"2013-01-01"}, {0}),
        ("SELECT sum(maybe) AS s FROM events WHERE id = 9500", {"maybe", "id"}, {"2013-01-02"}, {1}),
        ("SELECT cardinality(tags) AS c FROM events WHERE id = 3", {"tags", "id"}, {"2013-01-01"}, {0}),
        ("SELECT * FROM events WHERE dt = '2013-03-01'", {"id", "word", "wide", "ts", "maybe", "tags"},
         {"2013-03-01"}, None),
        ("SELECT count(*) AS c FROM (SELECT word, sum(id) AS s FROM events GROUP BY 1) AS t", {"word"},
         EVERY, None),
        ("WITH w AS (SELECT id, word, wide FROM events WHERE dt = '2013-01-01') SELECT max(word) AS m FROM w",
         {"word"}, {"2013-01-01"}, None),
    ],
)  # fmt: skip
def test_only_needed_chunks_are_scanned(
    site: Site, sql: str, columns: set[str], days: set[str], groups: set[int] | None
) -> None:
    expected = sum(
        chunk_bytes(data, columns, groups) for key, data in site.files.items() if any(d in key for d in days)
    )
    said, seen = site.fetched(sql)
    assert said == seen == expected > 0


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT count(*) AS c FROM events",
        "SELECT dt, count(*) AS c FROM events GROUP BY dt",
        "SELECT DISTINCT dt FROM events WHERE dt > '2013-01-01'",
        "SELECT max(dt) AS m FROM events",
        'SELECT count(*) AS c FROM "events$partitions"',
        "SELECT id FROM events WHERE dt = '1999-01-01'",
        "SELECT id FROM events WHERE id < 0",
        "SELECT 1 AS x",
        "SHOW PARTITIONS events",
        "DESCRIBE events",
        "EXPLAIN SELECT sum(id) FROM events",
    ],
)
def test_metadata_and_partition_columns_cost_nothing(site: Site, sql: str) -> None:
    assert site.fetched(sql) == (0, 0)


def test_a_self_join_scans_each_side(site: Site) -> None:
    one = chunk_bytes(site.files["events/dt=2013-01-01/part.parquet"], {"id"})
    two = chunk_bytes(site.files["events/dt=2013-01-02/part.parquet"], {"id"})
    said, seen = site.fetched(
        "SELECT count(*) AS c FROM events a JOIN events b ON a.id = b.id - 8000 "
        "WHERE a.dt = '2013-01-01' AND b.dt = '2013-01-02'"
    )
    assert said == seen == one + two


def test_partitions_stay_where_an_outer_join_needs_them(site: Site) -> None:
    sql = (
        "SELECT count(*) AS c FROM (VALUES ('2013-01-01'), ('1999-01-01')) AS d(day) "
        "LEFT JOIN (SELECT DISTINCT dt FROM events) AS e ON d.day = e.dt WHERE e.dt IS NULL"
    )
    assert site.lab.run(sql).rows == [("1",)]
    sql = (
        "SELECT count(*) AS c FROM (VALUES ('2013-01-01'), ('1999-01-01')) AS d(day) "
        "LEFT JOIN events e ON d.day = e.dt WHERE e.dt IS NULL"
    )
    assert site.lab.run(sql).rows == [("1",)]


def test_a_limit_stops_early(site: Site) -> None:
    said, seen = site.fetched("SELECT wide FROM events LIMIT 1")
    whole = sum(chunk_bytes(data, {"wide"}) for data in site.files.values())
    assert 0 < said == seen < whole / 2


def test_what_unload_scans_is_counted_too(site: Site) -> None:
    target = f"s3://{site.lab.bucket}/out/"
    said, seen = site.fetched(
        f"UNLOAD (SELECT id, word FROM events WHERE dt = '2013-01-01') TO '{target}' "
        "WITH (format = 'PARQUET')"
    )
    expected = chunk_bytes(site.files["events/dt=2013-01-01/part.parquet"], {"id", "word"})
    assert said == seen == expected


def test_a_query_over_the_cutoff_is_cancelled_with_what_it_scanned(site: Site) -> None:
    lab = site.lab
    noise = pa.table({"b": pa.array([bytes([i % 251]) * 3 + i.to_bytes(61, "big") for i in range(40_000)])})
    for part in range(12):
        lab.put(f"big/{part}.parquet", noise, compression="none", use_dictionary=False, row_group_size=20_000)
    lab.table("big", "b binary")
    name = f"cut-{lab.database}"
    lab.athena.create_work_group(
        Name=name,
        Configuration={
            "BytesScannedCutoffPerQuery": 10_000_000,
            "ResultConfiguration": {"OutputLocation": lab.results},
        },
    )
    whole = lab.run("SELECT max(length(b)) AS m FROM big").scanned
    assert whole > 25_000_000
    ran = lab.end("SELECT max(length(b)) AS m FROM big", WorkGroup=name)
    assert (ran.state, ran.reason) == ("CANCELLED", "Bytes scanned limit was exceeded")
    assert 10_000_000 < ran.scanned < whole
    assert lab.run("SELECT count(*) AS c FROM big", WorkGroup=name).rows == [("480000",)]


def test_stopping_keeps_the_bytes_scanned_until_then(site: Site) -> None:
    site.proxy.delay = 0.3
    try:
        query = site.lab.start("SELECT sum(id) AS s, max(wide) AS w FROM events")
        while not (
            scanned := site.lab.athena.get_query_execution(QueryExecutionId=query)["QueryExecution"][
                "Statistics"
            ]["DataScannedInBytes"]
        ):
            assert site.proxy.delay
        site.lab.athena.stop_query_execution(QueryExecutionId=query)
        execution = site.lab.wait(query, 2)
    finally:
        site.proxy.delay = 0.0
    whole = sum(chunk_bytes(data, {"id", "wide"}) for data in site.files.values())
    assert execution["Status"]["State"] == "CANCELLED"
    assert scanned <= execution["Statistics"]["DataScannedInBytes"] < whole


def test_files_may_differ_from_the_table(site: Site) -> None:
    """Missing columns are NULL, extra ones are ignored, names match without case, types widen."""
    lab = site.lab
    lab.put("mixed/a.parquet", pa.table({"ID": pa.array([1], pa.int32()), "extra": ["x"]}))
    lab.put("mixed/b.parquet", pa.table({"note": ["n"], "id": pa.array([2], pa.int64())}))
    lab.put("mixed/_hidden.parquet", pa.table({"id": pa.array([99], pa.int64())}))
    lab.table("mixed", "id bigint, note string")
    assert lab.run("SELECT id, note FROM mixed ORDER BY id").rows == [("1", None), ("2", "n")]


def test_a_type_the_table_can_not_hold_is_bad_data(site: Site) -> None:
    site.lab.put("wrong/a.parquet", pa.table({"id": ["text"]}))
    site.lab.table("wrong", "id bigint")
    reason = site.lab.fail("SELECT sum(id) AS s FROM wrong")
    assert reason.startswith("HIVE_BAD_DATA: Field id's type STRING in parquet file s3://")


def test_timestamps_have_milliseconds_whatever_the_file_has(site: Site) -> None:
    moment = datetime(2013, 5, 6, 7, 8, 9, 123_456)
    for unit in ("ms", "us", "ns"):
        site.lab.put(f"times/{unit}.parquet", pa.table({"t": pa.array([moment], pa.timestamp(unit))}))
    site.lab.put("times/utc.parquet", pa.table({"t": pa.array([moment], pa.timestamp("us", "UTC"))}))
    old = pa.table({"t": pa.array([moment], pa.timestamp("ns"))})
    site.lab.put("times/int96.parquet", old, use_deprecated_int96_timestamps=True)
    site.lab.table("times", "t timestamp")
    found = site.lab.run("SELECT t, count(*) AS c FROM times GROUP BY t")
    assert found.rows == [("2013-05-06 07:08:09.123", "5")]
