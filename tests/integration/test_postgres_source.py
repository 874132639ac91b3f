"""PostgreSQL as a source, against a real server: exact values, bounded reads, the pool, TLS, the catalog."""

from __future__ import annotations

import _thread
import json
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg import sql as pgsql

from stupiddb_kernel.config.aws import Aws
from stupiddb_kernel.config.settings import AwsSettings, PostgresSettings
from stupiddb_kernel.errors import (
    AuthenticationFailed,
    InexactValue,
    QueryCancelled,
    QueryFailed,
    QueryTimeout,
    SourceUnreachable,
    StupiddbError,
    UnknownName,
    UnsafeStatement,
)
from stupiddb_kernel.sources.base import ReadOptions, TableName
from stupiddb_kernel.sources.postgres import PostgresSource
from tests.integration.relational_lab import (
    Authority,
    Spare,
    TlsFront,
    aside,
    context,
    eventually,
    growth,
    logged,
    postgres,
    rows,
    told,
)

if TYPE_CHECKING:
    from stupiddb_kernel.local.stack import Stack

# Nothing comes from the first one, for hours; much and at once from the second.
ENDLESS = "/* {} */ SELECT count(*) AS n FROM pg_attribute a, pg_attribute b, pg_attribute c, pg_attribute d"
LONG = "/* {} */ SELECT repeat('x', 1000) AS text, generate_series(1, 100000000) AS n"


class Admin:
    """The server seen from outside: a superuser's own connection, by psycopg."""

    def __init__(self, stack: Stack) -> None:
        self.address = stack.postgres
        self.connection = self.connect()

    def connect(self) -> psycopg.Connection[Any]:
        address = self.address
        return psycopg.connect(
            host=address.host,
            port=address.port,
            user=address.username,
            password=address.password,
            dbname=address.database,
            autocommit=True,
        )

    def do(self, *statements: str) -> None:
        for statement in statements:
            self.connection.execute(statement.encode())

    def value(self, sql: str) -> Any:
        found = self.connection.execute(sql.encode()).fetchone()
        return found[0] if found else None

    def running(self, marker: str) -> int:
        """Statements with this mark that the server is busy with."""
        return int(
            self.value(
                "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND pid <> pg_backend_pid() "
                f"AND query LIKE '%{marker}%'"
            )
        )

    def connections(self, user: str) -> list[int]:
        found = self.connection.execute("SELECT pid FROM pg_stat_activity WHERE usename = %s", [user])
        return sorted(pid for (pid,) in found)

    def terminate(self, user: str) -> None:
        self.connection.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = %s", [user]
        )


@pytest.fixture(scope="module")
def admin(stack: Stack) -> Iterator[Admin]:
    known = Admin(stack)
    known.do(
        "CREATE SCHEMA lab",
        "CREATE TYPE lab.mood AS ENUM ('sad', 'it''s ok')",
        "CREATE TYPE lab.pair AS (a int, b text)",
        "CREATE DOMAIN lab.price AS numeric(10, 2)",
        "CREATE TABLE lab.keep (id int PRIMARY KEY)",
        "INSERT INTO lab.keep VALUES (1), (2)",
        "CREATE SEQUENCE lab.counter",
        "CREATE FUNCTION lab.wipe() RETURNS int LANGUAGE plpgsql AS "
        "$$BEGIN DELETE FROM lab.keep; RETURN 1; END$$",
        "CREATE PROCEDURE lab.sweep() LANGUAGE plpgsql AS $$BEGIN DELETE FROM lab.keep; END$$",
    )
    yield known
    known.do("DROP SCHEMA lab CASCADE")
    known.connection.close()


@pytest.fixture(scope="module")
def source(stack: Stack, admin: Admin) -> Iterator[PostgresSource]:
    made = postgres(stack.postgres)
    yield made
    made.close()


