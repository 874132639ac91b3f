"""S3 as a source, over real HTTP against the stack's S3."""

from __future__ import annotations

import io
import threading
import uuid
from collections.abc import Callable, Iterator
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from stupiddb_kernel.config.aws import Aws
from stupiddb_kernel.config.secrets import Secrets
from stupiddb_kernel.config.settings import AwsSettings, S3PrefixSettings, S3Settings
from stupiddb_kernel.errors import (
    AuthenticationFailed,
    InexactValue,
    PermissionDenied,
    QueryCancelled,
    QueryFailed,
    QueryTimeout,
    SourceError,
    SourceUnreachable,
    UnknownName,
    UnsafeStatement,
    UsageError,
)
from stupiddb_kernel.local.stack import Stack
from stupiddb_kernel.sources.base import ReadOptions, SourceContext, TableName
from stupiddb_kernel.sources.objects.errors import CorruptObject, ObjectChanged, ObjectExists, ObjectGone
from stupiddb_kernel.sources.objects.listing import Lister
from stupiddb_kernel.sources.objects.location import Location
from stupiddb_kernel.sources.objects.schema import SchemaConflict
from stupiddb_kernel.sources.s3 import S3Source, Segment
from tests.integration.wire import Wire

Put = Callable[..., None]


@pytest.fixture(scope="module")
def wire(stack: Stack) -> Iterator[Wire]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in stack.environment().items():
            if name.startswith("AWS_") and "ENDPOINT" not in name:
                patch.setenv(name, value)
        proxy = Wire(stack.aws_endpoint)
        yield proxy
        proxy.close()


@pytest.fixture(scope="module")
def client(stack: Stack) -> Any:
    return stack.client("s3")


@pytest.fixture
def bucket(client: Any, wire: Wire) -> str:
    name = f"test-{uuid.uuid4().hex[:12]}"
    client.create_bucket(Bucket=name)
    wire.reset()
    return name


@pytest.fixture
def put(client: Any, bucket: str) -> Put:
    def put(key: str, table: pa.Table | bytes, **options: Any) -> None:
        body = table
        if isinstance(table, pa.Table):
            sink = io.BytesIO()
            pq.write_table(table, sink, **options)
            body = sink.getvalue()
        client.put_object(Bucket=bucket, Key=key, Body=body)

    return put


@pytest.fixture
def make(bucket: str, wire: Wire) -> Iterator[Callable[..., S3Source]]:
    made: list[S3Source] = []

    def make(*prefixes: S3PrefixSettings, endpoint: str = wire.url, **prefix: Any) -> S3Source:
        aws = Aws(AwsSettings(region="us-east-1", endpoint_url=endpoint))
        if not prefixes:
            prefix = {"prefix": "events/", "event_type_from_path": True, **prefix}
            prefixes = (S3PrefixSettings(bucket=bucket, **prefix),)
        source = S3Source(S3Settings(name="s3", sources=prefixes), SourceContext(aws, Secrets(aws)))
        made.append(source)
        return source

    yield make
    for source in made:
        source.close()


LOGIN = TableName("s3", "events", "Login")


def numbers(start: int, count: int, **more: Any) -> pa.Table:
    return pa.table({"id": pa.array(range(start, start + count), pa.int64()), **more})


# What is there


def test_each_first_folder_is_a_table_with_its_path_as_partition_columns(put: Put, make: Any) -> None:
    put("events/Login/dt=2025-06-12/a.parquet", numbers(0, 3))
    put("events/Login/dt=2025-06-13/b.parquet", numbers(3, 2))
    put("events/Game Opened/2025-06-12.parquet", numbers(0, 1))
    put("events/Game Opened/readme.txt", b"not data")
    source = make()

    tables = {table.name.table: table for table in source.tables("events")}

    assert source.databases() == ["events"]
    assert list(tables) == ["Game Opened", "Login"]
    assert [(c.name, c.type, c.partition) for c in tables["Login"].columns] == [
        ("id", "int64", False),
        ("event_type", "string", True),
        ("dt", "string", True),
    ]
    assert tables["Login"].statistics.files == 2
    assert source.query('SELECT * FROM events."Game Opened"').to_arrow().to_pylist() == [
        {"id": 0, "event_type": "Game Opened"}
    ]


