"""PostgreSQL and MySQL into a local DuckDB table: ours, DuckDB's own extensions 1.5.5, Ibis, pandas.

Two million rows of ten columns (``--scale`` times that) of the types reference data is made of: keys, money,
text with NULLs, dates, times with and without zone, booleans, floats. Every reader is a process of its own,
writes a new DuckDB file and checkpoints it; the time is from connecting to the checkpoint. Ours and
the extension's rows are compared with the source's by a hash over all values, so a fast wrong answer fails.

Goals: PostgreSQL ≥ 0.9× the extension's speed, ≥ 5× Ibis, ≥ 12× pandas; MySQL ≥ 4× the extension, ≥ 14× Ibis.
Peak memory is a figure for the record.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.benchmarks.report import Case, Report, main

if TYPE_CHECKING:
    from stupiddb_kernel.local.stack import Stack

ROWS = 2_000_000
COLUMNS = "id, code, name, tier, balance, score, active, born, seen, note"
GOALS = {
    "postgres": {"DuckDB extension": 0.9, "Ibis": 5.0, "pandas": 12.0},
    "mysql": {"DuckDB extension": 4.0, "Ibis": 14.0},
}
REPEAT = 3

# What ours must agree with: the same text of every value on each side.
_HASHED = (
    "SELECT count(*), sum(hash(id::BIGINT, code::VARCHAR, name::VARCHAR, tier::INTEGER,"
    " balance::DECIMAL(12,2), score::DOUBLE, active::BOOLEAN, born::DATE, epoch_us(seen),"
    " note::VARCHAR)::HUGEINT) FROM members"
)


def run(scale: float = 1.0, stores: tuple[str, ...] = ("postgres", "mysql")) -> Report:
    """Load both stores, then let each reader have its turns, one after the other."""
    from stupiddb_kernel.local.stack import Stack

    report = Report("readers")
    rows = max(1000, round(ROWS * scale))
    with tempfile.TemporaryDirectory() as folder:
        services = ("postgres", "mariadb")
        with Stack.start(Path(folder) / "stack", services=services) as stack:
            for store in stores:
                _load(stack, store, rows)
                _compare(report, stack, store, rows, Path(folder))
    return report


def _compare(report: Report, stack: Stack, store: str, rows: int, folder: Path) -> None:
    readers = ["ours", "DuckDB extension", "Ibis", "pandas"]
    seconds: dict[str, list[float]] = {reader: [] for reader in readers}
    peaks: dict[str, float] = {}
    hashes: dict[str, object] = {}
    for turn in range(REPEAT):
        for reader in readers:
            if turn and reader in ("Ibis", "pandas"):
                continue  # slow enough for one turn to tell
            done = _read_in_process(stack, store, reader, folder)
            seconds[reader].append(done["seconds"])
            peaks[reader] = max(peaks.get(reader, 0.0), done["peak_mb"])
            hashes[reader] = done["hash"]
    if hashes["ours"] != hashes["DuckDB extension"]:
        raise SystemExit(
            f"{store}: ours {hashes['ours']} and the extension {hashes['DuckDB extension']} differ"
        )
    median = {reader: statistics.median(times) for reader, times in seconds.items()}
    for peer in readers[1:]:
        report.add(
            Case(
                f"{store} → DuckDB, {rows:,} rows, against {peer}",
                median["ours"],
                {peer: median[peer]},
                ratio=median[peer] / median["ours"],
                goal=GOALS[store].get(peer),
            )
        )
    report.add(
        Case(f"{store}: peak memory", peaks["ours"], {k: v for k, v in peaks.items() if k != "ours"}, "MB")
    )


def _read_in_process(stack: Stack, store: str, reader: str, folder: Path) -> dict[str, Any]:
    configuration = folder / "stupiddb.toml"
    target = folder / "target.duckdb"
    text = stack.configuration()
    for path in folder.glob("target.duckdb*"):
        path.unlink()
    configuration.write_text(text[: text.index("[store]")] + f'[store]\npath = "{target}"\n')
    address = stack.postgres if store == "postgres" else stack.mysql
    task = {
        "store": store,
        "reader": reader,
        "configuration": str(configuration),
        "target": str(target),
        "host": address.host,
        "port": address.port,
        "user": address.username,
        "database": address.database,
    }
    environment = {**os.environ, **stack.environment(), "BENCHMARK_PASSWORD": address.password}
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.readers", "--worker", json.dumps(task)],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _work(task: dict[str, Any]) -> None:
    """In a process of its own: import first, then time one reader."""
    import duckdb

    reader = {"ours": _ours, "DuckDB extension": _extension, "Ibis": _ibis, "pandas": _pandas}[task["reader"]]
    seconds = reader(task)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    with duckdb.connect(task["target"]) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        count, total = connection.execute(_HASHED).fetchone() or (0, 0)
    print(json.dumps({"seconds": seconds, "peak_mb": peak, "hash": [count, str(total)]}))


def _ours(task: dict[str, Any]) -> float:
    from stupiddb_kernel.session import Session
    from stupiddb_kernel.sources.base import TableName

    source = {"postgres": "aurora", "mysql": "rds"}[task["store"]]
    with Session(Path(task["configuration"])) as session:
        _ = session.sources[source], session.local.ibis()  # imports are not what is measured
        for driver in ("adbc_driver_postgresql.dbapi", "connectorx"):
            import_module(driver)
        started = time.perf_counter()
        with session.read(source, f"SELECT {COLUMNS} FROM members") as result:
            session.local.write(TableName("local", "main", "members"), result.reader(), mode="replace")
        session.local.instance.connection().execute("CHECKPOINT local")
        return time.perf_counter() - started


def _extension(task: dict[str, Any]) -> float:
    import duckdb

    name = {"postgres": "postgres_scanner", "mysql": "mysql_scanner"}[task["store"]]
    module = __import__(f"duckdb_extension_{name}")
    path = next(Path(module.__path__[0]).rglob(f"{name}.duckdb_extension"))
    connection = duckdb.connect(task["target"], config={"allow_unsigned_extensions": True})
    connection.execute(f"LOAD '{path}'")
    password = os.environ["BENCHMARK_PASSWORD"]
    started = time.perf_counter()
    key = "dbname" if task["store"] == "postgres" else "database"
    passkey = "password" if task["store"] == "postgres" else "passwd"
    text = " ".join(f"{word}={task[word]}" for word in ("host", "port", "user"))
    text += f" {passkey}={password} {key}={task['database']}"
    kind = task["store"].upper()
    connection.execute(f"ATTACH '{text}' AS remote (TYPE {kind}, READ_ONLY)")
    connection.execute(f"CREATE TABLE members AS SELECT {COLUMNS} FROM remote.members")
    connection.execute("CHECKPOINT")
    connection.close()
    return time.perf_counter() - started


def _connect_ibis(task: dict[str, Any]) -> Any:
    import ibis

    options = {key: task[key] for key in ("host", "port", "user", "database")}
    options["password"] = os.environ["BENCHMARK_PASSWORD"]
    if task["store"] == "postgres":
        return ibis.postgres.connect(**options)
    import pymysql

    pymysql.install_as_MySQLdb()
    return ibis.mysql.connect(**options)


def _ibis(task: dict[str, Any]) -> float:
    import duckdb

    remote = _connect_ibis(task)
    connection = duckdb.connect(task["target"])
    started = time.perf_counter()
    incoming = remote.table("members").to_pyarrow()
    connection.register("incoming", incoming)
    connection.execute(f"CREATE TABLE members AS SELECT {COLUMNS} FROM incoming")
    connection.execute("CHECKPOINT")
    connection.close()
    return time.perf_counter() - started


def _pandas(task: dict[str, Any]) -> float:
    import duckdb
    import pandas as pd
    import psycopg
    import pymysql

    connection = duckdb.connect(task["target"])
    options = {key: task[key] for key in ("host", "port", "user")}
    options["password"] = os.environ["BENCHMARK_PASSWORD"]
    started = time.perf_counter()
    remote: Any
    if task["store"] == "postgres":
        remote = psycopg.connect(**options, dbname=task["database"])
    else:
        remote = pymysql.connect(**options, database=task["database"])
    incoming = pd.read_sql(f"SELECT {COLUMNS} FROM members", remote)
    connection.register("incoming", incoming)
    connection.execute(f"CREATE TABLE members AS SELECT {COLUMNS} FROM incoming")
    connection.execute("CHECKPOINT")
    connection.close()
    return time.perf_counter() - started


_POSTGRES_DATA = """
CREATE TABLE members AS
SELECT n::bigint AS id, 'M' || lpad(n::text, 9, '0') AS code, 'Member ' || md5(n::text) AS name,
       (n % 7)::int AS tier, (((n::bigint * 7919) % 100000000) / 100.0)::numeric(12,2) AS balance,
       sqrt(n::float8) AS score, n % 3 = 0 AS active, date '1950-01-01' + (n % 20000)::int AS born,
       timestamptz '2013-01-01 00:00:00+00' + make_interval(secs => n) AS seen,
       CASE WHEN n % 4 = 0 THEN NULL ELSE 'note ' || (n % 1000) END AS note