@pytest.fixture
def reader(admin: Admin) -> Iterator[str]:
    """A login of this test alone, whose connections can be told from others'."""
    name = f"reader_{uuid.uuid4().hex[:8]}"
    admin.do(f"CREATE ROLE {name} LOGIN PASSWORD 'first-Passw0rd'", f"GRANT USAGE ON SCHEMA lab TO {name}")
    yield name
    admin.terminate(name)
    admin.do(f"DROP OWNED BY {name}", f"DROP ROLE {name}")


def as_reader(stack: Stack, reader: str, **given: Any) -> PostgresSource:
    surroundings = context(stack.postgres, PW2="first-Passw0rd")
    return postgres(stack.postgres, surroundings, username=reader, password_env="PW2", **given)


# --- reading --------------------------------------------------------------------------------------


def test_a_numeric_with_more_digits_than_the_first_rows_is_refused_not_rounded(
    source: PostgresSource,
) -> None:
    value = "CASE WHEN n < 400000 THEN 1.5 ELSE 1e-30::numeric END"
    sql = f"SELECT {value} AS v, repeat('x', 200) AS text FROM generate_series(1, 400000) n"
    with pytest.raises(InexactValue, match=r"'v' .* doesn't fit"):
        for _ in source.query(sql):
            pass


def test_a_long_read_takes_bounded_memory(source: PostgresSource) -> None:
    sql = "SELECT n, repeat('x', 300) AS text, n::numeric AS amount FROM generate_series(1, 1000000) n"
    count, peak = growth(source.query(sql))
    assert count == 1_000_000
    assert peak < 200 << 20  # of more than 300 MB


def test_keeps_the_order_of_a_wrapped_statement(source: PostgresSource) -> None:
    found = rows(
        source, "SELECT n::numeric(9,2) AS n FROM generate_series(1, 50000) n ORDER BY n DESC", limit=3
    )
    assert [int(row["n"]) for row in found] == [50_000, 49_999, 49_998]


WRITES = [
    "SELECT 1; DELETE FROM lab.keep",
    "COMMIT; DROP TABLE lab.keep",
    "SELECT 1; COMMIT; DROP TABLE lab.keep",
    "DROP TABLE lab.keep",
    "SET TRANSACTION READ WRITE",
    "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE",
    "BEGIN READ WRITE",
    "COPY lab.keep TO PROGRAM 'true'",
    "COPY (SELECT 1) TO '/tmp/stupiddb-leak'",
    "SELECT 1) TO PROGRAM 'true' --",
    "(SELECT 1) TO PROGRAM 'true'",
    "WITH gone AS (DELETE FROM lab.keep RETURNING id) SELECT * FROM gone",
    "EXPLAIN ANALYZE DELETE FROM lab.keep",
    "EXPLAIN (ANALYZE) SELECT lab.wipe()",
    "SELECT * INTO lab.copy FROM lab.keep",
    "CREATE TABLE lab.copy AS SELECT 1",
    "SELECT nextval('lab.counter')",
    "SELECT lab.wipe()",
    "SELECT set_config('transaction_read_only', 'off', true), lab.wipe()",
    "SELECT * FROM lab.keep FOR UPDATE",
    "CALL lab.sweep()",
    "DO $$BEGIN DELETE FROM lab.keep; END$$",
    "PREPARE p AS DELETE FROM lab.keep",
    "EXECUTE p",
    "MERGE INTO lab.keep USING (SELECT 1 AS i) s ON s.i = id WHEN MATCHED THEN DELETE",
    "LOCK TABLE lab.keep",
    "VACUUM lab.keep",
]


@pytest.mark.parametrize("sql", WRITES)
def test_nothing_is_written_or_let_out(source: PostgresSource, admin: Admin, sql: str) -> None:
    with pytest.raises(StupiddbError):
        source.query(sql).to_arrow()

    assert admin.value("SELECT count(*) FROM lab.keep") == 2
    assert admin.value("SELECT is_called FROM lab.counter") is False
    assert admin.value("SELECT to_regclass('lab.copy')") is None
    assert not Path("/tmp/stupiddb-leak").exists()