def test_without_event_types_the_whole_prefix_is_one_table(put: Put, make: Any) -> None:
    put("historical/2013/a.parquet", numbers(0, 3))
    put("historical/2014/b.parquet", numbers(3, 2))
    source = make(prefix="historical", event_type_from_path=False)
    assert [str(table.name) for table in source.tables("historical")] == ["s3.historical.historical"]
    assert source.query("SELECT count(*) AS n FROM historical").to_arrow().to_pylist() == [{"n": 5}]


def test_an_empty_prefix_has_no_tables_and_says_so(make: Any) -> None:
    source = make()
    assert source.tables("events") == []
    assert source.summaries()[0].file_count == 0
    with pytest.raises(UnknownName, match=r"no table in s3\.events named 'Login'"):
        source.table(LOGIN)
    with pytest.raises(QueryFailed, match="Login does not exist"):
        source.query("SELECT * FROM events.Login")


def test_counts_and_sizes_are_exact_beyond_one_page(put: Put, make: Any, client: Any, wire: Wire) -> None:
    body = b"x" * 7
    keys = [f"events/T{i % 7}/dt={i % 13:02d}/{i:05d}.parquet" for i in range(234)]
    keys += ["events/T0/", "events/T0/_SUCCESS", "events/T0/.crc.parquet", "events/T0/_tmp/x.parquet"]
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda key: put(key, body), keys))
    source = make()
    wire.reset()
    summary = source.summaries()[0]
    assert (summary.file_count, summary.total_bytes) == (234, 7 * 234)
    for page_size in (1, 3, 10, 100, 1_000):
        lister = Lister(client, "s3", page_size=page_size)
        listed = [found.key for found in lister.objects(Location(summary.bucket, ""))]
        assert sorted(listed) == sorted(key for key in keys if not key.endswith("/")), page_size


def test_summaries_are_what_external_sources_needs(put: Put, make: Any, bucket: str) -> None:
    put("events/Login/a.parquet", numbers(0, 1))
    summary = make().summaries()[0]
    assert (summary.bucket, summary.prefix, summary.file_count) == (bucket, "events/", 1)


def test_hive_values_are_decoded_and_null_is_null(put: Put, make: Any) -> None:
    put("events/Login/city=S%C3%A3o%20Paulo%2FSP/a.parquet", numbers(0, 1))
    put("events/Login/city=__HIVE_DEFAULT_PARTITION__/a.parquet", numbers(1, 1))
    rows = make().query("SELECT id, city FROM events.Login ORDER BY id").to_arrow().to_pylist()
    assert rows == [{"id": 0, "city": "São Paulo/SP"}, {"id": 1, "city": None}]


# Cheap looks


def test_footers_cost_kilobytes_however_large_the_file_is(put: Put, make: Any, wire: Wire) -> None:
    import numpy as np

    noise = np.random.default_rng(1).random(1_000_000)
    put("events/Login/a.parquet", pa.table({"x": noise, "n": range(1_000_000)}), row_group_size=100_000)
    source = make()
    size = source.tables("events")[0].statistics.bytes
    wire.reset()
    fresh = make()
    statistics = fresh.statistics(LOGIN)
    assert statistics.rows == 1_000_000
    assert statistics.exact
    assert (statistics.columns["n"].minimum, statistics.columns["n"].maximum) == (0, 999_999)
    assert statistics.columns["n"].null_fraction == 0
    assert size is not None
    assert size > 8_000_000
    assert wire.received < 100_000
    assert fresh.transfer.bytes < 80_000


def test_files_that_the_path_rules_out_are_never_opened(put: Put, make: Any, wire: Wire) -> None:
    import numpy as np

    noise = np.random.default_rng(1).random(20_000)  # more than the tail that a footer read brings along
    for day in range(1, 6):
        put(f"events/Login/dt=2025-06-0{day}/a.parquet", numbers(day * 100_000, 20_000, x=noise))
    source = make()
    source.statistics(LOGIN)
    wire.reset()
    rows = source.query("SELECT min(id) AS low, sum(x) FROM events.Login WHERE dt = '2025-06-03'").to_arrow()
    assert rows["low"].to_pylist() == [300_000]
    assert wire.gets("dt%3D2025-06-03") + wire.gets("dt=2025-06-03") > 0
    assert sum(wire.gets(f"2025-06-0{day}/") for day in (1, 2, 4, 5)) == 0


