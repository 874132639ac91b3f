"""MySQL as a source, against a real MariaDB: bounded reads, refusals, the pool, TLS, the catalog."""

from __future__ import annotations

import _thread
import json
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from time import monotonic
from typing import TYPE_CHECKING, Any

import pymysql
import pytest

from stupiddb_kernel.config.aws import Aws
from stupiddb_kernel.config.settings import AwsSettings, MysqlSettings
from stupiddb_kernel.errors import (
    AuthenticationFailed,
    PermissionDenied,
    QueryCancelled,
    QueryFailed,
    QueryTimeout,
    SourceUnreachable,
    StupiddbError,
    UnknownName,
    UnsafeStatement,
)
from stupiddb_kernel.sources.base import TableName
from stupiddb_kernel.sources.mysql import MysqlSource
from stupiddb_kernel.sources.mysql.process import WorkerFailed
from tests.integration.relational_lab import (
    Authority,
    Spare,
    aside,
    context,
    eventually,
    growth,
    logged,
    mysql,
    rows,
    told,
)

if TYPE_CHECKING:
    from stupiddb_kernel.local.address import Address
    from stupiddb_kernel.local.stack import Stack

# Nothing comes from the first one, for hours; much and at once from the second.
ENDLESS = "SELECT /* {} */ count(*) AS n FROM seq_1_to_1000000 a, seq_1_to_1000000 b WHERE a.seq + b.seq < 0"
LONG = "SELECT /* {} */ seq AS n, repeat('x', 1000) AS text FROM seq_1_to_100000000"


class Admin:
    """The server seen from outside, by PyMySQL."""

    def __init__(self, address: Address) -> None:
        self.connection = pymysql.connect(
            host=address.host,
            port=address.port,
            user=address.username,
            password=address.password,
            charset="utf8mb4",
            autocommit=True,
        )

    def do(self, *statements: str) -> list[tuple[Any, ...]]:
        with self.connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return list(cursor.fetchall())

    def value(self, sql: str) -> Any:
        return self.do(sql)[0][0]

    def running(self, marker: str) -> int:
        """Statements with this mark that the server is busy with."""
        return int(
            self.value(
                "SELECT count(*) FROM information_schema.processlist "
                f"WHERE id <> connection_id() AND info LIKE '%{marker}%'"
            )
        )

    def connections(self, user: str) -> list[int]:
        found = self.do(f"SELECT id FROM information_schema.processlist WHERE user = '{user}'")
        return sorted(number for (number,) in found)

    def terminate(self, user: str) -> None:
        self.do(f"KILL USER '{user}'")
        assert eventually(lambda: self.connections(user) == [])


@pytest.fixture(scope="module")
def admin(stack: Stack) -> Iterator[Admin]:
    known = Admin(stack.mysql)
    known.do(
        "CREATE DATABASE spool",
        "CREATE DATABASE lab CHARACTER SET utf8mb4",
        "CREATE TABLE lab.keep (id int PRIMARY KEY, name varchar(20))",
        "INSERT INTO lab.keep VALUES (1, 'one'), (2, 'two')",
        "CREATE SEQUENCE lab.counter",
        "CREATE FUNCTION lab.wipe() RETURNS int BEGIN DELETE FROM lab.keep; RETURN 1; END",
        "CREATE PROCEDURE lab.sweep() BEGIN DELETE FROM lab.keep; END",
    )
    yield known
    known.do("DROP DATABASE lab", "DROP DATABASE spool")
    known.connection.close()


@pytest.fixture(scope="module")
def source(stack: Stack, admin: Admin) -> Iterator[MysqlSource]:
    made = mysql(stack.mysql)
    yield made
    made.close()


@pytest.fixture
def reader(admin: Admin) -> Iterator[str]:
    """A login of this test alone, whose connections can be told from others'."""
    name = f"reader_{uuid.uuid4().hex[:8]}"
    admin.do(f"CREATE USER {name}@'127.0.0.1' IDENTIFIED BY 'first-Passw0rd'")
    admin.do(f"GRANT SELECT ON lab.keep TO {name}@'127.0.0.1'")
    admin.do(f"GRANT SELECT ON spool.* TO {name}@'127.0.0.1'")  # where it may count with seq_1_to_9
    yield name
    admin.do(f"DROP USER {name}@'127.0.0.1'", f"KILL USER '{name}'")