def test_reads_show_explain_values_and_table(source: PostgresSource) -> None:
    assert rows(source, "SHOW TimeZone") == [{"TimeZone": "UTC"}]
    assert "Seq Scan" in str(rows(source, "EXPLAIN SELECT * FROM lab.keep"))
    assert rows(source, "VALUES (1, 'a')") == [{"column1": 1, "column2": "a"}]
    assert len(rows(source, "TABLE lab.keep")) == 2
    assert len(rows(source, "((SELECT id FROM lab.keep))")) == 2


def test_an_error_points_into_the_statement_as_it_was_written(source: PostgresSource) -> None:
    sql = "SELECT :größe AS a,\n  iid FROM lab.keep"
    with pytest.raises(QueryFailed) as caught:
        source.query(sql, {"größe": "a long text, so that everything behind it moves"})

    assert caught.value.sql == sql
    assert caught.value.position == sql.index("iid")
    assert "lab.keep" not in caught.value.message
    assert "keep.id" in (caught.value.hint or "")


def test_an_error_while_it_runs_is_told_too(source: PostgresSource) -> None:
    with pytest.raises(QueryFailed, match="division by zero") as caught:
        source.query("SELECT 1 / (n - 5) FROM generate_series(1, 10) n").to_arrow()
    assert caught.value.sql


@pytest.mark.parametrize(
    ("condition", "found"),
    [("id IN (:none)", 0), ("id NOT IN (:none)", 2), ("id::text IN (:none)", 0), ("NOT id IN (:none)", 2)],
)
def test_nothing_is_in_an_empty_list(source: PostgresSource, condition: str, found: int) -> None:
    for value in ("id", "gen_random_uuid()", "now()", "1.5::numeric", "true", "NULL::date"):
        sql = f"SELECT count(*) AS n FROM lab.keep WHERE {condition.replace('id', value, 1)}"
        assert source.query(sql, {"none": []}).to_arrow().to_pylist() == [{"n": found}], value


# --- pool -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("idle", [0, 0.6], ids=["just used", "idle"])
def test_keeps_its_least_connections_warm(stack: Stack, admin: Admin, reader: str, idle: float) -> None:
    source = as_reader(stack, reader, pool_min=3)
    assert admin.connections(reader) == []
    rows(source, "SELECT 1 AS n")
    assert eventually(lambda: len(admin.connections(reader)) == 3 and source._pool.idle == 3)

    threading.Event().wait(idle)
    admin.terminate(reader)
    assert rows(source, "SELECT 1 AS n") == [{"n": 1}]
    assert eventually(lambda: len(admin.connections(reader)) == 3)

    source.close()
    assert eventually(lambda: admin.connections(reader) == [])


def test_thirty_threads_share_its_most_connections(stack: Stack, admin: Admin, reader: str) -> None:
    source = as_reader(stack, reader, pool_max=3)
    most, ended = 0, threading.Event()

    def watch() -> None:
        nonlocal most
        while not ended.wait(0.01):
            most = max(most, len(admin.connections(reader)))

    with aside(watch), ThreadPoolExecutor(30) as pool:
        answers = list(pool.map(lambda n: rows(source, f"SELECT {n} AS n, pg_sleep(0.03)::text"), range(60)))
        ended.set()

    assert [answer[0]["n"] for answer in answers] == list(range(60))
    assert most == 3
    source.close()


def test_waits_for_a_busy_pool_no_longer_than_it_says(stack: Stack, reader: str) -> None:
    source = as_reader(stack, reader, pool_max=1, statement_timeout_seconds=1)
    with source.query("SELECT repeat('x', 1000) FROM generate_series(1, 1000000)") as held:
        batches = iter(held)
        next(batches)
        started = monotonic()
        with pytest.raises(SourceUnreachable, match="all 1 connections are busy") as caught:
            rows(source, "SELECT 1")
        assert 0.9 < monotonic() - started < 3
        assert "pool_max" in (caught.value.hint or "")
    assert rows(source, "SELECT 1 AS n") == [{"n": 1}]
    source.close()


