"""No file, setting or memory of the machine is reachable through the endpoint's SQL."""

from __future__ import annotations

import socket
from pathlib import Path

import pyarrow as pa
import pytest

from stupiddb_kernel.local.stack import Stack
from tests.integration.athena_lab import Lab

SECRET = "the-secret-nobody-may-read"

ATTACKS = [
    "SELECT * FROM read_csv('{file}')",
    "SELECT * FROM read_csv_auto('{file}')",
    "SELECT * FROM read_text('{file}')",
    "SELECT * FROM read_blob('{file}')",
    "SELECT * FROM read_json('{file}')",
    "SELECT * FROM read_parquet('{file}')",
    "SELECT * FROM parquet_scan('{file}')",
    "SELECT * FROM parquet_metadata('{file}')",
    "SELECT * FROM sniff_csv('{file}')",
    "SELECT * FROM glob('{folder}/*')",
    "SELECT * FROM '{file}'",
    'SELECT * FROM "{file}"',
    'SELECT * FROM "{folder}"."secret.csv"',
    "SELECT * FROM \"read_csv\"('{file}')",
    "SELECT * FROM TABLE(read_csv('{file}'))",
    "SELECT * FROM LATERAL read_csv('{file}') AS t",
    "SELECT * FROM typed CROSS JOIN read_text('{file}')",
    "SELECT * FROM (SELECT * FROM read_text('{file}')) AS t",
    "WITH t AS (SELECT * FROM read_text('{file}')) SELECT * FROM t",
    "SELECT (SELECT content FROM read_text('{file}')) AS x",
    "SELECT 1 AS x WHERE EXISTS (SELECT * FROM read_text('{file}'))",
    "SELECT read_text('{file}') AS x",
    "SELECT * FROM query('SELECT * FROM read_text(''{file}'')')",
    "SELECT * FROM query_table('{file}')",
    "SELECT getenv('HOME') AS x",
    "SELECT getvariable('x') AS x",
    "SELECT current_setting('temp_directory') AS x",
    "SELECT * FROM duckdb_settings()",
    "SELECT * FROM duckdb_secrets()",
    "SELECT * FROM duckdb_extensions()",
    "SELECT * FROM pragma_database_list()",
    "SELECT * FROM duckdb_tables",
    "SELECT * FROM sqlite_master",
    "SELECT * FROM pg_catalog.pg_class",
    "SELECT * FROM scan_0",
    "SELECT * FROM scan_0_data",
    "SELECT * FROM arrow_scan(1, 2, 3)",
    "SELECT * FROM arrow_scan_dumb(140000000000000, 140000000000000, 140000000000000)",
    "SELECT * FROM pandas_scan(1)",
    "SELECT * FROM seq_scan('typed')",
    "SELECT * FROM read_text('http://127.0.0.1:{port}/x')",
    "SELECT * FROM iceberg_scan('{folder}')",
    "SELECT * FROM 'http://127.0.0.1:{port}/x.parquet'",
    "COPY (SELECT 1) TO '{folder}/written.csv'",
    "COPY typed FROM '{file}'",
    "ATTACH '{file}' AS other",
    "INSTALL httpfs",
    "LOAD httpfs",
    "PRAGMA database_list",
    "SET enable_external_access = true",
    "RESET enable_external_access",
    "CALL pragma_version()",
    "EXPORT DATABASE '{folder}/out'",
    "CREATE TABLE x AS SELECT * FROM read_text('{file}')",
    "CREATE VIEW x AS SELECT * FROM read_text('{file}')",
    "INSERT INTO typed SELECT * FROM read_text('{file}')",
    "UNLOAD (SELECT * FROM read_text('{file}')) TO 's3://{bucket}/out/' WITH (format = 'JSON')",
    "UNLOAD (SELECT 1 AS x) TO 'file://{folder}/out/' WITH (format = 'JSON')",
    "UNLOAD (SELECT 1 AS x) TO '{folder}/out/' WITH (format = 'JSON')",
    "EXPLAIN ANALYZE SELECT * FROM read_text('{file}')",
    "PREPARE p FROM COPY (SELECT 1) TO '{folder}/written.csv'",
    "CREATE EXTERNAL TABLE x (a string) STORED AS PARQUET LOCATION 'file://{folder}/'",
    "CREATE EXTERNAL TABLE x (a string) STORED AS PARQUET LOCATION '{folder}/'",
    "SELECT 1 AS x; COPY (SELECT 1) TO '{folder}/written.csv'",
    "SELECT * FROM typed -- \n; ATTACH '{file}' AS other",
    "FROM read_text('{file}')",
    "FROM '{file}' SELECT *",
    "SELECT * FROM typed PIVOT (count(*) FOR a IN (read_text('{file}')))",
    "SELECT COLUMNS('a') FROM typed",
    "DESCRIBE SELECT * FROM read_text('{file}')",
    "SUMMARIZE SELECT * FROM read_text('{file}')",
    "SELECT any_match(ARRAY['x'], p -> length(read_text(p)) > 0) AS x",
    "SELECT \"getenv\"('HOME') AS x",
    "VALUES (getenv('HOME'))",
    "SELECT * FROM UNNEST(glob('{folder}/*')) AS t(x)",
    "SELECT a FROM typed ORDER BY getenv('HOME')",
    "SELECT count(*) OVER (PARTITION BY getenv('HOME')) AS x FROM typed",
    "SELECT CAST('{file}' AS JSON) FROM read_ndjson('{file}')",
]


