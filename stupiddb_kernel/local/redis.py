"""Redis, for the hot events of the stack."""

from __future__ import annotations

import secrets
import socket

from stupiddb_kernel.local.address import Address
from stupiddb_kernel.local.ports import LOOPBACK
from stupiddb_kernel.local.processes import Command, Processes
from stupiddb_kernel.local.provision import Program
from stupiddb_kernel.local.workspace import Workspace

NAME = "redis"


def start(processes: Processes, workspace: Workspace, program: Program, port: int) -> Address:
    """A new, empty server that keeps nothing on disk and wants a password, taking connections."""
    folder = workspace.server_folder(NAME)
    address = Address(port, "default", secrets.token_urlsafe(24), "0")
    settings = workspace.server_file(
        folder,
        "redis.conf",
        f"""bind {LOOPBACK}
port {port}
protected-mode yes
requirepass {address.password}
dir {folder}
save ""
appendonly no
daemonize no
""",
    )
    command = Command(
        NAME,
        [program.path, settings],
        folder,
        workspace.log(NAME),
        program.environment,
        account=workspace.account,
    )
    processes.start(command)
    processes.wait_ready(command, lambda: _answers(address))
    return address


def _answers(address: Address) -> bool:
    try:
        with socket.create_connection((address.host, address.port), timeout=2) as connection:
            connection.sendall(f"AUTH {address.password}\r\nPING\r\n".encode())
            answer = b""
            while answer.count(b"\r\n") < 2:
                received = connection.recv(1024)
                if not received:
                    return False
                answer += received
            return answer == b"+OK\r\n+PONG\r\n"
    except OSError:
        return False
