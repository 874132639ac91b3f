"""The embedded stack: every server of it started at once, and gone with the process that started it."""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from stupiddb_kernel.errors import LocalStackError, UnknownName
from stupiddb_kernel.local import (
    configuration,
    endpoint,
    furnishing,
    mariadb,
    ministack,
    postgres,
    provision,
    redis,
)
from stupiddb_kernel.local.address import Address
from stupiddb_kernel.local.ports import LOOPBACK, free_ports
from stupiddb_kernel.local.processes import Processes
from stupiddb_kernel.local.workspace import Workspace

if TYPE_CHECKING:
    from types import TracebackType

Service = Literal["postgres", "mariadb", "redis", "aws", "athena"]
SERVICES: tuple[Service, ...] = get_args(Service)


class Stack:
    """Running servers on loopback that stand in for AWS; make one with ``Stack.start``.

    What was not asked for has no address: reading it raises LocalStackError.
    """

    def __init__(self, workspace: Workspace, processes: Processes, services: Iterable[Service]) -> None:
        self.services = frozenset(services)
        self._workspace = workspace
        self._processes = processes
        self._keys = ministack.AwsKeys.random()
        self._clients = furnishing.Clients(self._keys)
        self._addresses: dict[str, Address] = {}
        self._endpoints: dict[str, str] = {}
        self._owner = os.getpid()
        self._stopped = False

    @classmethod
    def start(
        cls,
        folder: Path | str,
        *,
        services: Iterable[Service] = SERVICES,
        progress: Callable[[str], None] = lambda _: None,
    ) -> Stack:
        """Start the servers in parallel and wait until all of them answer.

        ``folder`` takes data and logs; what was made there is removed again when the stack stops, but for
        the logs of a failure. ``progress`` is told what happens, one call at a time, from any thread.
        Athena needs ``aws``. Raises LocalStackError, with the log of the server that failed.
        """
        chosen = _checked(services)
        workspace = Workspace.create(Path(folder).absolute())
        stack = cls(workspace, Processes([workspace.private], workspace.lock), chosen)
        atexit.register(stack.stop)
        try:
            stack._start(_one_at_a_time(progress))
        except BaseException as error:
            stack.stop(keep_logs=isinstance(error, Exception))
            raise
        return stack

    @property
    def aws_endpoint(self) -> str:
        """Where S3, Glue, Secrets Manager … answer."""
        return self._endpoint("aws")

    @property
    def athena_endpoint(self) -> str:
        """Where Athena answers."""
        return self._endpoint("athena")

    @property
    def postgres(self) -> Address:
        """PostgreSQL, in the place of Aurora."""
        return self._address("postgres")

    @property
    def mysql(self) -> Address:
        """MariaDB, in the place of RDS."""
        return self._address("mariadb")

    @property
    def redis(self) -> Address:
        """Redis."""
        return self._address("redis")

    def environment(self) -> dict[str, str]:
        """The variables that a process needs to reach the stack. They hold the passwords."""
        variables: dict[str, str] = {}
        if "aws" in self.services:
            variables |= self._aws_environment(self.aws_endpoint, os.environ)
        if "athena" in self.services:
            variables["AWS_ENDPOINT_URL_ATHENA"] = self.athena_endpoint
        if "redis" in self.services:
            variables["REDIS_URL"] = self.redis.url("redis")
        for prefix, name in (("AURORA", "postgres"), ("RDS", "mariadb")):
            if name in self.services:
                address = self._address(name)
                variables[f"{prefix}_USERNAME"] = address.username
                variables[f"{prefix}_PASSWORD"] = address.password
        return variables

    def configuration(self) -> str:
        """The text of a ``stupiddb.toml`` that points at the stack; it holds no secret."""
        return configuration.toml(
            aws_endpoint=self._endpoints.get("aws"),
            athena_endpoint=self._endpoints.get("athena"),
            postgres=self._addresses.get("postgres"),
            mysql=self._addresses.get("mariadb"),
            folder=self._workspace.session,
        )

    def client(self, service: str) -> Any:
        """A boto3 client of the stack's AWS, whatever the environment says."""
        endpoint_url = self.athena_endpoint if service == "athena" else self.aws_endpoint
        return self._clients.get(service, endpoint_url)

    def pids(self) -> dict[str, int]:
        """The process ids of the servers that run, by name."""
        return self._processes.pids()

    def check(self) -> None:
        """Raise LocalStackError, with the end of its log, if a server has died."""
        self._processes.require_all()

    def stop(self, *, keep_logs: bool = False) -> None:
        """End every server and remove what the stack put on disk; does nothing the second time.

        The logs stay if a server had died before, or when ``keep_logs`` says so.
        """
        if self._stopped or os.getpid() != self._owner:  # a forked child does not own it
            return
        self._stopped = True
        self._processes.stop()
        if not (keep_logs or self._processes.failed):
            self._workspace.remove_logs()
        atexit.unregister(self.stop)

    def __enter__(self) -> Stack:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def __repr__(self) -> str:
        state = "stopped" if self._stopped else "running"
        return f"<Stack {state}: {', '.join(sorted(self.services))}>"

    def _start(self, progress: Callable[[str], None]) -> None:
        ports = dict(zip(SERVICES, free_ports(len(SERVICES)), strict=True))
        work: dict[Service, Callable[[], None]] = {
            "postgres": lambda: self._start_postgres(ports["postgres"], progress),
            "mariadb": lambda: self._start_mariadb(ports["mariadb"], progress),
            "redis": lambda: self._start_redis(ports["redis"], progress),
            "aws": lambda: self._start_aws(ports["aws"], progress),
            "athena": lambda: self._start_athena(ports["athena"], ports["aws"], progress),
        }
        with ThreadPoolExecutor(len(work) + 1, "stack") as pool:
            if "aws" in self.services:
                pool.submit(import_module, "boto3")  # half a second that need not be waited for afterwards
            try:
                _gather([pool.submit(work[service]) for service in SERVICES if service in self.services])
            except BaseException:
                self._processes.stop()  # so that the other threads end as well
                raise
        if {"aws", "mariadb"} <= self.services:
            with furnishing.translated("storing the secret of RDS"):
                furnishing.make_secret(self.client("secretsmanager"), self.mysql)

    def _start_postgres(self, port: int, progress: Callable[[str], None]) -> None:
        binaries = provision.postgres_binaries(self._workspace.account)
        self._addresses["postgres"] = postgres.start(self._processes, self._workspace, binaries, port)
        progress(f"PostgreSQL on port {port}, for Aurora")

    def _start_mariadb(self, port: int, progress: Callable[[str], None]) -> None:
        program = provision.program(provision.MARIADB, self._workspace.account, progress)
        self._addresses["mariadb"] = mariadb.start(self._processes, self._workspace, program, port)
        progress(f"MariaDB on port {port}, for RDS")

    def _start_redis(self, port: int, progress: Callable[[str], None]) -> None:
        program = provision.program(provision.REDIS, self._workspace.account, progress)
        self._addresses["redis"] = redis.start(self._processes, self._workspace, program, port)
        progress(f"Redis on port {port}")

    def _start_aws(self, port: int, progress: Callable[[str], None]) -> None:
        python = provision.ministack_python(progress)
        self._endpoints["aws"] = ministack.start(self._processes, self._workspace, python, port, self._keys)
        with furnishing.translated("making the buckets and the Glue database"):
            furnishing.make_buckets(self.client("s3"))
            furnishing.make_database(self.client("glue"))
        progress(f"ministack on port {port}, for S3, Glue and Secrets Manager")

    def _start_athena(self, port: int, aws_port: int, progress: Callable[[str], None]) -> None:
        aws_endpoint = f"http://{LOOPBACK}:{aws_port}"
        environment = self._aws_environment(aws_endpoint, {})
        self._endpoints["athena"] = endpoint.start(
            self._processes, self._workspace, aws_endpoint, port, environment
        )
        with furnishing.translated("making the Athena workgroup"):
            furnishing.make_workgroup(self.client("athena"))
        progress(f"our Athena endpoint on port {port}")

    def _aws_environment(self, aws_endpoint: str, inherited: Mapping[str, str]) -> dict[str, str]:
        return configuration.aws_environment(self._keys, aws_endpoint, self._workspace.aws_config, inherited)

    def _endpoint(self, service: str) -> str:
        try:
            return self._endpoints[service]
        except KeyError:
            raise _not_started(service, self.services) from None

    def _address(self, service: str) -> Address:
        try:
            return self._addresses[service]
        except KeyError:
            raise _not_started(service, self.services) from None


def _checked(services: Iterable[Service]) -> frozenset[Service]:
    chosen = frozenset(services)
    for service in chosen:
        if service not in SERVICES:
            raise UnknownName("service of the embedded stack", service, SERVICES)
    if "athena" in chosen and "aws" not in chosen:
        raise LocalStackError(
            "the Athena endpoint reads the S3 and Glue of 'aws', which was not asked for",
            hint="add 'aws' to the services",
        )
    return chosen


def _not_started(service: str, services: Iterable[str]) -> LocalStackError:
    running = ", ".join(sorted(services)) or "none"
    return LocalStackError(
        f"this stack runs no {service!r}; its services: {running}", hint="name it in Stack.start(services=…)"
    )


def _one_at_a_time(progress: Callable[[str], None]) -> Callable[[str], None]:
    lock = threading.Lock()

    def report(message: str) -> None:
        with lock:
            progress(message)

    return report


def _gather(futures: list[Future[None]]) -> None:
    """Wait for all; raise the first failure as soon as there is one."""
    done, _ = wait(futures, return_when=FIRST_EXCEPTION)
    for future in done:
        future.result()
