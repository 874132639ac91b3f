"""PostgreSQL and MySQL → local DuckDB table, 2 million rows × 10 columns, every value exact.

Ours against DuckDB's own extensions (1.5.5), Ibis and pandas, each in a process of its own, on the same
servers, into a DuckDB file, checkpoint included. Goals: PostgreSQL ≥ 0.9 × the extension, ≥ 5 × Ibis,
≥ 12 × pandas; MySQL ≥ 4 × the extension, ≥ 14 × Ibis. What arrived is compared with what was loaded, value by
value.

    python -m tests.benchmarks.readers [--json] [--rows N]
"""

from __future__ import annotations

import argparse
import importlib.util
import io
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from tests.benchmarks.report import Case, Report, line

ROWS = 2_000_000
GOALS = {
    "postgres": {"extension": 0.9, "ibis": 5.0, "pandas": 12.0},
    "mysql": {"extension": 4.0, "ibis": 14.0},
}
REPEATS = {"ours": 5, "extension": 5, "ibis": 1, "pandas": 1}
COLUMNS = {
    "postgres": "id int, big bigint, small smallint, price double precision, amount numeric(14,2), "
    "at timestamptz, day date, flag boolean, code text, category text",
    "mysql": "id int, big bigint, small smallint, price double, amount decimal(14,2), at timestamp(6) NULL, "
    "day date, flag tinyint(1), code varchar(40), category varchar(40)",
}


def made(rows: int) -> pa.Table:
    """The rows, the same at every run."""
    random = np.random.default_rng(7)
    cents = random.integers(-(10**11), 10**11, rows)
    categories = pa.array([f"category {number} größe" for number in range(100)])
    picks = pa.array(random.integers(0, 100, rows), mask=random.random(rows) < 0.1)
    micros = random.integers(10**15, 2 * 10**15, rows)
    return pa.table(
        {
            "id": pa.array(np.arange(rows, dtype=np.int32)),
            "big": pa.array(random.integers(-(2**63), 2**63 - 1, rows)),
            "small": pa.array(random.integers(-(2**15), 2**15 - 1, rows).astype(np.int16)),
            "price": pa.array(random.random(rows) * 10.0 ** random.integers(-20, 20, rows)),
            "amount": pa.Array.from_buffers(
                pa.decimal128(14, 2), rows, [None, pa.py_buffer(np.stack([cents, cents >> 63], 1).tobytes())]
            ),
            "at": pa.array(micros).cast(pa.timestamp("us", "UTC")),
            "day": pa.array(random.integers(0, 20_000, rows).astype(np.int32)).cast(pa.date32()),
            "flag": pa.array(random.random(rows) < 0.3),
            "code": pa.array(np.char.add("code-", random.integers(10**15, 10**16, rows).astype(str))),
            "category": categories.take(picks),
        }
    )


def load_postgres(address: dict[str, Any], table: pa.Table) -> None:
    """Into a fresh table by COPY."""
    import psycopg

    with psycopg.connect(**_keywords(address, "dbname", "user"), autocommit=True) as connection:
        connection.execute("DROP TABLE IF EXISTS readers")
        connection.execute(f"CREATE TABLE readers ({COLUMNS['postgres']})")
        with connection.cursor().copy("COPY readers FROM STDIN (FORMAT csv)") as copy:
            copy.write(_csv(table))
        connection.execute("VACUUM ANALYZE readers")