def test_a_killed_connection_is_replaced_unseen(stack: Stack, admin: Admin, reader: str) -> None:
    source = as_reader(stack, reader, pool_min=2)
    for _ in range(3):
        assert rows(source, "SELECT 1 AS n") == [{"n": 1}]
        admin.terminate(reader)
    rows(source, "SELECT 1")
    with aside(lambda: rows(source, "SELECT /* once */ count(*) AS n FROM (SELECT pg_sleep(0.8)) s")) as read:
        assert eventually(lambda: admin.running("/* once"))
        admin.terminate(reader)
        assert read.result() == [{"n": 1}]
    source.close()


def test_a_read_is_tried_twice_not_for_ever(stack: Stack, admin: Admin, reader: str) -> None:
    source = as_reader(stack, reader)
    with aside(lambda: rows(source, "SELECT /* twice */ count(*) AS n FROM (SELECT pg_sleep(5)) s")) as read:
        for _ in range(2):
            assert eventually(lambda: admin.running("/* twice"))
            admin.terminate(reader)
        with pytest.raises(SourceUnreachable, match="connection was lost"):
            read.result(5)
    source.close()


def test_rows_that_were_delivered_are_not_delivered_again(stack: Stack, admin: Admin, reader: str) -> None:
    source = as_reader(stack, reader)
    result = source.query("SELECT n, repeat('x', 1000) FROM generate_series(1, 1000000) n")
    batches = iter(result)
    next(batches)
    admin.terminate(reader)
    with pytest.raises(SourceUnreachable, match="connection was lost"):
        list(batches)
    source.close()


def test_a_read_leaves_no_state_to_the_next(stack: Stack, reader: str) -> None:
    source = as_reader(stack, reader, pool_max=1)
    before = rows(source, "SHOW search_path"), rows(source, "SHOW statement_timeout")
    rows(
        source,
        "SELECT set_config('search_path', 'pg_catalog', false), set_config('TimeZone', 'Asia/Tokyo', false)",
    )
    rows(source, "SELECT 1", database="lab", timeout_seconds=3, limit=1)
    assert (rows(source, "SHOW search_path"), rows(source, "SHOW statement_timeout")) == before
    assert rows(source, "SHOW TimeZone") == [{"TimeZone": "UTC"}]
    assert len(rows(source, "SELECT n FROM generate_series(1, 5) n")) == 5
    source.close()


# --- stopping -------------------------------------------------------------------------------------


def mark() -> str:
    return f"mark-{uuid.uuid4().hex}"


def test_cancel_stops_the_statement_in_the_server(source: PostgresSource, admin: Admin) -> None:
    marker = mark()
    result = source.query(LONG.format(marker))
    with aside(lambda: [batch.num_rows for batch in result]) as read:
        assert eventually(lambda: result.stats.rows > 0)
        assert admin.running(marker) == 1
        result.cancel()
        with pytest.raises(QueryCancelled):
            read.result(10)
    assert eventually(lambda: admin.running(marker) == 0)


def test_ctrl_c_stops_the_statement_in_the_server(source: PostgresSource, admin: Admin) -> None:
    marker = mark()

    def interrupt() -> None:
        eventually(lambda: admin.running(marker) == 1)
        _thread.interrupt_main()

    with aside(interrupt), pytest.raises(KeyboardInterrupt):
        source.query(ENDLESS.format(marker)).to_arrow()
    assert eventually(lambda: admin.running(marker) == 0)


def test_closing_a_half_read_result_stops_the_statement(source: PostgresSource, admin: Admin) -> None:
    marker = mark()
    result = source.query(LONG.format(marker))
    batches = iter(result)
    next(batches)
    assert admin.running(marker) == 1
    started = monotonic()
    result.close()
    assert monotonic() - started < 3
    assert eventually(lambda: admin.running(marker) == 0)


