"""The local DuckDB: hardened, lockable, and the home of every result."""

from __future__ import annotations

import gc
import subprocess
import sys
from collections.abc import Iterator
from datetime import time
from pathlib import Path

import pyarrow as pa
import pytest

from stupiddb_kernel.config.aws import Aws
from stupiddb_kernel.config.secrets import Secrets
from stupiddb_kernel.config.settings import AwsSettings, DuckdbSettings
from stupiddb_kernel.errors import InexactValue, StoreError, StoreLocked, StupiddbError
from stupiddb_kernel.sources.base import QueryStats, ReadOptions, SourceContext, TableName
from stupiddb_kernel.sources.duckdb import DuckdbSource
from stupiddb_kernel.sources.result import Result
from stupiddb_kernel.store import open_store

ATTACKS = [
    "SELECT * FROM '{secret}'",
    "SELECT * FROM read_csv('{secret}')",
    "SELECT * FROM read_csv_auto('{secret}', header=false)",
    "SELECT * FROM read_text('{secret}')",
    "SELECT * FROM read_blob('{secret}')",
    "SELECT * FROM read_parquet('{secret}')",
    "SELECT * FROM read_json_auto('{secret}')",
    "SELECT * FROM sniff_csv('{secret}')",
    "SELECT * FROM glob('{folder}/*')",
    "SELECT * FROM parquet_metadata('{secret}')",
    "SELECT * FROM 's3://bucket/key.parquet'",
    "SELECT * FROM 'https://localhost/x.csv'",
    "SELECT * FROM 'file://{secret}'",
    "WITH a AS (SELECT * FROM read_text('{secret}')) SELECT * FROM a",
    "SELECT (SELECT content FROM read_text('{secret}'))",
    "CREATE TABLE stolen AS SELECT * FROM read_text('{secret}')",
    "CREATE VIEW stolen AS SELECT * FROM read_text('{secret}')",
    "INSERT INTO t SELECT length(content) FROM read_text('{secret}')",
    "COPY (SELECT 1) TO '{folder}/out.csv'",
    "COPY t FROM '{secret}'",
    "EXPORT DATABASE '{folder}/export'",
    "IMPORT DATABASE '{folder}'",
    "ATTACH '{folder}/other.duckdb' AS other",
    "ATTACH ':memory:' AS other",
    "DETACH local",
    "USE memory",
    "INSTALL httpfs",
    "LOAD httpfs",
    "LOAD '{secret}'",
    "SET enable_external_access = true",
    "SET GLOBAL allowed_directories = ['/']",
    "RESET lock_configuration",
    "PRAGMA enable_external_access",
    "CALL pragma_version()",
    "CREATE SECRET s (TYPE s3, KEY_ID 'a', SECRET 'b')",
    "CREATE PERSISTENT SECRET s (TYPE s3, KEY_ID 'a', SECRET 'b')",
    "SELECT getenv('HOME')",
    "SELECT 1; SELECT 2",
    "SELECT 1;; ATTACH ':memory:' AS y",
    "BEGIN",
    "PREPARE p AS SELECT 1",
    "EXECUTE p",
    "CHECKPOINT",
    "VACUUM",
    "EXPLAIN ANALYZE SELECT * FROM read_text('{secret}')",
    "SUMMARIZE SELECT * FROM read_text('{secret}')",
    "PIVOT (SELECT * FROM read_text('{secret}')) ON content USING count(*)",
    "FROM query('SELECT * FROM read_text(''{secret}'')')",
    "SELECT * FROM python_variable",
]


def open_local(path: Path | None) -> DuckdbSource:
    aws = Aws(AwsSettings())
    return open_store(DuckdbSettings(name="local", path=path), SourceContext(aws, Secrets(aws)))


@pytest.fixture
def local(tmp_path: Path) -> Iterator[DuckdbSource]:
    source = open_local(tmp_path / "data" / "store.duckdb")
    yield source
    source.close()


def table(name: str) -> TableName:
    return TableName("local", "main", name)