def as_reader(stack: Stack, reader: str, **given: Any) -> MysqlSource:
    surroundings = context(stack.mysql, PW2="first-Passw0rd")
    login = {"username": reader, "password_env": "PW2", "database": "spool"}
    return mysql(stack.mysql, surroundings, **{**login, **given})


# --- reading --------------------------------------------------------------------------------------


def test_a_long_read_takes_bounded_memory(source: MysqlSource) -> None:
    sql = "SELECT seq, repeat('x', 300) AS text, CAST(seq AS decimal(30, 2)) AS amount FROM seq_1_to_1000000"
    rows(source, "SELECT 1")  # starts the process that reads
    count, peak = growth(source.query(sql))
    assert count == 1_000_000
    assert peak < 250 << 20  # of more than 300 MB


def test_no_rows_are_asked_for_and_the_columns_are_told(source: MysqlSource) -> None:
    from stupiddb_kernel.sources.base import ReadOptions

    started = monotonic()
    found = source.query("SELECT id, name FROM lab.keep", options=ReadOptions(limit=0)).to_arrow()
    assert (found.num_rows, found.column_names) == (0, ["id", "name"])
    assert monotonic() - started < 3


def test_a_timestamp_is_its_instant_whatever_zone_wrote_it(source: MysqlSource, admin: Admin) -> None:
    admin.do(
        "CREATE TABLE lab.moments (at timestamp NULL)",
        "SET time_zone = '+05:00'",
        "INSERT INTO lab.moments VALUES ('2020-01-01 00:00:00')",
        "SET time_zone = '+00:00'",
    )
    assert rows(source, "SELECT at FROM lab.moments") == [{"at": datetime(2019, 12, 31, 19, tzinfo=UTC)}]


WRITES = [
    "SELECT 1; DELETE FROM lab.keep",
    "COMMIT; DROP TABLE lab.keep",
    "DROP TABLE lab.keep",
    "DELETE FROM lab.keep",
    "SET TRANSACTION READ WRITE",
    "SET SESSION TRANSACTION READ WRITE",
    "START TRANSACTION READ WRITE",
    "COMMIT",
    "SELECT * FROM lab.keep INTO OUTFILE 'stupiddb-leak'",
    "SELECT id INTO OUTFILE 'stupiddb-leak' FROM lab.keep",
    "SELECT id FROM lab.keep LIMIT 1 INTO DUMPFILE 'stupiddb-leak'",
    "SELECT id FROM lab.keep LIMIT 1 INTO @leak",
    "SELECT id /*! INTO OUTFILE 'stupiddb-leak' */ FROM lab.keep",
    "/*! DELETE FROM lab.keep */",
    "/*M! DROP TABLE lab.keep */ SELECT 1",
    "SELECT 1 /*!; DROP TABLE lab.keep; SELECT 2 */ AS n",
    "WITH x AS (SELECT 1) DELETE FROM lab.keep",
    "EXPLAIN ANALYZE DELETE FROM lab.keep",
    "ANALYZE FORMAT=JSON DELETE FROM lab.keep",
    "SELECT lab.wipe()",
    "EXPLAIN EXTENDED SELECT lab.wipe() FROM lab.keep INTO OUTFILE 'stupiddb-leak'",
    "SELECT NEXTVAL(lab.counter)",
    "CALL lab.sweep()",
    "LOAD DATA INFILE '/etc/passwd' INTO TABLE lab.keep",
    "CREATE TABLE lab.copy AS SELECT 1",
    "CREATE TEMPORARY TABLE lab.copy AS SELECT 1",
    "LOCK TABLES lab.keep WRITE",
    "PREPARE p FROM 'DELETE FROM lab.keep'",
    "EXECUTE IMMEDIATE 'DELETE FROM lab.keep'",
    "HANDLER lab.keep OPEN",
    "BEGIN NOT ATOMIC DELETE FROM lab.keep; END",
    "SET STATEMENT max_statement_time = 1 FOR DELETE FROM lab.keep",
]