def test_a_result_that_nobody_holds_stops_its_statement(source: PostgresSource, admin: Admin) -> None:
    marker = mark()
    result: Any = source.query(LONG.format(marker))
    assert admin.running(marker) == 1
    del result
    assert eventually(lambda: admin.running(marker) == 0)


def test_a_timeout_stops_the_statement_in_the_server(source: PostgresSource, admin: Admin) -> None:
    marker = mark()
    with pytest.raises(QueryTimeout, match=r"0\.5 s") as caught:
        rows(source, ENDLESS.format(marker), timeout_seconds=0.5)
    assert "statement_timeout_seconds" in (caught.value.hint or "")
    assert eventually(lambda: admin.running(marker) == 0)


# --- credentials ----------------------------------------------------------------------------------


def test_a_wrong_password_is_told_and_shown_nowhere(stack: Stack) -> None:
    wrong = "wr0ng-hunter2 and 'quoted'"
    with logged() as lines, pytest.raises(AuthenticationFailed) as caught:
        postgres(stack.postgres, context(stack.postgres, BAD=wrong), password_env="BAD").query("SELECT 1")
    shown = told(caught.value) + "\n".join(lines)
    assert "hunter2" not in shown
    assert stack.postgres.password not in shown
    assert "password_env" in (caught.value.hint or "")


