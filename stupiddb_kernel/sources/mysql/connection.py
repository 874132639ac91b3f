"""How a MySQL or MariaDB server is entered, and the pair that reads it: a session and its worker process."""

from __future__ import annotations

import contextlib
import math
import ssl
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from stupiddb_kernel.errors import SourceError
from stupiddb_kernel.sources import relational
from stupiddb_kernel.sources.mysql import faults
from stupiddb_kernel.sources.mysql.process import Worker
from stupiddb_kernel.sources.mysql.relay import Relay

if TYPE_CHECKING:
    from pymysql.connections import Connection

    from stupiddb_kernel.config.secrets import Credentials, Secrets
    from stupiddb_kernel.config.settings import RelationalSettings

_IN_UTC = "SET time_zone = '+00:00'"


@dataclass(frozen=True, slots=True)
class Described:
    """A column as the server describes it before a statement runs."""

    name: str
    code: int
    charset: int
    length: int
    flags: int
    decimals: int


class Link:
    """One session with its worker, used by one thread at a time; ``kill`` may come from any."""

    def __init__(self, session: Connection[Any], door: Door) -> None:
        self.session = session
        self.door = door
        self.version: str = getattr(session, "server_version", "")
        self.is_mariadb = "mariadb" in self.version.lower()
        self.read_only = self._is_read_only()
        self.number = int(session.thread_id())  # type: ignore[no-untyped-call]
        self.cancelled = False
        self._worker: Worker | None = None
        self._relay: Relay | None = None
        self._timeout: float | None = None

    @property
    def release(self) -> tuple[int, int]:
        """Major and minor version."""
        text = self.version.removeprefix("5.5.5-")  # MariaDB's pretence towards old replicas
        major, minor = text.split(".")[:2]
        return int(major), int("".join(filter(str.isdigit, minor)) or 0)

    @property
    def lost(self) -> bool:
        """Whether the server hung up while the worker read."""
        return self._relay is not None and self._relay.lost

    def execute(self, sql: str) -> None:
        """Run a statement whose rows, if it has any, don't matter."""
        with self.session.cursor() as cursor:
            cursor.execute(sql)

    def rows(self, sql: str) -> list[dict[str, Any]]:
        """All rows of one of our own small statements."""
        from pymysql.cursors import DictCursor

        with self.session.cursor(DictCursor) as cursor:
            cursor.execute(sql)
            return list(cursor.fetchall())

    def describe(self, sql: str) -> list[Described]:
        """The columns of a statement, learned by preparing it; nothing runs."""
        from pymysql.constants import COMMAND
        from pymysql.protocol import FieldDescriptorPacket

        session: Any = self.session
        session._execute_command(COMMAND.COM_STMT_PREPARE, sql)
        head = session._read_packet().get_all_data()
        statement, columns, parameters = struct.unpack_from("<IHH", head, 1)
        for _ in range(parameters + bool(parameters)):  # the last is EOF
            session._read_packet()
        found = []
        for _ in range(columns):
            field = session._read_packet(FieldDescriptorPacket)
            found.append(
                Described(
                    field.name, field.type_code, field.charsetnr, field.length, field.flags, field.scale
                )
            )
        if columns:
            session._read_packet()
        session._execute_command(COMMAND.COM_STMT_CLOSE, struct.pack("<I", statement))
        if parameters:
            raise SourceError(
                "a bare ? stands for a value here",
                source=self.door.settings.name,
                hint="write :name and give the value, or quote the ?",
            )
        return found

    def limit_time(self, seconds: float) -> None:
        """Have the server stop later statements after so long."""
        if self._timeout != seconds:
            if self.is_mariadb:
                self.execute(f"SET max_statement_time = {seconds:.3f}")
            else:
                self.execute(f"SET max_execution_time = {max(1, math.ceil(seconds * 1000))}")
            self._timeout = seconds

    def start(self, sql: str, batch_rows: int) -> Worker:
        """Have the worker read a statement in this session; its frames are then to be read."""
        if self._worker is None:
            self._worker = Worker(self.door.settings.name)
        session: Any = self.session
        session._sock.settimeout(None)
        self._relay = Relay(session._sock, self.version, on_lost=self._worker.kill)
        self._worker.begin(self._relay.url, sql, batch_rows)
        return self._worker

    def settle(self) -> bool:
        """After all frames are read: True if the session is ours again and clean."""
        relay, self._relay = self._relay, None
        return relay is None or relay.join(5)

    def kill(self) -> None:
        """Stop what the server does for this session, by a connection of its own; then hang up."""
        self.cancelled = True
        try:
            with contextlib.closing(self.door.session()) as other, other.cursor() as cursor:
                cursor.execute(f"KILL QUERY {self.number}")
        except Exception:  # noqa: BLE001 - hanging up is the other way to stop
            self.hang_up()

    def hang_up(self) -> None:
        """End the worker and the relay at once; whoever waits for them goes on."""
        self.cancelled = True
        if self._worker is not None:
            self._worker.kill()
        if self._relay is not None:
            self._relay.close()

    def keeps_its_role(self) -> bool:
        """Whether the server is alive and still a writer or a reader, as when it was entered."""
        return self._is_read_only() == self.read_only

    def close(self) -> None:
        """End the worker and the session; never raises for what is dead."""
        self.hang_up()
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.close()
        with contextlib.suppress(Exception):
            self.session.close()

    def _is_read_only(self) -> bool:
        [row] = self.rows("SELECT @@global.read_only AS ro, @@innodb_read_only AS innodb")
        return any(str(value).upper() not in ("0", "OFF") for value in row.values())