@pytest.mark.parametrize("sql", WRITES)
def test_nothing_is_written_or_let_out(source: MysqlSource, admin: Admin, sql: str) -> None:
    with pytest.raises(StupiddbError):
        source.query(sql).to_arrow()

    assert admin.value("SELECT count(*) FROM lab.keep") == 2
    assert admin.value("SELECT next_not_cached_value FROM lab.counter") == 1
    assert admin.value("SELECT count(*) FROM information_schema.tables WHERE table_name = 'copy'") == 0
    assert admin.value("SELECT load_file(concat(@@datadir, 'stupiddb-leak'))") is None


def test_reads_show_explain_describe_and_values(source: MysqlSource) -> None:
    assert "keep" in str(rows(source, "SHOW TABLES FROM lab"))
    assert "keep" in str(rows(source, "EXPLAIN SELECT * FROM lab.keep"))
    assert [row["Field"] for row in rows(source, "DESCRIBE lab.keep")] == ["id", "name"]
    assert len(rows(source, "VALUES (1, 'a'), (2, 'b')")) == 2
    assert len(rows(source, "(SELECT id FROM lab.keep)")) == 2


def test_an_error_holds_the_statement_as_it_was_written(source: MysqlSource) -> None:
    sql = "SELECT :größe AS a,\n  iid FROM lab.keep"
    with pytest.raises(QueryFailed, match="iid") as caught:
        source.query(sql, {"größe": "a long text, so that everything behind it moves"})
    assert caught.value.sql == sql
    assert caught.value.position in (None, sql.index("iid"))


@pytest.mark.parametrize(
    ("condition", "found"), [("{} IN (:none)", 0), ("{} NOT IN (:none)", 2), ("NOT {} IN (:none)", 2)]
)
def test_nothing_is_in_an_empty_list(source: MysqlSource, condition: str, found: int) -> None:
    for value in ("id", "name", "now()", "1.5", "NULL"):
        sql = f"SELECT count(*) AS n FROM lab.keep WHERE {condition.format(value)}"
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
        answers = list(pool.map(lambda n: rows(source, f"SELECT {n} AS n, sleep(0.03) AS s"), range(60)))
        ended.set()

    assert [answer[0]["n"] for answer in answers] == list(range(60))
    assert most == 3
    source.close()


def test_waits_for_a_busy_pool_no_longer_than_it_says(stack: Stack, reader: str) -> None:
    source = as_reader(stack, reader, pool_max=1, statement_timeout_seconds=1)
    with source.query(LONG.format("held")) as held:
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
    source = as_reader(stack, reader)
    for _ in range(3):
        assert rows(source, "SELECT 1 AS n") == [{"n": 1}]
        admin.terminate(reader)
    rows(source, "SELECT 1")
    with aside(lambda: rows(source, "SELECT /* once */ count(*) AS n FROM (SELECT sleep(0.8)) s")) as read:
        assert eventually(lambda: admin.running("/* once"))
        admin.terminate(reader)
        assert read.result() == [{"n": 1}]
    source.close()


def test_a_session_that_ends_before_its_reader_has_entered_is_noticed_at_once(
    stack: Stack, admin: Admin, reader: str
) -> None:
    source = as_reader(stack, reader)
    with source._pool.lend() as link:
        admin.terminate(reader)
        started = monotonic()
        with pytest.raises(WorkerFailed):
            link.start("SELECT 1", 10).schema()
        assert link.lost
        assert monotonic() - started < 5  # the driver would try for 30
    source.close()


def test_a_read_is_tried_twice_not_for_ever(stack: Stack, admin: Admin, reader: str) -> None:
    source = as_reader(stack, reader)
    with aside(lambda: rows(source, ENDLESS.format("twice"))) as read:
        for _ in range(2):
            assert eventually(lambda: admin.running("/* twice"))
            admin.terminate(reader)
        with pytest.raises(SourceUnreachable, match="connection was lost"):
            read.result(5)
    source.close()


