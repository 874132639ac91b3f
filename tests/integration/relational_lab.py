"""What the tests of PostgreSQL and MySQL share: sources on the stack, certificates, servers to be killed."""

from __future__ import annotations

import contextlib
import logging
import os
import select
import shutil
import socket
import ssl
import subprocess
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stupiddb_kernel.config.aws import Aws
from stupiddb_kernel.config.secrets import Secrets
from stupiddb_kernel.config.settings import AwsSettings, MysqlSettings, PostgresSettings
from stupiddb_kernel.local.ports import accepts
from stupiddb_kernel.sources.base import ReadOptions, Source, SourceContext
from stupiddb_kernel.sources.mysql import MysqlSource
from stupiddb_kernel.sources.postgres import PostgresSource

if TYPE_CHECKING:
    from stupiddb_kernel.local.address import Address
    from stupiddb_kernel.local.stack import Stack
    from stupiddb_kernel.sources.result import Result


def context(address: Address, aws: Aws | None = None, **environ: str) -> SourceContext:
    """A source's surroundings, whose environment holds the server's password and what is given."""
    aws = aws or Aws(AwsSettings(region="eu-west-1"))
    return SourceContext(aws, Secrets(aws, environ={"PW": address.password, **environ}))


def _settings(address: Address, given: Mapping[str, Any]) -> dict[str, Any]:
    where = {"host": address.host, "port": address.port, "database": address.database}
    login: dict[str, Any] = {"username": address.username, "password_env": "PW"}
    return {"name": "store", **where, "pool_min": 0, **login, **given}


def postgres(address: Address, surroundings: SourceContext | None = None, **given: Any) -> PostgresSource:
    settings = PostgresSettings(**_settings(address, given))
    return PostgresSource(settings, surroundings or context(address))


def mysql(address: Address, surroundings: SourceContext | None = None, **given: Any) -> MysqlSource:
    settings = MysqlSettings(**_settings(address, given))
    return MysqlSource(settings, surroundings or context(address))


def rows(source: Source[Any], sql: str, **options: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = source.query(sql, options=ReadOptions(**options)).to_arrow().to_pylist()
    return found


def eventually(condition: Callable[[], Any], seconds: float = 10.0) -> bool:
    """Whether it becomes true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def memory() -> int:
    """Resident bytes of this process and its readers; threads and processes may end while it looks."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    for task in Path("/proc/self/task").iterdir():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            for pid in (task / "children").read_text().split():
                with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                    if b"worker.py" in Path(f"/proc/{pid}/cmdline").read_bytes():
                        pages += int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def growth(result: Result) -> tuple[int, int]:
    """Rows of a result, and how many bytes memory had grown at most while it was read."""
    before, peak, count = memory(), 0, 0
    for batch in result:
        count += batch.num_rows
        peak = max(peak, memory() - before)
    return count, peak


@contextlib.contextmanager
def aside(work: Callable[[], Any]) -> Iterator[Future[Any]]:
    """Work done in another thread meanwhile."""
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(work)


def told(error: BaseException) -> str:
    """All that a person or a log collector gets to see of an error, with the locals of our frames."""
    shown = []
    cause: BaseException | None = error
    while cause is not None:
        rendered = traceback.TracebackException.from_exception(cause, capture_locals=True)
        shown += [str(cause), repr(cause), repr(vars(cause))]
        shown += [f"{frame} {frame.locals}" for frame in rendered.stack if "/tests/" not in frame.filename]
        cause = cause.__cause__ or cause.__context__
    return "\n".join(shown)


@contextlib.contextmanager
def logged() -> Iterator[list[str]]:
    """Everything that is logged meanwhile, at any level."""
    lines: list[str] = []
    handler = logging.Handler(logging.DEBUG)
    handler.emit = lambda record: lines.append(record.getMessage())  # type: ignore[method-assign]
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        yield lines
    finally:
        root.removeHandler(handler)
        root.setLevel(level)


@dataclass(frozen=True)
class Authority:
    """A certificate authority of the tests: ``ca`` is its certificate, ``cert`` and ``key`` a server's."""

    ca: Path
    cert: Path
    key: Path

    @classmethod
    def make(cls, folder: Path, host: str = "localhost") -> Authority:
        """A new one, whose server's certificate is for ``host`` alone."""
        folder.mkdir()
        ca, ca_key = folder / "ca.pem", folder / "ca.key"
        cert, key = folder / "server.pem", folder / "server.key"
        curve: list[str | Path] = [
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-days",
            "2",
        ]
        _openssl("req", "-x509", *curve, "-keyout", ca_key, "-out", ca, "-subj", "/CN=Test Authority")
        signed: list[str | Path] = ["-CA", ca, "-CAkey", ca_key, "-keyout", key, "-out", cert]
        named = ["-subj", f"/CN={host}", "-addext", f"subjectAltName=DNS:{host}"]
        no_authority = ["-addext", "basicConstraints=critical,CA:FALSE"]
        _openssl("req", "-x509", *curve, *signed, *named, *no_authority)
        key.chmod(0o644)  # the server runs under an account of its own
        return cls(ca, cert, key)


def _openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)


class TlsFront:
    """Speaks TLS for a PostgreSQL server that can't: answers SSLRequest, decrypts, passes on.

    A client that asks for no TLS is passed on as it is. ``encrypted`` counts the clients that did ask.
    """

    _SSL_REQUEST = b"\0\0\0\x08\x04\xd2\x16\x2f"

    def __init__(self, target: tuple[str, int], authority: Authority) -> None:
        self._target = target
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(authority.cert, authority.key)
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        self.encrypted = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._server.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._server.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError):
            first = client.recv(8, socket.MSG_PEEK | socket.MSG_WAITALL)
            if first == self._SSL_REQUEST:
                client.recv(8)
                self.encrypted += 1
                client.sendall(b"S")
                client = self._context.wrap_socket(client, server_side=True)
            server = socket.create_connection(self._target)
            with client, server:
                self._pump(client, server)

    def _pump(self, client: socket.socket, server: socket.socket) -> None:
        while True:
            ready: list[socket.socket] = [client]
            if not (isinstance(client, ssl.SSLSocket) and client.pending()):
                ready = select.select([client, server], [], [])[0]
            for source, target in ((client, server), (server, client)):
                if source in ready:
                    data = source.recv(65_536)
                    if not data:
                        return
                    target.sendall(data)


class Spare:
    """A server of the stack's kind that a test may stop, start again and reconfigure."""

    def __init__(self, stack: Stack, kind: str) -> None:
        self.address = stack.postgres if kind == "postgres" else stack.mysql
        self._stack = stack
        self._kind = kind
        self._command = stack._processes._commands[kind]
        self.options: tuple[str, ...] = ()
        """What it is started with besides, from the next start on."""

    def stop(self) -> None:
        """End it as a crash does, and wait until it is gone."""
        os.kill(self._stack.pids()[self._kind], self._command.end_signal)
        assert eventually(lambda: self._kind not in self._stack.pids())

    def start(self) -> None:
        """Start it again on its data, without waiting."""
        self._stack._processes.start(replace(self._command, argv=[*self._command.argv, *self.options]))

    def restart(self) -> None:
        """Stop it, start it again and wait until it answers."""
        self.stop()
        self.start()
        assert eventually(lambda: accepts(self.address.port), 20)

    def readable(self, authority: Authority) -> Authority:
        """A copy of the certificates where the server's account can read them."""
        copies = []
        for file in (authority.ca, authority.cert, authority.key):
            copies.append(self._command.folder / file.name)
            shutil.copy(file, copies[-1])
        return Authority(*copies)