class Door:
    """Opens sessions on one server with current credentials."""

    def __init__(self, settings: RelationalSettings, secrets: Secrets) -> None:
        self.settings = settings
        self.secrets = secrets

    def link(self) -> Link:
        """A session for reading, READ ONLY by default."""
        session = self.session()
        try:
            link = Link(session, self)
            if not self.settings.rds_proxy:
                link.execute("SET SESSION TRANSACTION READ ONLY")
            return link
        except Exception as error:
            session.close()
            raise faults.running(error, self.settings.name, sql="") from error

    def session(self) -> Connection[Any]:
        """A PyMySQL connection in UTC and autocommit."""
        return relational.log_in(self.secrets, self.settings, self._connect)

    def library(self) -> Any:
        """A connection of mysqlclient where it is installed, else of PyMySQL: what Ibis looks with."""
        try:
            import MySQLdb
        except ImportError:
            return self.session()
        if not hasattr(MySQLdb, "_mysql") or "pymysql" in MySQLdb.__name__:
            return self.session()
        return relational.log_in(self.secrets, self.settings, self._connect_with_mysqlclient)

    def tls_context(self) -> ssl.SSLContext | None:
        """How the server is verified; None for ``disable`` and ``prefer``."""
        mode = self.settings.ssl_mode
        if mode in ("disable", "prefer"):
            return None
        authorities = relational.certificate_authorities(self.settings)
        context = ssl.create_default_context(cafile=str(authorities) if authorities else None)
        # Python 3.13 is stricter than OpenSSL: authorities that servers generate for themselves don't pass.
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        context.check_hostname = mode == "verify-full"
        context.verify_mode = ssl.CERT_NONE if mode == "require" else ssl.CERT_REQUIRED
        return context

    def _connect(self, credentials: Credentials) -> Connection[Any]:
        import pymysql

        timeout = self.settings.connect_timeout_seconds
        try:
            session: Any = pymysql.connect(
                **_address(credentials),
                password=credentials.password.get_secret_value().encode(),  # as str it would become latin1
                charset="utf8mb4",
                connect_timeout=math.ceil(timeout),
                read_timeout=timeout,  # a server that accepts and never greets
                write_timeout=timeout,
                ssl=self.tls_context(),
                ssl_disabled=self.settings.ssl_mode == "disable",
                auth_plugin_map={"mysql_clear_password": _ClearPassword},
                autocommit=True,
                init_command=_IN_UTC,
                program_name="stupiddb",
            )
        except (pymysql.Error, OSError, RuntimeError) as error:
            raise faults.connecting(error, self.settings.name, credentials) from error.with_traceback(None)
        session._read_timeout = session._write_timeout = None
        session._sock.settimeout(None)
        return session  # type: ignore[no-any-return]

    def _connect_with_mysqlclient(self, credentials: Credentials) -> Any:
        import MySQLdb

        modes = {
            "disable": "DISABLED",
            "prefer": "PREFERRED",
            "require": "REQUIRED",
            "verify-ca": "VERIFY_CA",
            "verify-full": "VERIFY_IDENTITY",
        }
        authorities = relational.certificate_authorities(self.settings)
        try:
            return MySQLdb.connect(
                **_address(credentials),
                password=credentials.password.get_secret_value(),
                charset="utf8mb4",
                connect_timeout=math.ceil(self.settings.connect_timeout_seconds),
                ssl_mode=modes[self.settings.ssl_mode],
                ssl={"ca": str(authorities)} if authorities else None,
                autocommit=True,
                init_command=_IN_UTC,
            )
        except MySQLdb.Error as error:
            raise faults.connecting(error, self.settings.name, credentials) from error.with_traceback(None)


class _ClearPassword:
    """Sends the password as it is (IAM tokens) over TLS, and to nobody else who asks for it so."""

    def __init__(self, session: Any) -> None:
        self._session = session

    def authenticate(self, _: Any) -> Any:
        import pymysql

        if not self._session._secure:
            raise pymysql.OperationalError(
                2061, "the server asks for the password in clear text on a connection without TLS"
            )
        self._session.write_packet(self._session.password + b"\0")
        return self._session._read_packet()


def _address(credentials: Credentials) -> dict[str, Any]:
    return {
        "host": credentials.host,
        "port": credentials.port,
        "user": credentials.username,
        "database": credentials.database or None,
    }