def test_rows_that_were_delivered_are_not_delivered_again(stack: Stack, admin: Admin, reader: str) -> None:
    source = as_reader(stack, reader)
    batches = iter(source.query(LONG.format("half")))
    next(batches)
    admin.terminate(reader)
    with pytest.raises(SourceUnreachable, match="connection was lost"):
        list(batches)
    source.close()


def test_a_read_leaves_no_limit_time_or_database_to_the_next(stack: Stack, admin: Admin, reader: str) -> None:
    source = as_reader(stack, reader, pool_max=1)
    limits = "SELECT @@sql_select_limit AS most, @@max_statement_time AS seconds, database() AS db"
    before = rows(source, limits)
    assert rows(source, "SELECT id FROM keep", database="lab", timeout_seconds=3, limit=1) == [{"id": 1}]
    rows(source, "SELECT seq FROM seq_1_to_9", timeout_seconds=3, limit=1)
    assert rows(source, limits) == before
    source.preview(TableName("store", "lab", "keep"), 1).to_arrow()
    [table] = source.tables("lab")
    assert [column.name for column in table.columns] == ["id", "name"]
    source.close()


@pytest.mark.xfail(strict=True, reason="user variables stay in a pooled session: no COM_RESET_CONNECTION yet")
def test_a_read_leaves_no_variable_to_the_next(stack: Stack, reader: str) -> None:
    source = as_reader(stack, reader, pool_max=1)
    try:
        rows(source, "SELECT @left := 'behind' AS v")
        assert rows(source, "SELECT @left AS v") == [{"v": None}]
    finally:
        source.close()


# --- stopping -------------------------------------------------------------------------------------


def mark() -> str:
    return f"mark-{uuid.uuid4().hex}"


def test_cancel_stops_the_statement_in_the_server(source: MysqlSource, admin: Admin) -> None:
    marker = mark()
    result = source.query(LONG.format(marker))
    with aside(lambda: [batch.num_rows for batch in result]) as read:
        assert eventually(lambda: result.stats.rows > 0)
        assert admin.running(marker) == 1
        result.cancel()
        with pytest.raises(QueryCancelled):
            read.result(10)
    assert eventually(lambda: admin.running(marker) == 0)


def test_ctrl_c_stops_the_statement_in_the_server(source: MysqlSource, admin: Admin) -> None:
    marker = mark()

    def interrupt() -> None:
        eventually(lambda: admin.running(marker) == 1)
        _thread.interrupt_main()

    with aside(interrupt), pytest.raises(KeyboardInterrupt):
        source.query(ENDLESS.format(marker)).to_arrow()
    assert eventually(lambda: admin.running(marker) == 0)


def test_closing_a_half_read_result_stops_the_statement(source: MysqlSource, admin: Admin) -> None:
    marker = mark()
    result = source.query(LONG.format(marker))
    batches = iter(result)
    next(batches)
    assert admin.running(marker) == 1
    started = monotonic()
    result.close()
    assert monotonic() - started < 3
    assert eventually(lambda: admin.running(marker) == 0)


def test_a_result_that_nobody_holds_stops_its_statement(source: MysqlSource, admin: Admin) -> None:
    marker = mark()
    result: Any = source.query(LONG.format(marker))
    assert eventually(lambda: admin.running(marker) == 1)
    del result
    assert eventually(lambda: admin.running(marker) == 0)


def test_a_timeout_stops_the_statement_in_the_server(source: MysqlSource, admin: Admin) -> None:
    marker = mark()
    with pytest.raises(QueryTimeout, match=r"0\.5 s") as caught:
        rows(source, ENDLESS.format(marker), timeout_seconds=0.5)
    assert "statement_timeout_seconds" in (caught.value.hint or "")
    assert eventually(lambda: admin.running(marker) == 0)


# --- credentials ----------------------------------------------------------------------------------