@pytest.fixture(scope="module")
def lab(stack: Stack) -> Lab:
    lab = Lab(stack)
    lab.put("typed/0.parquet", pa.table({"a": ["x"]}))
    lab.table("typed", "a string")
    return lab


@pytest.fixture(scope="module")
def listener() -> socket.socket:
    server = socket.create_server(("127.0.0.1", 0))
    server.setblocking(False)
    return server


def why_not(lab: Lab, sql: str) -> str:
    """Why a statement was refused, at once or while it ran; it may not succeed."""
    try:
        ran = lab.end(sql)
    except lab.athena.exceptions.InvalidRequestException as error:
        return str(error)
    if ran.state != "FAILED" or "GENERIC_INTERNAL_ERROR" in ran.reason:
        pytest.fail(f"{sql} ended as {ran.state}: {ran.reason}")
    return ran.reason


@pytest.mark.parametrize("attack", ATTACKS)
def test_it_is_refused(lab: Lab, listener: socket.socket, tmp_path: Path, attack: str) -> None:
    (tmp_path / "secret.csv").write_text(f"a\n{SECRET}\n")
    before = sorted(tmp_path.iterdir())
    sql = attack.format(
        file=tmp_path / "secret.csv", folder=tmp_path, bucket=lab.bucket, port=listener.getsockname()[1]
    )
    reason = why_not(lab, sql)
    assert SECRET not in reason
    assert sorted(tmp_path.iterdir()) == before
    with pytest.raises(BlockingIOError):
        listener.accept()


def test_a_parameter_can_not_smuggle_sql(lab: Lab, tmp_path: Path) -> None:
    (tmp_path / "secret.csv").write_text(SECRET)
    for value in (
        f"(SELECT content FROM read_text('{tmp_path}/secret.csv'))",
        f"1 UNION ALL SELECT content FROM read_text('{tmp_path}/secret.csv')",
        "getenv('HOME')",
        "1) FROM typed; COPY typed TO '/tmp/x",
    ):
        assert SECRET not in lab.fail("SELECT ? AS x", ExecutionParameters=[value])


def test_keys_with_odd_names_stay_in_their_place(lab: Lab) -> None:
    for name in ("../hidden", "a b", "ü", "%2e%2e", "x'y", "dt=1"):
        lab.put(f"odd/{name}.parquet", pa.table({"a": [name]}))
    lab.table("odd", "a string")
    found = lab.run("SELECT a FROM odd ORDER BY a")
    assert len(found.rows) == 5  # what is below a folder with a dot is hidden, as in Hive
    assert found.rows == sorted(found.rows)