def test_a_rotated_password_is_taken_from_secrets_manager(
    stack: Stack, admin: Admin, reader: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in stack.environment().items():
        if name.startswith("AWS_"):
            monkeypatch.setenv(name, value)
    aws = Aws(AwsSettings(region="us-east-1", endpoint_url=stack.aws_endpoint))
    manager = aws.client("secretsmanager")
    secret = f"lab/{reader}"
    login = {"username": reader, "password": "first-Passw0rd", "engine": "postgres"}
    manager.create_secret(Name=secret, SecretString=json.dumps(login))
    source = postgres(
        stack.postgres, context(stack.postgres, aws), secret=secret, username=None, password_env=None
    )
    assert rows(source, "SELECT current_user::text AS me") == [{"me": reader}]

    admin.do(f"ALTER ROLE {reader} PASSWORD 'second-Passw0rd'")
    manager.put_secret_value(
        SecretId=secret, SecretString=json.dumps({**login, "password": "second-Passw0rd"})
    )
    assert rows(source, "SELECT current_user::text AS me") == [{"me": reader}]
    admin.terminate(reader)
    assert rows(source, "SELECT current_user::text AS me") == [{"me": reader}]
    source.close()


def test_iam_means_tls_and_gives_its_token_to_no_other_server(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "signing-key-of-the-test")
    settings = PostgresSettings(name="store", host="h", database="d", username="u", auth="iam")
    assert settings.ssl_mode == "require"
    with pytest.raises(ValueError, match="require"):
        PostgresSettings(name="store", host="h", database="d", auth="iam", ssl_mode="prefer")
    # The server at hand has no TLS: the token must never leave for it.
    source = postgres(stack.postgres, context(stack.postgres), auth="iam", password_env=None)
    with logged() as lines, pytest.raises(SourceUnreachable, match="SSL") as caught:
        source.query("SELECT 1")
    assert "X-Amz" not in told(caught.value) + "\n".join(lines)


# --- TLS ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.make(tmp_path_factory.mktemp("tls") / "right")


@pytest.fixture(scope="module")
def other_authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.make(tmp_path_factory.mktemp("tls") / "wrong")


@pytest.fixture(scope="module")
def front(stack: Stack, authority: Authority) -> Iterator[TlsFront]:
    """The server behind TLS; its certificate is for localhost, not for 127.0.0.1."""
    made = TlsFront((stack.postgres.host, stack.postgres.port), authority)
    yield made
    made.close()


@pytest.mark.parametrize(
    ("mode", "host", "encrypted"),
    [
        ("disable", "127.0.0.1", False),
        ("prefer", "127.0.0.1", True),
        ("require", "127.0.0.1", True),
        ("verify-ca", "127.0.0.1", True),
        ("verify-full", "localhost", True),
    ],
)
def test_reads_over_tls(
    stack: Stack, front: TlsFront, authority: Authority, mode: str, host: str, encrypted: bool
) -> None:
    before = front.encrypted
    source = postgres(stack.postgres, host=host, port=front.port, ssl_mode=mode, ssl_ca=authority.ca)
    assert len(rows(source, "SELECT n, repeat('x', 100) AS t FROM generate_series(1, 20000) n")) == 20_000
    assert (front.encrypted > before) == encrypted
    source.close()


@pytest.mark.parametrize(
    ("mode", "host"), [("verify-ca", "127.0.0.1"), ("verify-full", "localhost")], ids=["ca", "full"]
)
def test_refuses_a_certificate_of_another_authority(
    stack: Stack, front: TlsFront, other_authority: Authority, mode: str, host: str
) -> None:
    source = postgres(stack.postgres, host=host, port=front.port, ssl_mode=mode, ssl_ca=other_authority.ca)
    with pytest.raises(SourceUnreachable, match="certificate verify failed") as caught:
        source.query("SELECT 1")
    assert "ssl_ca" in (caught.value.hint or "")


def test_refuses_a_certificate_for_another_host(stack: Stack, front: TlsFront, authority: Authority) -> None:
    source = postgres(stack.postgres, port=front.port, ssl_mode="verify-full", ssl_ca=authority.ca)
    with pytest.raises(SourceUnreachable, match=r"127\.0\.0\.1") as caught:
        source.query("SELECT 1")
    assert "certificate" in (caught.value.hint or "")


def test_require_refuses_a_server_without_tls(stack: Stack) -> None:
    with pytest.raises(SourceUnreachable) as caught:
        postgres(stack.postgres, ssl_mode="require").query("SELECT 1")
    assert "ssl_mode" in (caught.value.hint or "")


def test_stops_a_statement_over_tls(
    stack: Stack, admin: Admin, front: TlsFront, authority: Authority
) -> None:
    marker = mark()
    source = postgres(stack.postgres, port=front.port, ssl_mode="require")
    result = source.query(LONG.format(marker))
    assert admin.running(marker) == 1
    result.close()
    assert eventually(lambda: admin.running(marker) == 0)
    source.close()


# --- a server that restarts or changes its role ---------------------------------------------------


@pytest.fixture(scope="module")
def spare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Spare]:
    from stupiddb_kernel.local.stack import Stack

    with Stack.start(tmp_path_factory.mktemp("spare"), services=("postgres",)) as running:
        yield Spare(running, "postgres")


def test_a_restarted_server_is_a_pause_and_no_error(spare: Spare) -> None:
    source = postgres(spare.address, pool_min=2)
    rows(source, "SELECT 1")
    spare.stop()
    threading.Timer(0.5, spare.start).start()
    assert rows(source, "SELECT 1 AS n") == [{"n": 1}]
    source.close()


def test_a_server_that_stays_down_is_told(spare: Spare) -> None:
    source = postgres(spare.address, connect_timeout_seconds=1)
    rows(source, "SELECT 1")
    spare.stop()
    try:
        with pytest.raises(SourceUnreachable, match=str(spare.address.port)) as caught:
            rows(source, "SELECT 1")
        assert "running" in (caught.value.hint or "")
    finally:
        spare.start()
    assert eventually(lambda: [check for check in source.check() if not check.ok] == [])
    assert rows(source, "SELECT 1 AS n") == [{"n": 1}]
    source.close()