def test_a_wrong_password_is_told_and_shown_nowhere(stack: Stack) -> None:
    wrong = "wr0ng-hunter2 and 'quoted'"
    with logged() as lines, pytest.raises(AuthenticationFailed) as caught:
        mysql(stack.mysql, context(stack.mysql, BAD=wrong), password_env="BAD").query("SELECT 1")
    shown = told(caught.value) + "\n".join(lines)
    assert "hunter2" not in shown
    assert stack.mysql.password not in shown
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
    login = {"username": reader, "password": "first-Passw0rd", "engine": "mysql"}
    manager.create_secret(Name=secret, SecretString=json.dumps(login))
    source = mysql(
        stack.mysql,
        context(stack.mysql, aws),
        secret=secret,
        username=None,
        password_env=None,
        database="lab",
    )
    me = [{"me": f"{reader}@127.0.0.1"}]
    assert rows(source, "SELECT current_user() AS me") == me

    admin.do(f"ALTER USER {reader}@'127.0.0.1' IDENTIFIED BY 'second-Passw0rd'")
    changed = json.dumps({**login, "password": "second-Passw0rd"})
    manager.put_secret_value(SecretId=secret, SecretString=changed)
    assert rows(source, "SELECT current_user() AS me") == me
    admin.terminate(reader)
    assert rows(source, "SELECT current_user() AS me") == me
    source.close()


def test_iam_means_tls_and_gives_its_token_to_no_other_server(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "signing-key-of-the-test")
    settings = MysqlSettings(name="store", host="h", database="d", username="u", auth="iam")
    assert settings.ssl_mode == "require"
    with pytest.raises(ValueError, match="require"):
        MysqlSettings(name="store", host="h", database="d", auth="iam", ssl_mode="prefer")
    # The server at hand has no TLS: the token must never leave for it.
    source = mysql(stack.mysql, context(stack.mysql), auth="iam", password_env=None)
    with logged() as lines, pytest.raises(SourceUnreachable, match="SSL") as caught:
        source.query("SELECT 1")
    assert "X-Amz" not in told(caught.value) + "\n".join(lines)


# --- TLS, restarts, roles: on a server of their own -----------------------------------------------


@pytest.fixture(scope="module")
def authorities(tmp_path_factory: pytest.TempPathFactory) -> tuple[Authority, Authority]:
    """The server's, whose certificate is for localhost alone, and another of the same name."""
    folder = tmp_path_factory.mktemp("tls")
    return Authority.make(folder / "right"), Authority.make(folder / "wrong")


@pytest.fixture(scope="module")
def spare(
    tmp_path_factory: pytest.TempPathFactory, authorities: tuple[Authority, Authority]
) -> Iterator[Spare]:
    from stupiddb_kernel.local.stack import Stack

    with Stack.start(tmp_path_factory.mktemp("spare"), services=("mariadb",)) as running:
        made = Spare(running, "mariadb")
        files = made.readable(authorities[0])
        made.options = (f"--ssl-ca={files.ca}", f"--ssl-cert={files.cert}", f"--ssl-key={files.key}")
        made.restart()
        yield made


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
    spare: Spare, authorities: tuple[Authority, Authority], mode: str, host: str, encrypted: bool
) -> None:
    source = mysql(spare.address, host=host, ssl_mode=mode, ssl_ca=authorities[0].ca)
    [cipher] = rows(source, "SHOW STATUS LIKE 'Ssl_cipher'")
    assert bool(cipher["Value"]) == encrypted
    assert len(rows(source, "SELECT seq, repeat('x', 100) AS t FROM seq_1_to_20000")) == 20_000
    source.close()


@pytest.mark.parametrize(
    ("mode", "host"), [("verify-ca", "127.0.0.1"), ("verify-full", "localhost")], ids=["ca", "full"]
)
def test_refuses_a_certificate_of_another_authority(
    spare: Spare, authorities: tuple[Authority, Authority], mode: str, host: str
) -> None:
    source = mysql(spare.address, host=host, ssl_mode=mode, ssl_ca=authorities[1].ca)
    with pytest.raises(SourceUnreachable, match="certificate verify failed") as caught:
        source.query("SELECT 1")
    assert "ssl_ca" in (caught.value.hint or "")