FROM generate_series(1, {rows}) AS n
"""
_MYSQL_DATA = """
CREATE TABLE members AS
SELECT CAST(seq AS SIGNED) AS id, CONCAT('M', LPAD(seq, 9, '0')) AS code, CONCAT('Member ', MD5(seq)) AS name,
       CAST(seq % 7 AS INT) AS tier, CAST(((seq * 7919) % 100000000) / 100 AS DECIMAL(12,2)) AS balance,
       SQRT(CAST(seq AS DOUBLE)) AS score, CAST(seq % 3 = 0 AS INT) AS active,
       DATE_ADD(DATE '1950-01-01', INTERVAL seq % 20000 DAY) AS born,
       TIMESTAMPADD(SECOND, seq, TIMESTAMP '2013-01-01 00:00:00') AS seen,
       IF(seq % 4 = 0, NULL, CONCAT('note ', seq % 1000)) AS note
FROM seq_1_to_{rows}
"""


def _load(stack: Stack, store: str, rows: int) -> None:
    """Make the same table in a store, with the store's own means."""
    if store == "postgres":
        import psycopg

        address = stack.postgres
        with psycopg.connect(
            host=address.host,
            port=address.port,
            user=address.username,
            password=address.password,
            dbname=address.database,
            autocommit=True,
        ) as connection:
            connection.execute(_POSTGRES_DATA.format(rows=rows).encode())
            connection.execute("ALTER TABLE members ADD PRIMARY KEY (id)")
            connection.execute("VACUUM ANALYZE members")
        return
    import pymysql

    address = stack.mysql
    with (
        pymysql.connect(
            host=address.host,
            port=address.port,
            user=address.username,
            password=address.password,
            database=address.database,
        ) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(_MYSQL_DATA.format(rows=rows))
        cursor.execute("ALTER TABLE members ADD PRIMARY KEY (id)")
        cursor.execute("ANALYZE TABLE members")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--worker")
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--store", choices=["postgres", "mysql"])
    known, rest = parser.parse_known_args()
    if known.worker:
        _work(json.loads(known.worker))
    else:
        sys.argv[1:] = rest
        chosen = (known.store,) if known.store else ("postgres", "mysql")
        main(lambda: run(known.scale, chosen))
