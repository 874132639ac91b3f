"""How a PostgreSQL server is entered: address, TLS, session settings; for ADBC and for psycopg alike."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from stupiddb_kernel.sources import relational
from stupiddb_kernel.sources.postgres import faults

if TYPE_CHECKING:
    import psycopg
    import pyarrow as pa

    from stupiddb_kernel.config.secrets import Credentials, Secrets
    from stupiddb_kernel.config.settings import RelationalSettings

T = TypeVar("T")

SESSION = {
    "TimeZone": "UTC",
    "DateStyle": "ISO, YMD",
    "IntervalStyle": "postgres",
    "bytea_output": "hex",
    "extra_float_digits": "3",
    "standard_conforming_strings": "on",
}
"""What every session runs with, so that a value's text doesn't depend on the server's configuration."""

_NO_COPY = {"adbc.postgresql.use_copy": "false"}


class DataConnection:
    """One ADBC connection, used by one thread at a time; ``cancel`` may come from any."""

    def __init__(self, raw: Any) -> None:
        self.raw = raw
        self.writable = True
        """What the server said of itself when it was entered: False on a read-only node."""
        self.text_is_checked = True
        """False where the server stores bytes as text unseen (SQL_ASCII)."""
        self.cancelled = False

    def execute(self, sql: str) -> None:
        """Run a statement whose rows, if it has any, don't matter."""
        with contextlib.closing(self.raw.cursor(adbc_stmt_kwargs=_NO_COPY)) as cursor:
            cursor.execute(sql)

    def rows(self, sql: str) -> pa.Table:
        """All rows of a small statement, also of those that COPY does not take (SHOW, EXPLAIN)."""
        with contextlib.closing(self.raw.cursor(adbc_stmt_kwargs=_NO_COPY)) as cursor:
            cursor.execute(sql)
            return cursor.fetch_arrow_table()

    def cancel(self) -> None:
        """Stop what the server is doing for this connection, which must not be used for another statement."""
        self.cancelled = True
        self.raw.adbc_cancel()

    def enter(self) -> None:
        """Note what the server is."""
        [answer] = self.rows(
            "SELECT current_setting('transaction_read_only') AS read_only, "
            "current_setting('server_encoding') AS encoding"
        ).to_pylist()
        self.writable = answer["read_only"] == "off"
        self.text_is_checked = answer["encoding"] != "SQL_ASCII"

    def keeps_its_role(self) -> bool:
        """Whether the server is alive and still what it was: a writer may have become a reader in a failover.

        A probe by ``SELECT 1`` would go on using a demoted node for as long as the connection lives.
        """
        answer = self.rows("SHOW transaction_read_only")
        return bool((answer.column(0)[0].as_py() == "off") == self.writable)

    def close(self) -> None:
        """End the connection; never raises for one that is dead."""
        with contextlib.suppress(Exception):
            self.raw.close()


class Door:
    """Opens connections to one server with current credentials."""

    def __init__(self, settings: RelationalSettings, secrets: Secrets) -> None:
        self.settings = settings
        self.secrets = secrets

    def data(self) -> DataConnection:
        """An ADBC connection in autocommit, its role noted."""
        import adbc_driver_postgresql.dbapi as adbc

        def connect(credentials: Credentials) -> DataConnection:
            try:
                connection = DataConnection(adbc.connect(self._conninfo(credentials), autocommit=True))
                connection.enter()
            except adbc.Error as error:
                raise faults.connecting(error, self.settings.name, credentials) from _without_secret(error)
            return connection

        return self._patiently(lambda: relational.log_in(self.secrets, self.settings, connect))

    def plain(self) -> psycopg.Connection[Any]:
        """A psycopg connection in autocommit."""
        import psycopg

        def connect(credentials: Credentials) -> psycopg.Connection[Any]:
            try:
                return psycopg.connect(self._conninfo(credentials), autocommit=True, prepare_threshold=None)
            except psycopg.Error as error:
                raise faults.connecting(error, self.settings.name, credentials) from _without_secret(error)

        return self._patiently(lambda: relational.log_in(self.secrets, self.settings, connect))

    def session_settings(self) -> Mapping[str, str]:
        """What is set when the session starts. None behind RDS Proxy, which would pin the session."""
        if self.settings.rds_proxy:
            return {}
        timeout = str(math.ceil(self.settings.statement_timeout_seconds * 1000))
        return {**SESSION, "statement_timeout": timeout}

    def _patiently(self, connect: Callable[[], T]) -> T:
        """Wait for a server that is just coming up, no longer than the connect timeout."""
        deadline = time.monotonic() + self.settings.connect_timeout_seconds
        pause = 0.1
        while True:
            try:
                return connect()
            except faults.Starting:
                if time.monotonic() + pause > deadline:
                    raise
            time.sleep(pause)
            pause = min(pause * 2, 1.0)

    def _conninfo(self, credentials: Credentials) -> str:
        from psycopg.conninfo import make_conninfo

        settings = self.settings
        given: dict[str, Any] = {
            "host": credentials.host,
            "port": credentials.port,
            "user": credentials.username,
            "password": credentials.password.get_secret_value(),
            "dbname": credentials.database,
            "connect_timeout": max(2, math.ceil(settings.connect_timeout_seconds)),  # libpq's least
            "sslmode": settings.ssl_mode,
            "application_name": "stupiddb",
            "client_encoding": "UTF8",
            "gssencmode": "disable",
            # A server that vanished (failover, lost network) is noticed within about a minute.
            "keepalives_idle": 30,
            "keepalives_interval": 10,
            "keepalives_count": 3,
            "tcp_user_timeout": 60_000,
        }
        authorities = relational.certificate_authorities(settings)
        if authorities is not None:
            given["sslrootcert"] = str(authorities)
        start = self.session_settings()
        if start:
            given["options"] = " ".join(f"-c {name}={_option(value)}" for name, value in start.items())
        return make_conninfo(**given)


def _option(value: str) -> str:
    return value.replace("\\", "\\\\").replace(" ", "\\ ")


def _without_secret(error: Exception) -> Exception | None:
    """The driver's error as a cause, without frames whose locals, or a text that, could hold the password."""
    return error.with_traceback(None) if "password=" not in str(error) else None