def test_row_groups_that_statistics_rule_out_are_never_fetched(put: Put, make: Any, wire: Wire) -> None:
    import numpy as np

    noise = np.random.default_rng(1).random(500_000)
    put(
        "events/Login/a.parquet",
        pa.table({"id": range(500_000), "x": noise, "unused": noise}),
        row_group_size=25_000,
    )
    source = make()
    whole = source.tables("events")[0].statistics.bytes
    assert whole is not None
    wire.reset()
    expression = source.table(LOGIN)
    fetched = expression.filter(expression.id >= 490_000).select("id", "x").to_pyarrow()
    assert fetched.num_rows == 10_000
    assert wire.received < whole / 8


def test_preview_fetches_the_first_files_only(put: Put, make: Any, wire: Wire) -> None:
    for day in range(1, 6):
        put(f"events/Login/dt=2025-06-0{day}/a.parquet", numbers(day * 10, 3))
    source = make()
    source.tables("events")
    wire.reset()
    assert source.preview(LOGIN, limit=4).to_arrow()["id"].to_pylist() == [10, 11, 12, 20]
    assert sum(wire.gets(f"2025-06-0{day}/") for day in (3, 4, 5)) == 0


# Schemas


def test_files_of_one_table_are_united_by_name_with_exact_promotions(put: Put, make: Any) -> None:
    put(
        "events/Login/1.parquet",
        pa.table(
            {
                "n": pa.array([1], pa.int32()),
                "d": pa.array([Decimal("1.5")], pa.decimal128(4, 1)),
                "t": pa.array([1], pa.timestamp("ms")),
                "s": pa.array(["a"]).dictionary_encode(),
                "r": [{"a": 1}],
            }
        ),
    )
    put(
        "events/Login/2.parquet",
        pa.table(
            {
                "n": pa.array([2**40], pa.int64()),
                "d": pa.array([Decimal("1.25")], pa.decimal128(9, 2)),
                "t": pa.array([1_000], pa.timestamp("us")),
                "s": pa.array(["b"]),
                "r": [{"a": 1, "b": "x"}],
                "new": pa.array([7], pa.int8()),
            }
        ),
    )
    table = make().import_table(LOGIN).to_arrow()
    assert table.schema.field("n").type == pa.int64()
    assert table.drop_columns("event_type").to_pylist() == [
        {
            "n": 1,
            "d": Decimal("1.50"),
            "t": datetime(1970, 1, 1, 0, 0, 0, 1000),
            "s": "a",
            "r": {"a": 1, "b": None},
            "new": None,
        },
        {
            "n": 2**40,
            "d": Decimal("1.25"),
            "t": datetime(1970, 1, 1, 0, 0, 0, 1000),
            "s": "b",
            "r": {"a": 1, "b": "x"},
            "new": 7,
        },
    ]


def test_types_that_no_type_holds_exactly_are_a_conflict_with_names(put: Put, make: Any) -> None:
    put("events/Login/1.parquet", pa.table({"n": [1], "ok": ["x"]}))
    put("events/Login/2.parquet", pa.table({"n": ["one"], "ok": ["y"]}))
    put("events/Other/1.parquet", numbers(0, 1))
    source = make()
    with pytest.raises(SchemaConflict, match=r"column 'n' is int64 in \S+1.parquet, string in \S+2.parquet"):
        source.import_table(LOGIN)
    shown = {table.name.table: table for table in source.tables("events")}
    assert "column 'n'" in (shown["Login"].comment or "")
    assert shown["Other"].comment is None
    assert source.query("SELECT id FROM events.Other").to_arrow().num_rows == 1