@pytest.mark.parametrize("attack", ATTACKS)
def test_reads_and_changes_nothing_outside(local: DuckdbSource, tmp_path: Path, attack: str) -> None:
    python_variable = pa.table({"a": [1]})
    secret = tmp_path / "secret.csv"
    secret.write_text("top secret\n")
    local.write(table("t"), pa.table({"a": [1]}).to_reader())
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(StupiddbError) as caught:
        local.query(attack.format(secret=secret, folder=tmp_path)).to_arrow()
    assert "top secret" not in str(caught.value)
    assert sorted(tmp_path.rglob("*")) == before
    assert python_variable.num_rows == 1


def test_a_result_lives_as_long_as_what_is_built_on_it(local: DuckdbSource) -> None:
    kept = local.hold(local.query("SELECT range AS n FROM range(100)"))
    derived = kept.filter(kept.n < 10)
    local.hold(local.query("SELECT 1 AS unkept"))
    del kept
    gc.collect()
    local.hold(local.query("SELECT 2 AS unkept"))
    gc.collect()
    local.hold(local.query("SELECT 3 AS unkept"))
    assert derived.count().execute() == 10
    held = local.instance.connection().execute(
        "SELECT count(*) FROM duckdb_tables() WHERE database_name = 'results'"
    )
    assert held.fetchone() == (2,)  # the one below `derived`, and the last


def test_a_named_result_is_a_table_for_sql_until_the_next_of_that_name(local: DuckdbSource) -> None:
    first = local.hold(local.query("SELECT 1 AS n"), "answer")
    assert local.query("SELECT n FROM answer").to_arrow().to_pylist() == [{"n": 1}]
    local.hold(local.query("SELECT 2 AS n"), "answer")
    assert local.query("SELECT n FROM answer").to_arrow().to_pylist() == [{"n": 2}]
    assert first.execute()["n"].tolist() == [1]  # what was bound before does not change


def test_tables_of_the_store_win_over_results_of_the_same_name(local: DuckdbSource) -> None:
    local.write(table("t"), pa.table({"a": ["store"]}).to_reader())
    local.hold(local.query("SELECT 'result' AS a"), "t")
    assert local.query("SELECT a FROM t").to_arrow().to_pylist() == [{"a": "store"}]


def test_an_error_below_a_held_result_keeps_its_kind(local: DuckdbSource) -> None:
    with pytest.raises(StupiddbError, match="Could not convert string"):
        local.hold(local.query("SELECT CAST(range::VARCHAR || 'x' AS INTEGER) FROM range(200000)"))


def test_writes_in_one_transaction(local: DuckdbSource) -> None:
    def broken() -> Iterator[pa.RecordBatch]:
        yield pa.record_batch({"a": [1, 2]})
        raise RuntimeError("the source broke")

    reader = pa.RecordBatchReader.from_batches(pa.schema([("a", pa.int64())]), broken())
    with pytest.raises(StupiddbError):
        local.write(table("half"), reader)
    assert "half" not in [found.name.table for found in local.tables("main")]
    assert local.write(table("t"), pa.table({"a": [1, 2]}).to_reader(), comment="it's") == 2
    assert local.write(table("t"), pa.table({"a": [3]}).to_reader(), mode="append") == 1
    found = next(each for each in local.tables("main") if each.name.table == "t")
    assert (found.statistics.rows, found.comment) == (3, "it's")


def test_survives_close_and_a_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "store.duckdb"
    source = open_local(path)
    source.write(table("t"), pa.table({"a": list(range(100_000))}).to_reader())
    source.close()
    assert [entry.name for entry in tmp_path.iterdir()] == ["store.duckdb"]  # no write-ahead log is left
    assert source.query("SELECT count(*) AS n FROM t").to_arrow().to_pylist() == [{"n": 100_000}]
    source.close()


def test_names_who_holds_the_store_and_works_without_it(tmp_path: Path) -> None:
    path = tmp_path / "store.duckdb"
    code = "import duckdb, sys; held = duckdb.connect(sys.argv[1]); print('held', flush=True); input()"
    command = [sys.executable, "-c", code, str(path)]
    holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        local = open_local(path)
        assert local.hold(local.query("SELECT 5 AS n"), "five").execute()["n"].tolist() == [5]
        assert local.query("SELECT n FROM five").to_arrow().to_pylist() == [{"n": 5}]
        with pytest.raises(StoreLocked) as caught:
            local.query("SELECT * FROM t")
        assert str(holder.pid) in str(caught.value)
        assert not local.check()[-1].ok
    finally:
        holder.kill()
        holder.communicate()
    assert local.check()[-1].ok  # free again: no restart needed
    local.close()