def test_connections_to_a_demoted_server_are_given_up(spare: Spare) -> None:
    source = postgres(spare.address, pool_max=1)

    def session() -> int:
        return int(rows(source, "SELECT pg_backend_pid() AS pid")[0]["pid"])

    def demote(value: str) -> None:
        with psycopg.connect(spare.address.url("postgresql"), autocommit=True) as connection:
            connection.execute(pgsql.SQL("ALTER SYSTEM SET default_transaction_read_only = {}").format(value))
            connection.execute("SELECT pg_reload_conf()")

    first = session()
    threading.Event().wait(0.6)
    assert session() == first  # probed, and kept
    demote("on")
    threading.Event().wait(0.7)  # longer than an idle connection is trusted
    assert session() != first
    demote("off")
    source.close()


# --- catalog --------------------------------------------------------------------------------------


WEIRD = "Größe \"x\" 'y'"
WEIRD_TABLE = "a.b \"c\" {0} 'd' %s"


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


@pytest.fixture(scope="module")
def warehouse(stack: Stack, admin: Admin) -> Iterator[PostgresSource]:
    """A database with every kind of table, strange names, and 2,000 more tables."""
    weird = f"{quoted(WEIRD)}.{quoted(WEIRD_TABLE)}"
    admin.do("CREATE DATABASE warehouse")
    with psycopg.connect(stack.postgres.url("postgresql"), dbname="warehouse", autocommit=True) as connection:
        for statement in (
            "CREATE TABLE orders (id bigint PRIMARY KEY, amount numeric(10,2) NOT NULL, note varchar(20), "
            "tags text[], at timestamptz, doc jsonb)",
            "COMMENT ON TABLE orders IS 'What was ordered'",
            "COMMENT ON COLUMN orders.amount IS 'in €'",
            "INSERT INTO orders SELECT n, n % 100, NULL, NULL, '2020-01-01' FROM generate_series(1, 5000) n",
            "CREATE VIEW big_orders AS SELECT id, amount FROM orders WHERE amount > 50",
            "CREATE MATERIALIZED VIEW totals AS SELECT sum(amount) AS total FROM orders",
            "CREATE TABLE events (id int, day date) PARTITION BY RANGE (day)",
            "CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM ('2020-01-01') TO ('2021-01-01')",
            "CREATE TABLE events_2 PARTITION OF events FOR VALUES FROM ('2021-01-01') TO ('2022-01-01')",
            "INSERT INTO events SELECT n, date '2020-07-01' + n % 365 FROM generate_series(1, 1000) n",
            "CREATE FOREIGN DATA WRAPPER nowhere",
            "CREATE SERVER elsewhere FOREIGN DATA WRAPPER nowhere",
            "CREATE FOREIGN TABLE abroad (id int) SERVER elsewhere",
            f"CREATE SCHEMA {quoted(WEIRD)}",
            f'CREATE TABLE {weird} ("Col ""1""" int, "select" text)',
            f"INSERT INTO {weird} VALUES (7, 'seven')",
            "CREATE SCHEMA many",
            "DO $$BEGIN FOR n IN 1..2000 LOOP "
            "EXECUTE format('CREATE TABLE many.t%s (id int, name text)', n); END LOOP; END$$",
            "ANALYZE orders",
            "ANALYZE events",
        ):
            connection.execute(statement.encode())
    source = postgres(stack.postgres, database="warehouse")
    yield source
    source.close()
    admin.do("DROP DATABASE warehouse WITH (FORCE)")


def test_public_goes_by_the_name_of_the_database(warehouse: PostgresSource) -> None:
    assert warehouse.databases() == sorted(["warehouse", "many", WEIRD])