def test_a_corrupt_file_is_named_and_hurts_no_other_table(put: Put, make: Any) -> None:
    put("events/Login/good.parquet", numbers(0, 2))
    put("events/Login/bad.parquet", b"PAR1 this is no parquet")
    put("events/Other/1.parquet", numbers(0, 1))
    source = make()
    shown = {table.name.table: table for table in source.tables("events")}
    assert shown["Login"].statistics.files == 2
    assert "events/Login/bad.parquet" in (shown["Login"].comment or "")
    assert [column.name for column in shown["Login"].columns] == ["id", "event_type"]
    with pytest.raises(CorruptObject, match=r"events/Login/bad\.parquet"):
        source.query("SELECT * FROM events.Login")
    assert source.ibis().table("Other", database=("s3", "events")).count().execute() == 1


def test_old_and_far_timestamps_of_int96_do_not_wrap(put: Put, make: Any) -> None:
    when = [datetime(1600, 1, 1), datetime(9999, 12, 31, 23, 59, 59)]
    table = pa.table({"t": pa.array(when, pa.timestamp("us"))})
    put("events/Login/1.parquet", table, use_deprecated_int96_timestamps=True)
    assert make().import_table(LOGIN).to_arrow()["t"].to_pylist() == when


# SQL and Ibis


def test_sql_binds_values_with_their_types_and_lists_as_items(put: Put, make: Any) -> None:
    put("events/Login/1.parquet", numbers(0, 5, day=[date(2025, 6, d) for d in range(1, 6)]))
    result = make().query(
        "SELECT id FROM events.Login WHERE id IN (:ids) AND day >= :since AND ':ids' <> '' ORDER BY 1",
        {"ids": [1, 3, 4], "since": date(2025, 6, 3)},
    )
    assert result.to_arrow()["id"].to_pylist() == [3, 4]
    assert result.stats.rows == 2


def test_names_resolve_bare_qualified_and_in_any_case(put: Put, make: Any) -> None:
    put("events/Login/1.parquet", numbers(0, 5))
    source = make()
    for name in ("Login", "login", "events.LOGIN", "s3.events.Login"):
        assert source.query(f"SELECT count(*) FROM {name}").to_arrow()[0].to_pylist() == [5], name


def test_only_one_reading_statement_gets_through_and_it_sees_nothing_else(
    put: Put, make: Any, tmp_path: Any
) -> None:
    put("events/Login/1.parquet", numbers(0, 5))
    secret = tmp_path / "secret.csv"
    secret.write_text("a\n1\n")
    local_frame = pa.table({"a": [1]})
    source = make()
    for sql in (
        "SELECT 1; SELECT 2",
        "CREATE TABLE x AS SELECT 1",
        "COPY Login TO '/tmp/x'",
        "INSTALL httpfs",
    ):
        with pytest.raises(UnsafeStatement):
            source.query(sql)
    for sql in (
        f"SELECT * FROM '{secret}'",
        f"SELECT * FROM read_csv('{secret}')",
        "SELECT * FROM local_frame",
        "SELECT * FROM glob('/etc/*')",
    ):
        with pytest.raises(QueryFailed):
            source.query(sql).to_arrow()
    assert local_frame.num_rows == 1


def test_an_error_points_into_the_sql_as_it_was_typed(put: Put, make: Any) -> None:
    put("events/Login/1.parquet", numbers(0, 5))
    sql = "SELECT id,\n  nope FROM events.Login WHERE id = :id"
    with pytest.raises(QueryFailed, match="nope") as failed:
        make().query(sql, {"id": 3})
    assert failed.value.position == sql.index("nope")
    assert failed.value.sql == sql


def test_a_long_statement_is_stopped_by_timeout_and_by_cancel(put: Put, make: Any) -> None:
    put("events/Login/1.parquet", numbers(0, 5))
    slow = "SELECT count(*) FROM range(100000000) a, range(100000) b, events.Login"
    with pytest.raises(QueryTimeout, match=r"0\.3 s"):
        make().query(slow, options=ReadOptions(timeout_seconds=0.3)).to_arrow()
    running = make().query("SELECT * FROM range(10000000000), events.Login")
    threading.Timer(0.2, running.cancel).start()
    with pytest.raises(QueryCancelled):
        for _ in running:
            pass