def test_refuses_a_file_that_is_no_store(tmp_path: Path) -> None:
    path = tmp_path / "store.duckdb"
    path.write_bytes(b"this is no database" * 1000)
    with pytest.raises(StoreError) as caught:
        open_local(path).query("SELECT * FROM t").to_arrow()
    assert str(path) in str(caught.value)
    assert path.read_bytes().startswith(b"this is no database")


def test_refuses_a_store_of_a_newer_stupiddb(tmp_path: Path) -> None:
    path = tmp_path / "store.duckdb"
    source = open_local(path)
    source.query("INSERT INTO stupiddb.migrations VALUES (99, 'future', 'x', now())").to_arrow()
    source.close()
    with pytest.raises(StoreError, match="schema version 99"):
        open_local(path).databases()


def test_points_at_an_error_in_the_sql_as_it_was_typed(local: DuckdbSource) -> None:
    sql = "SELECT :a AS a,\n       nope\nFROM range(3)"
    with pytest.raises(StupiddbError) as caught:
        local.query(sql, {"a": "a long value"}).to_arrow()
    position = getattr(caught.value, "position", None)
    assert position is not None
    assert sql[position:].startswith("nope")


@pytest.mark.parametrize(
    "value", ["TIMETZ '10:00:00+02'", "340282366920938463463374607431768211455::UHUGEINT", "'0101'::BIT"]
)
def test_refuses_what_arrow_would_change(local: DuckdbSource, value: str) -> None:
    with pytest.raises(InexactValue, match="CAST"):
        local.query(f"SELECT {value} AS v")


def test_refuses_to_hold_more_digits_than_duckdb_has(local: DuckdbSource) -> None:
    schema = pa.schema([("wide", pa.decimal256(65, 30))])
    closed: list[bool] = []
    result = Result(schema, iter(()), QueryStats("rds"), close=lambda: closed.append(True))
    with pytest.raises(InexactValue, match="'wide' has 65 digits") as caught:
        local.hold(result)
    assert "DECIMAL(38, 30)" in str(caught.value)
    assert closed == [True]


def test_spills_instead_of_dying(tmp_path: Path) -> None:
    aws = Aws(AwsSettings())
    settings = DuckdbSettings(name="local", memory_limit="100MB", threads=2)
    source = DuckdbSource(settings, SourceContext(aws, Secrets(aws)))
    sql = "SELECT range AS n, md5(range::VARCHAR) AS text FROM range(1500000) ORDER BY text"
    held = source.hold(source.query(sql, options=ReadOptions(batch_rows=100_000)))
    assert held.count().execute() == 1_500_000
    source.close()


def test_ibis_streams_the_values_that_are_there(local: DuckdbSource, tmp_path: Path) -> None:
    held = local.hold(local.query("SELECT TIME '05:00:00.5' AS t, INTERVAL '1 month 2 days 3.5 s' AS i"))
    [row] = held.to_pyarrow_batches().read_all().to_pylist()
    assert row["t"] == time(5, 0, 0, 500000)
    assert (row["i"].months, row["i"].days, row["i"].nanoseconds) == (1, 2, 3_500_000_000)
    held.select("t").to_parquet(tmp_path / "t.parquet")
    assert local.ibis().read_parquet(tmp_path / "t.parquet").t.to_pyarrow().to_pylist() == [row["t"]]


def test_ibis_writes_and_reads_files_through_arrow(local: DuckdbSource, tmp_path: Path) -> None:
    held = local.hold(local.query("SELECT range AS n FROM range(10)"))
    held.to_parquet(tmp_path / "n.parquet")
    held.to_csv(tmp_path / "n.csv")
    assert local.ibis().read_parquet(tmp_path / "n.parquet").count().execute() == 10
    assert local.ibis().read_csv(str(tmp_path / "n.csv")).n.sum().execute() == 45
