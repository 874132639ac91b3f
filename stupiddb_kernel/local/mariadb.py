"""MariaDB, which stands in for RDS MySQL."""

from __future__ import annotations

import secrets
from pathlib import Path

from stupiddb_kernel.errors import LocalStackError
from stupiddb_kernel.local.address import Address
from stupiddb_kernel.local.ports import LOOPBACK
from stupiddb_kernel.local.processes import Command, Processes
from stupiddb_kernel.local.provision import Program
from stupiddb_kernel.local.workspace import Workspace

NAME = "mariadb"
DATABASE = "weather"
USERNAME = "stupiddb"

_SYSTEM_TABLES = ("system_tables", "performance_tables", "system_tables_data")


def start(processes: Processes, workspace: Workspace, program: Program, port: int) -> Address:
    """A new server with one account and the demo's empty database, taking connections."""
    folder = workspace.server_folder(NAME)
    data = folder / "data"
    data.mkdir(mode=0o700)
    workspace.give(data)
    address = Address(port, USERNAME, secrets.token_urlsafe(24), DATABASE)
    system_tables = _system_tables(program)
    share = system_tables[0].parent
    common: list[str | Path] = [
        program.path,
        "--no-defaults",
        f"--datadir={data}",
        f"--lc-messages-dir={share}",
        f"--character-sets-dir={share / 'charsets'}",
        f"--tmpdir={folder}",
        "--innodb-flush-log-at-trx-commit=0",
        "--innodb-flush-method=nosync",
        "--innodb-use-native-aio=0",  # io_uring and aio contexts are scarce in containers
        "--loose-debug-no-sync",  # the data lives as long as the stack: nothing is flushed to disk
        "--skip-log-bin",
        "--aria-log-file-size=8M",
        "--innodb-log-file-size=64M",
    ]
    bootstrap = workspace.server_file(folder, "bootstrap.sql", _bootstrap_sql(system_tables, address))
    processes.run(
        Command(
            "mariadb-bootstrap",
            [*common, "--bootstrap"],
            folder,
            workspace.log("mariadb-bootstrap"),
            program.environment,
            stdin=bootstrap,
            account=workspace.account,
        )
    )
    bootstrap.unlink()
    command = Command(
        NAME,
        [
            *common,
            f"--bind-address={LOOPBACK}",
            f"--port={port}",
            "--socket=mariadb.sock",  # relative to the data folder: an absolute path may be too long
            f"--pid-file={folder / 'mariadb.pid'}",
            "--skip-name-resolve",
            "--character-set-server=utf8mb4",
            "--collation-server=utf8mb4_general_ci",
            "--default-time-zone=+00:00",
            "--local-infile=OFF",
            f"--secure-file-priv={folder}",
            "--max-connections=100",
            "--performance-schema=OFF",
        ],
        folder,
        workspace.log(NAME),
        program.environment,
        account=workspace.account,
    )
    processes.start(command)
    processes.wait_ready(command, lambda: _answers(address))
    return address


def connect(address: Address):  # type: ignore[no-untyped-def]
    """A PyMySQL connection in autocommit mode, in UTC."""
    import pymysql

    return pymysql.connect(
        host=address.host,
        port=address.port,
        user=address.username,
        password=address.password,
        database=address.database,
        charset="utf8mb4",
        autocommit=True,
        connect_timeout=10,
        init_command="SET time_zone = '+00:00'",
    )


def _system_tables(program: Program) -> list[Path]:
    """The SQL files that came with the server and make its system tables, in their order.

    Files and folder are named after MySQL up to MariaDB 10.11, after MariaDB itself since 11.
    """
    prefix = program.path.resolve().parent.parent / "share"
    tried = [prefix / folder for folder in ("mariadb", "mysql")]
    for folder in tried:
        for name in ("mariadb", "mysql"):
            files = [folder / f"{name}_{part}.sql" for part in _SYSTEM_TABLES]
            if all(file.is_file() for file in files):
                return files
    raise LocalStackError(
        f"{program.path} came without the SQL of its system tables; looked in {', '.join(map(str, tried))}",
        hint="install the package mariadb-server-core",
    )


def _bootstrap_sql(system_tables: list[Path], address: Address) -> str:
    """What mariadb-install-db feeds to ``--bootstrap``, and then one account in place of the usual ones."""
    parts = ["CREATE DATABASE mysql;", "USE mysql;", "SET @auth_root_socket=NULL;"]
    parts += [file.read_text() for file in system_tables]
    parts += [
        "FLUSH PRIVILEGES;",
        "DELETE FROM mysql.global_priv WHERE User IN ('', 'root', 'PUBLIC');",
        "FLUSH PRIVILEGES;",
        f"CREATE DATABASE `{address.database}`;",
        f"CREATE USER '{address.username}'@'{address.host}' IDENTIFIED BY '{address.password}';",
        f"GRANT ALL PRIVILEGES ON *.* TO '{address.username}'@'{address.host}' WITH GRANT OPTION;",
        "",
    ]
    return "\n".join(parts)


def _answers(address: Address) -> bool:
    import pymysql

    try:
        connect(address).close()
    except pymysql.Error:
        return False
    return True