def test_limits_and_dry_runs(put: Put, make: Any, wire: Wire) -> None:
    put("events/Login/1.parquet", numbers(0, 500))
    source = make()
    assert source.query("SELECT * FROM Login", options=ReadOptions(limit=7)).to_arrow().num_rows == 7
    plan = source.query("SELECT * FROM Login WHERE id = 3", options=ReadOptions(dry_run=True)).to_arrow()
    assert "ARROW_SCAN" in plan[1][0].as_py()


@pytest.mark.parametrize("value", ["'12:00:00+02'::TIMETZ", "1::UHUGEINT", "'101'::BIT", "['1'::BIT]"])
def test_types_that_would_change_on_the_way_are_refused(make: Any, value: str) -> None:
    with pytest.raises(InexactValue, match="column 'x'"):
        make().query(f"SELECT {value} AS x")


def test_sums_of_integers_are_exact(make: Any) -> None:
    sql = "SELECT sum(x) AS s FROM (VALUES (9223372036854775807), (9223372036854775807)) t(x)"
    assert make().query(sql).to_arrow()["s"].to_pylist() == [2 * (2**63 - 1)]


def test_a_table_expression_follows_files_that_arrive_later(put: Put, make: Any) -> None:
    put("events/Login/1.parquet", numbers(0, 5))
    source = make()
    assert source.table(LOGIN).count().execute() == 5
    put("events/Login/2.parquet", numbers(5, 5))
    assert source.table(LOGIN).count().execute() == 10


# Versions and failures


def test_a_file_overwritten_while_it_is_read_is_an_error_not_a_mixture(put: Put, make: Any) -> None:
    import numpy as np

    noise = np.random.default_rng(5).random(4_000_000)  # 32 MB that don't compress
    put("events/Login/1.parquet", numbers(0, 4_000_000, x=noise), row_group_size=100_000)
    source = make()
    batches = iter(source.import_table(LOGIN, batch_rows=1_000))
    next(batches)
    put("events/Login/1.parquet", numbers(7, 4_000_000, x=noise), row_group_size=100_000)
    with pytest.raises(ObjectChanged, match=r"events/Login/1.parquet was overwritten"):
        for _ in batches:
            pass


def test_an_sql_read_of_a_changed_file_gives_our_error_too(put: Put, make: Any) -> None:
    put("events/Login/1.parquet", numbers(0, 10))
    source = make()
    segments = source.segments(LOGIN)
    put("events/Login/1.parquet", numbers(7, 10))
    with pytest.raises(ObjectChanged):
        source.read_segments(segments).to_arrow()


def test_a_deleted_file_is_named(put: Put, make: Any, client: Any, bucket: str) -> None:
    put("events/Login/1.parquet", numbers(0, 10))
    source = make()
    segments = source.segments(LOGIN)
    client.delete_object(Bucket=bucket, Key="events/Login/1.parquet")
    with pytest.raises(ObjectGone, match=r"1\.parquet was deleted"):
        source.read_segments(segments).to_arrow()


def test_a_missing_bucket_and_a_dead_endpoint_are_told_apart(make: Any) -> None:
    missing = make(S3PrefixSettings(bucket="no-such-bucket-here", prefix="events/"))
    with pytest.raises(SourceError, match=r"NoSuchBucket"):
        missing.tables("events")
    assert [(line.step, line.ok) for line in missing.check()][1:] == [("permitted", False)]
    dead = make(endpoint="http://127.0.0.1:9")
    with pytest.raises(SourceUnreachable):
        dead.tables("events")