def test_refuses_a_certificate_for_another_host(
    spare: Spare, authorities: tuple[Authority, Authority]
) -> None:
    source = mysql(spare.address, ssl_mode="verify-full", ssl_ca=authorities[0].ca)
    with pytest.raises(SourceUnreachable, match=r"127\.0\.0\.1") as caught:
        source.query("SELECT 1")
    assert "certificate" in (caught.value.hint or "")


def test_require_refuses_a_server_without_tls(stack: Stack) -> None:
    with pytest.raises(SourceUnreachable) as caught:
        mysql(stack.mysql, ssl_mode="require").query("SELECT 1")
    assert "ssl_mode" in (caught.value.hint or "")


def test_stops_a_statement_over_tls(spare: Spare) -> None:
    watcher = Admin(spare.address)
    marker = mark()
    source = mysql(spare.address, ssl_mode="require")
    result = source.query(LONG.format(marker))
    assert eventually(lambda: watcher.running(marker) == 1)
    result.close()
    assert eventually(lambda: watcher.running(marker) == 0)
    source.close()
    watcher.connection.close()


def test_a_restarted_server_is_a_pause_and_no_error(spare: Spare) -> None:
    source = mysql(spare.address, pool_min=2)
    rows(source, "SELECT 1")
    spare.stop()
    threading.Timer(0.5, spare.start).start()
    assert rows(source, "SELECT 1 AS n") == [{"n": 1}]
    source.close()


def test_a_server_that_stays_down_is_told(spare: Spare) -> None:
    source = mysql(spare.address, connect_timeout_seconds=1)
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
    source = mysql(spare.address, pool_max=1)
    chief = Admin(spare.address)

    def session() -> int:
        return int(rows(source, "SELECT connection_id() AS id")[0]["id"])

    first = session()
    threading.Event().wait(0.6)
    assert session() == first  # probed, and kept
    chief.do("SET GLOBAL read_only = 1")
    threading.Event().wait(0.7)  # longer than an idle connection is trusted
    assert session() != first
    chief.do("SET GLOBAL read_only = 0")
    chief.connection.close()
    source.close()


# --- catalog --------------------------------------------------------------------------------------

WEIRD = "Größe `x` 'y' \"z\""
WEIRD_TABLE = "a.b `c` {0} 'd' %s"


def quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


@pytest.fixture(scope="module")
def warehouse(stack: Stack, admin: Admin) -> Iterator[MysqlSource]:
    """Databases with every kind of table, strange names, and 2,000 more tables."""
    weird = f"{quoted(WEIRD)}.{quoted(WEIRD_TABLE)}"
    admin.do(
        "CREATE DATABASE warehouse CHARACTER SET utf8mb4",
        "CREATE TABLE warehouse.orders (id bigint PRIMARY KEY, amount decimal(10,2) NOT NULL COMMENT 'in €', "
        "note varchar(20), flag tinyint(1), at timestamp NULL, doc json, KEY (amount)) "
        "COMMENT 'What was ordered'",
        "INSERT INTO warehouse.orders SELECT seq, seq % 100, NULL, 1, '2020-01-01', NULL "
        "FROM spool.seq_1_to_5000",
        "CREATE VIEW warehouse.big_orders AS SELECT id, amount FROM warehouse.orders WHERE amount > 50",
        "CREATE TABLE warehouse.events (id int, day date) PARTITION BY RANGE (year(day)) "
        "(PARTITION a VALUES LESS THAN (2021), PARTITION b VALUES LESS THAN (2022))",
        "INSERT INTO warehouse.events SELECT seq, '2020-07-01' + INTERVAL (seq % 365) DAY "
        "FROM spool.seq_1_to_1000",
        f"CREATE DATABASE {quoted(WEIRD)}",
        f"CREATE TABLE {weird} (`Col ``1``` int, `select` text)",
        f"INSERT INTO {weird} VALUES (7, 'seven')",
        "CREATE DATABASE many",
        "ANALYZE TABLE warehouse.orders, warehouse.events",
    )
    for number in range(2000):
        admin.do(f"CREATE TABLE many.t{number} (id int, name text) ENGINE = MyISAM")
    source = mysql(stack.mysql, database="warehouse")
    yield source
    source.close()
    admin.do("DROP DATABASE warehouse", "DROP DATABASE many", f"DROP DATABASE {quoted(WEIRD)}")