def test_lists_every_kind_of_table(warehouse: PostgresSource) -> None:
    tables = {table.name.table: table for table in warehouse.tables("warehouse")}

    kinds = {name: table.kind for name, table in tables.items()}
    assert kinds == {
        "orders": "table",
        "big_orders": "view",
        "totals": "table",
        "events": "table",
        "abroad": "external",
    }
    orders = tables["orders"]
    assert orders.comment == "What was ordered"
    assert [(column.name, column.type, column.native_type, column.nullable) for column in orders.columns] == [
        ("id", "int64", "bigint", False),
        ("amount", "decimal(10, 2)", "numeric(10,2)", False),
        ("note", "string", "character varying(20)", True),
        ("tags", "array<string>", "text[]", True),
        ("at", "timestamp('UTC', 6)", "timestamp with time zone", True),
        ("doc", "json", "jsonb", True),
    ]
    assert orders.columns[1].comment == "in €"
    assert orders.statistics.rows == 5000
    assert tables["events"].statistics.rows == 1000
    assert tables["events"].statistics.partitions == 2


def test_knows_statistics_of_columns(warehouse: PostgresSource) -> None:
    found = warehouse.statistics(TableName("store", "warehouse", "orders"))

    assert found.rows == 5000
    assert found.bytes
    assert found.as_of is not None
    assert (found.columns["id"].minimum, found.columns["id"].maximum) == (1, 5000)
    assert found.columns["id"].distinct == 5000
    assert found.columns["amount"].distinct == 100
    assert (found.columns["amount"].minimum, found.columns["amount"].maximum) == (0, 99)
    assert found.columns["note"].null_fraction == 1.0


def test_reads_names_as_strange_as_they_come(warehouse: PostgresSource) -> None:
    name = TableName("store", WEIRD, WEIRD_TABLE)

    [table] = warehouse.tables(WEIRD)
    assert table.name == name
    assert [column.name for column in table.columns] == ['Col "1"', "select"]
    assert warehouse.preview(name).to_arrow().to_pylist() == [{'Col "1"': 7, "select": "seven"}]
    assert warehouse.statistics(name).rows is None  # never analysed
    assert warehouse.table(name).count().execute() == 1


def test_a_schema_with_the_name_of_the_database_keeps_it(stack: Stack, admin: Admin) -> None:
    admin.do("CREATE DATABASE twins")
    with psycopg.connect(stack.postgres.url("postgresql"), dbname="twins", autocommit=True) as connection:
        connection.execute("CREATE SCHEMA twins")
        connection.execute("CREATE TABLE twins.own (a int)")
        connection.execute("CREATE TABLE public.common (a int)")
    source = postgres(stack.postgres, database="twins")
    assert source.databases() == ["public", "twins"]
    assert [table.name.table for table in source.tables("twins")] == ["own"]
    assert [table.name.table for table in source.tables("public")] == ["common"]
    source.close()
    admin.do("DROP DATABASE twins WITH (FORCE)")


def test_lists_2000_tables_in_three_seconds(warehouse: PostgresSource) -> None:
    started = monotonic()
    tables = warehouse.tables("many")
    assert monotonic() - started < 3
    assert len(tables) == 2000
    assert all(len(table.columns) == 2 for table in tables)


def test_suggests_names(warehouse: PostgresSource) -> None:
    with pytest.raises(UnknownName, match="orders"):
        warehouse.preview(TableName("store", "warehouse", "oders"))
    with pytest.raises(UnknownName, match="warehouse"):
        warehouse.tables("warehose")


def test_does_not_show_what_may_not_be_read(stack: Stack, admin: Admin, reader: str) -> None:
    admin.do(
        "CREATE TABLE lab.secret (a int)",
        "CREATE TABLE lab.open (a int)",
        f"GRANT SELECT ON lab.open TO {reader}",
    )
    source = as_reader(stack, reader)
    assert [table.name.table for table in source.tables("lab")] == ["open"]
    with pytest.raises(StupiddbError, match="permission denied"):
        rows(source, "SELECT * FROM lab.secret")
    source.close()


def test_unsafe_statements_are_refused_before_anything_is_sent(stack: Stack) -> None:
    nowhere = postgres(stack.postgres, port=1)
    with pytest.raises(UnsafeStatement):
        nowhere.query("DROP TABLE x")
    with pytest.raises(UnsafeStatement):
        nowhere.query("SELECT 1; SELECT 2", options=ReadOptions(limit=1))