def test_no_credentials_is_said_with_what_to_do(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    with pytest.raises(AuthenticationFailed, match="credentials") as failed:
        make().tables("events")
    assert "aws sso login" in (failed.value.hint or "")


def test_check_names_each_step(put: Put, make: Any) -> None:
    put("events/Login/1.parquet", numbers(0, 10))
    lines = make().check()
    assert all(line.ok for line in lines)
    assert [line.step for line in lines] == ["version", "reachable", "authenticated", "permitted"]
    assert "10 rows" in lines[-1].detail


# Import, segments


def test_import_streams_in_bounded_memory_with_a_filter(put: Put, make: Any) -> None:
    put("events/Login/dt=2025-06-01/1.parquet", numbers(0, 300_000), row_group_size=10_000)
    put("events/Login/dt=2025-06-02/2.parquet", numbers(300_000, 10))
    reader = make().import_table(LOGIN, columns=["id", "dt"], filter=ds.field("id") >= 299_990).reader()
    rows = reader.read_all()
    assert rows.num_rows == 20
    assert set(rows["dt"].to_pylist()) == {"2025-06-01", "2025-06-02"}
    with pytest.raises(UnknownName, match="did you mean 'id'"):
        make().import_table(LOGIN, columns=["idd"])


def test_segments_survive_being_stored(put: Put, make: Any) -> None:
    put(
        "events/Login/dt=1/1.parquet",
        pa.table(
            {
                "id": [1, 2, None],
                "at": [datetime(2025, 1, 1), None, datetime(2025, 6, 1)],
                "price": pa.array([Decimal("1.10"), Decimal("2.20"), None], pa.decimal128(9, 2)),
                "raw": [b"\x00\xff", b"a", None],
            }
        ),
    )
    source = make()
    (segment,) = source.segments(LOGIN)
    stored = Segment.from_json(segment.to_json())
    assert stored == segment
    assert (stored.rows, stored.partition) == (3, {"event_type": "Login", "dt": "1"})
    assert (stored.columns["id"].minimum, stored.columns["id"].maximum, stored.columns["id"].nulls) == (
        1,
        2,
        1,
    )
    assert stored.columns["price"].maximum == Decimal("2.20")
    assert stored.columns["at"].minimum == datetime(2025, 1, 1)
    assert source.read_segments([stored]).to_arrow()["id"].to_pylist() == [1, 2, None]


# Archive


def archive_source(make: Any, **more: Any) -> S3Source:
    source: S3Source = make(prefix="out/", event_type_from_path=False, **more)
    return source


def test_a_result_is_archived_as_one_object_and_read_back(make: Any, client: Any, bucket: str) -> None:
    source = archive_source(make)
    table = numbers(0, 300_000, text=[f"value {i * 7919 % 1000003}" for i in range(300_000)])
    written = source.archive(table, "out", "2025/report.parquet")
    assert written.rows == 300_000
    assert [file.key for file in written.files] == ["out/2025/report.parquet"]
    head = client.head_object(Bucket=bucket, Key="out/2025/report.parquet")
    assert (head["ContentLength"], head["ETag"].strip('"')) == (written.bytes, written.files[0].etag)
    assert source.import_table(TableName("s3", "out", "out")).to_arrow().equals(table)


def test_a_large_object_is_sent_in_parts_and_visible_only_when_whole(
    make: Any, client: Any, bucket: str
) -> None:
    import numpy as np

    source = archive_source(make)
    random = np.random.default_rng(3)
    schema = pa.schema([("x", pa.float64())])
    seen: list[int] = []

    def batches() -> Iterator[pa.RecordBatch]:
        for _ in range(20):
            seen.append(client.list_objects_v2(Bucket=bucket)["KeyCount"])
            yield pa.record_batch([pa.array(random.random(200_000))], schema=schema)

    written = source.archive(pa.RecordBatchReader.from_batches(schema, batches()), "out", "big.parquet")
    assert written.bytes > 24 * 1024**2
    assert seen == [0] * 20
    assert written.files[0].etag.endswith(("-3", "-4", "-5"))
    assert source.statistics(TableName("s3", "out", "out")).rows == 4_000_000


def test_a_failed_archive_leaves_nothing(make: Any, client: Any, bucket: str) -> None:
    import numpy as np

    source = archive_source(make)
    schema = pa.schema([("x", pa.float64())])

    def broken() -> Iterator[pa.RecordBatch]:
        for _ in range(10):
            yield pa.record_batch([pa.array(np.random.default_rng(1).random(300_000))], schema=schema)
        raise RuntimeError("the query failed half way")

    for options in ({"key": "a.parquet"}, {"key": "many", "rows_per_file": 500_000}):
        with pytest.raises(RuntimeError, match="half way"):
            source.archive(pa.RecordBatchReader.from_batches(schema, broken()), "out", **options)
        assert client.list_objects_v2(Bucket=bucket)["KeyCount"] == 0
        assert client.list_multipart_uploads(Bucket=bucket).get("Uploads", []) == []


def test_an_object_is_replaced_only_when_asked_even_in_a_race(make: Any) -> None:
    source = archive_source(make)
    source.archive(numbers(0, 1), "out", "a.parquet")
    with pytest.raises(ObjectExists, match=r"out/a.parquet is there already"):
        source.archive(numbers(1, 1), "out", "a.parquet")
    source.archive(numbers(2, 1), "out", "a.parquet", overwrite=True)
    assert source.query("SELECT id FROM out").to_arrow()["id"].to_pylist() == [2]

    outcomes: list[str] = []

    def race(number: int) -> None:
        try:
            source.archive(numbers(number, 1), "out", "raced.parquet")
            outcomes.append("won")
        except ObjectExists:
            outcomes.append("lost")

    threads = [threading.Thread(target=race, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["lost"] * 7 + ["won"]


def test_several_files_become_visible_together(make: Any, client: Any, bucket: str) -> None:
    source = archive_source(make)
    schema = pa.schema([("id", pa.int64())])
    counts: list[int] = []

    def batches() -> Iterator[pa.RecordBatch]:
        for start in range(0, 1_000, 100):
            counts.append(source.summaries()[0].file_count)
            yield pa.record_batch([pa.array(range(start, start + 100), pa.int64())], schema=schema)

    written = source.archive(
        pa.RecordBatchReader.from_batches(schema, batches()), "out", "2025/run", rows_per_file=300
    )
    keys = [item["Key"] for item in client.list_objects_v2(Bucket=bucket)["Contents"]]
    assert len(written.files) == 4
    assert sum("part-" in key for key in keys) == 4
    assert counts == [0] * 10
    assert source.summaries()[0].file_count == 4
    rows = source.import_table(TableName("s3", "out", "out")).to_arrow()
    assert sorted(rows["id"].to_pylist()) == list(range(1_000))


def test_parts_without_their_marker_are_invisible(make: Any, put: Put) -> None:
    put(f"out/part-{'a' * 32}-00000.parquet", numbers(0, 5))
    put("out/part-0.parquet", numbers(5, 5))
    assert archive_source(make).summaries()[0].file_count == 1


def test_a_marker_cannot_point_elsewhere(make: Any, put: Put) -> None:
    run = "b" * 32
    content = f'{{"files": [{{"name": "../secret/part-{run}-00000.parquet", "size": 1, "etag": "x"}}]}}'
    put(f"out/_committed-{run}.json", content.encode())
    with pytest.raises(SourceError, match="not a file of its run"):
        archive_source(make).summaries()


def test_a_read_only_prefix_is_never_written(make: Any, client: Any, bucket: str) -> None:
    with pytest.raises(PermissionDenied, match="read-only"):
        archive_source(make, read_only=True).archive(numbers(0, 1), "out", "a.parquet")
    assert client.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


def test_an_archived_result_may_itself_be_a_running_query(put: Put, make: Any, bucket: str) -> None:
    put("events/Login/1.parquet", numbers(0, 1_000))
    source = make(
        S3PrefixSettings(bucket=bucket, prefix="events/", event_type_from_path=True),
        S3PrefixSettings(bucket=bucket, prefix="out/"),
    )
    written = source.archive(source.query("SELECT id FROM Login WHERE id < 10"), "out", "ten.parquet")
    assert written.rows == 10


@pytest.mark.parametrize(
    "key", ["../escape.parquet", "/etc/x.parquet", "a/%2e%2e/x.parquet", "s3://b/x.parquet"]
)
def test_a_key_never_leads_out_of_the_prefix(make: Any, client: Any, bucket: str, key: str) -> None:
    with pytest.raises(UsageError):
        archive_source(make).archive(numbers(0, 1), "out", key)
    assert client.list_objects_v2(Bucket=bucket)["KeyCount"] == 0