def load_mysql(address: dict[str, Any], table: pa.Table, folder: Path) -> None:
    """Into a fresh table by LOAD DATA."""
    import pymysql

    path = folder / "rows.csv"
    at = table.column("at").cast(pa.timestamp("us"))
    path.write_bytes(_csv(table.set_column(table.column_names.index("at"), "at", at)))
    with (
        pymysql.connect(
            **_keywords(address, "database", "user"), local_infile=True, init_command="SET time_zone='+00:00'"
        ) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute("SET GLOBAL local_infile = 1")
        cursor.execute("DROP TABLE IF EXISTS readers")
        cursor.execute(f"CREATE TABLE readers ({COLUMNS['mysql']}) CHARACTER SET utf8mb4")
        cursor.execute(
            f"LOAD DATA LOCAL INFILE '{path}' INTO TABLE readers CHARACTER SET utf8mb4"
            " FIELDS TERMINATED BY ',' OPTIONALLY ENCLOSED BY '\"'"
            " (id, big, small, price, amount, at, day, @flag, code, @category)"
            " SET flag = (@flag = 'true'), category = NULLIF(@category, '')"
        )
        connection.commit()
        cursor.execute("ANALYZE TABLE readers")


def ours(kind: str, address: dict[str, Any], target: Path) -> Callable[[], None]:
    """The source's reader into DuckDB."""
    from stupiddb_kernel.config.aws import Aws
    from stupiddb_kernel.config.secrets import Secrets
    from stupiddb_kernel.config.settings import AwsSettings, MysqlSettings, PostgresSettings
    from stupiddb_kernel.sources import create
    from stupiddb_kernel.sources.base import ReadOptions, SourceContext

    os.environ |= {"READERS_USER": address["username"], "READERS_PASSWORD": address["password"]}
    shape = {"postgres": PostgresSettings, "mysql": MysqlSettings}[kind]
    aws = Aws(AwsSettings())
    source = create(
        shape(
            name=kind,
            host=address["host"],
            port=address["port"],
            database=address["database"],
            username_env="READERS_USER",
            password_env="READERS_PASSWORD",
        ),
        SourceContext(aws, Secrets(aws)),
    )

    def read() -> None:
        with _fresh(target) as connection:
            reader = source.query("SELECT * FROM readers", options=ReadOptions(timeout_seconds=300)).reader()
            connection.register("incoming", reader)
            connection.execute("CREATE TABLE readers AS SELECT * FROM incoming")

    return read


def extension(kind: str, address: dict[str, Any], target: Path) -> Callable[[], None]:
    """DuckDB's own scanner."""
    module = importlib.util.find_spec(f"duckdb_extension_{kind}_scanner")
    assert module is not None
    assert module.submodule_search_locations
    [library] = Path(module.submodule_search_locations[0]).glob("extensions/*/*.duckdb_extension")
    names = {"postgres": ("dbname", "user", "password"), "mysql": ("database", "user", "passwd")}[kind]
    place = " ".join(
        f"{name}={value}"
        for name, value in [
            ("host", address["host"]),
            ("port", address["port"]),
            (names[0], address["database"]),
            (names[1], address["username"]),
            (names[2], address["password"]),
        ]
    )
    inside = "public" if kind == "postgres" else address["database"]

    def read() -> None:
        with _fresh(target) as connection:
            connection.execute(f"LOAD '{library}'")
            connection.execute("SET TimeZone = 'UTC'")
            if kind == "mysql":  # its booleans are wrong for 7; the fair comparison reads numbers, as we do
                connection.execute("SET mysql_tinyint1_as_boolean = false")
                connection.execute("SET mysql_session_time_zone = '+00:00'")
            connection.execute(f"ATTACH '{place}' AS peer (TYPE {kind}, READ_ONLY)")
            connection.execute(f'CREATE TABLE readers AS SELECT * FROM peer."{inside}".readers')

    return read


def ibis(kind: str, address: dict[str, Any], target: Path) -> Callable[[], None]:
    """Ibis's own backend, the faster of its two ways on each."""
    if kind == "mysql":
        import pymysql

        pymysql.install_as_MySQLdb()
    import ibis as library

    backend = getattr(library, kind).connect(
        host=address["host"],
        port=address["port"],
        user=address["username"],
        password=address["password"],
        database=address["database"],
    )

    def read() -> None:
        expression = backend.table("readers")
        with _fresh(target) as connection:
            rows = expression.to_pyarrow_batches(chunk_size=100_000)
            connection.register("incoming", rows)
            connection.execute("CREATE TABLE readers AS SELECT * FROM incoming")

    return read


def pandas(kind: str, address: dict[str, Any], target: Path) -> Callable[[], None]:
    """pandas.read_sql on the usual driver."""
    import pandas as pd
    import psycopg

    assert kind == "postgres"

    def read() -> None:
        with (
            _fresh(target) as connection,
            psycopg.connect(**_keywords(address, "dbname", "user")) as server,
        ):
            frame = pd.read_sql("SELECT * FROM readers", server)
            connection.register("incoming", frame)
            connection.execute("CREATE TABLE readers AS SELECT * FROM incoming")

    return read


def compare(expected: Path, target: Path, kind: str) -> int:
    """How many rows of ours differ from what was loaded, in value or by being there."""
    flag = "flag::TINYINT" if kind == "mysql" else "flag"
    with duckdb.connect(str(target), read_only=True) as connection:
        wanted = f"SELECT * REPLACE ({flag} AS flag) FROM read_parquet('{expected}')"
        here = "FROM readers"
        types = [
            connection.execute(f"SELECT typeof(COLUMNS(*)) FROM ({query}) LIMIT 1").fetchone()
            for query in (wanted, here)
        ]
        assert types[0] == types[1], types
        [[differing]] = connection.execute(
            f"SELECT (SELECT count(*) FROM ({wanted} EXCEPT ALL {here}))"
            f" + (SELECT count(*) FROM ({here} EXCEPT ALL {wanted}))"
        ).fetchall()
    return int(differing)


def run(rows: int = ROWS) -> Report:
    """Start the servers, load, let each reader read, compare."""
    from stupiddb_kernel.local.stack import Stack

    report = Report("readers")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        expected = folder / "expected.parquet"
        table = made(rows)
        pq.write_table(table, expected)
        with Stack.start(folder / "stack", services=("postgres", "mariadb")) as stack:
            addresses = {
                kind: {
                    key: getattr(server, key) for key in ("host", "port", "username", "password", "database")
                }
                for kind, server in (("postgres", stack.postgres), ("mysql", stack.mysql))
            }
            load_postgres(addresses["postgres"], table)
            load_mysql(addresses["mysql"], table, folder)
            del table
            for kind, goals in GOALS.items():
                target = folder / f"{kind}.duckdb"
                seconds = {
                    reader: _elsewhere(reader, kind, addresses[kind], target) for reader in [*goals, "ours"]
                }
                differing = compare(expected, target, kind)
                if differing:
                    raise AssertionError(f"{kind}: {differing} rows differ from what was loaded")
                for peer, goal in goals.items():
                    mine = seconds["ours"]
                    case = f"{kind}, {rows:,} × 10, exact, against {peer}"
                    report.add(Case(case, mine, {peer: seconds[peer]}, ratio=seconds[peer] / mine, goal=goal))
    return report


def _elsewhere(reader: str, kind: str, address: dict[str, Any], target: Path) -> float:
    """Seconds of one reader, measured in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.readers", "--measure", reader, kind, str(target)],
        input=json.dumps(address),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{reader} on {kind} failed:\n{done.stderr}")
    return float(done.stdout.splitlines()[-1])


def _measure(reader: str, kind: str, target: Path) -> float:
    readers = {"ours": ours, "extension": extension, "ibis": ibis, "pandas": pandas}
    read = readers[reader](kind, json.load(sys.stdin), target)
    times = []
    for _ in range(REPEATS[reader]):
        start = time.perf_counter()
        read()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


@contextmanager
def _fresh(target: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """An empty DuckDB file, checkpointed at the end."""
    for path in (target, Path(f"{target}.wal")):
        path.unlink(missing_ok=True)
    with duckdb.connect(str(target), config={"allow_unsigned_extensions": "true"}) as connection:
        connection.execute("SET enable_progress_bar = false")
        yield connection
        connection.execute("CHECKPOINT")


def _keywords(address: dict[str, Any], database: str, user: str) -> dict[str, Any]:
    return {
        "host": address["host"],
        "port": address["port"],
        user: address["username"],
        "password": address["password"],
        database: address["database"],
    }


def _csv(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    options = pyarrow.csv.WriteOptions(include_header=False, quoting_style="needed")
    pyarrow.csv.write_csv(table, sink, options)
    return sink.getvalue()


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--measure", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        reader, kind, target = arguments.measure
        print(_measure(reader, kind, Path(target)))
        return
    report = run(arguments.rows)
    print(json.dumps(report.as_json()) if arguments.json else "\n".join(map(line, report.results)))


if __name__ == "__main__":
    main()