def test_names_databases_without_the_servers_own(warehouse: MysqlSource) -> None:
    databases = warehouse.databases()
    assert {"warehouse", "many", "lab", WEIRD} <= set(databases)
    assert not {"mysql", "sys", "information_schema", "performance_schema"} & set(databases)


def test_lists_every_kind_of_table(warehouse: MysqlSource) -> None:
    tables = {table.name.table: table for table in warehouse.tables("warehouse")}

    assert {name: table.kind for name, table in tables.items()} == {
        "orders": "table",
        "big_orders": "view",
        "events": "table",
    }
    orders = tables["orders"]
    assert orders.comment == "What was ordered"
    assert [(column.name, column.type, column.native_type, column.nullable) for column in orders.columns] == [
        ("id", "int64", "bigint(20)", False),
        ("amount", "decimal(10, 2)", "decimal(10,2)", False),
        ("note", "string", "varchar(20)", True),
        ("flag", "int8", "tinyint(1)", True),
        ("at", "timestamp('UTC', 0)", "timestamp", True),
        ("doc", "string", "longtext", True),
    ]
    assert orders.columns[1].comment == "in €"
    assert orders.statistics.rows == pytest.approx(5000, rel=0.2)
    assert tables["events"].statistics.rows == pytest.approx(1000, rel=0.2)


def test_knows_statistics_of_columns(warehouse: MysqlSource) -> None:
    found = warehouse.statistics(TableName("store", "warehouse", "orders"))

    assert found.rows == pytest.approx(5000, rel=0.2)
    assert found.bytes
    assert 50 <= (found.columns["amount"].distinct or 0) <= 500  # InnoDB samples pages; it is 100
    assert warehouse.statistics(TableName("store", "warehouse", "events")).partitions == 2


def test_reads_names_as_strange_as_they_come(warehouse: MysqlSource) -> None:
    name = TableName("store", WEIRD, WEIRD_TABLE)

    [table] = warehouse.tables(WEIRD)
    assert table.name == name
    assert [column.name for column in table.columns] == ["Col `1`", "select"]
    assert warehouse.preview(name).to_arrow().to_pylist() == [{"Col `1`": 7, "select": "seven"}]
    assert warehouse.statistics(name).rows == 1
    assert warehouse.table(name).count().execute() == 1


def test_lists_2000_tables_in_three_seconds(warehouse: MysqlSource) -> None:
    started = monotonic()
    tables = warehouse.tables("many")
    assert monotonic() - started < 3
    assert len(tables) == 2000
    assert all(len(table.columns) == 2 for table in tables)


def test_suggests_names(warehouse: MysqlSource) -> None:
    with pytest.raises(UnknownName, match="orders"):
        warehouse.preview(TableName("store", "warehouse", "oders"))
    with pytest.raises(UnknownName, match="warehouse"):
        warehouse.tables("warehose")


def test_does_not_show_what_may_not_be_read(stack: Stack, admin: Admin, reader: str) -> None:
    admin.do("CREATE TABLE lab.hidden (a int)")
    source = as_reader(stack, reader)
    assert [table.name.table for table in source.tables("lab")] == ["keep"]
    with pytest.raises(PermissionDenied, match="denied") as caught:
        rows(source, "SELECT * FROM lab.hidden")
    assert "GRANT" in (caught.value.hint or "")
    source.close()


def test_unsafe_statements_are_refused_before_anything_is_sent(stack: Stack) -> None:
    nowhere = mysql(stack.mysql, port=1)
    for sql in ("DROP TABLE x", "SELECT 1; SELECT 2"):
        with pytest.raises(UnsafeStatement):
            nowhere.query(sql)
