"""The embedded stack: real servers on loopback, gone with whoever started them, whatever ended that."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from stupiddb_kernel.errors import LocalStackError, UnknownName
from stupiddb_kernel.local import mariadb, postgres, provision, redis
from stupiddb_kernel.local.ports import accepts
from stupiddb_kernel.local.processes import Processes
from stupiddb_kernel.local.stack import SERVICES, Stack
from stupiddb_kernel.local.workspace import Workspace

# A parent to be killed: starts two servers of different kinds, says what there is, and waits.
_PARENT = """
import json, os, sys, time
from stupiddb_kernel.local.stack import Stack
stack = Stack.start(sys.argv[1], services=("postgres", "redis"))
if "fork" in sys.argv:  # a child that outlives its parent and holds its pipes
    child = os.fork()
    if child == 0:
        time.sleep(60)
        os._exit(0)
print(json.dumps({
    "pids": list(stack.pids().values()), "supervisor": stack._processes.supervisor_pid,
    "ports": [stack.postgres.port, stack.redis.port], "private": str(stack._workspace.private),
    "child": locals().get("child"),
}), flush=True)
time.sleep(120)
"""


class Parent:
    """A process of its own that holds a stack."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", _PARENT, str(folder), *options], stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        told = json.loads(self.process.stdout.readline())
        self.ports: list[int] = told["ports"]
        self.supervisor: int = told["supervisor"]
        self.child: int | None = told["child"]
        self.private = Path(told["private"])
        self.leaders: list[int] = told["pids"]
        self.pids: list[int] = [pid for leader in self.leaders for pid in _family(leader)]

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Stack]:
    with Stack.start(tmp_path / "stack", services=("redis",)) as stack:
        yield stack


def _family(pid: int) -> list[int]:
    """A process and its descendants."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except FileNotFoundError:  # a backend that has just done its work
        return []
    return [pid, *(each for child in children for each in _family(int(child)))]


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def _eventually(test: object, seconds: float = 10.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if test():  # type: ignore[operator]
            return True
        time.sleep(0.05)
    return False


def _listening(pids: list[int]) -> set[tuple[str, int]]:
    """Kernel address (hex) and port of each socket, TCP or UDP, that the processes listen on."""
    inodes = set()
    for pid in pids:
        for link in Path(f"/proc/{pid}/fd").iterdir():
            try:
                target = str(link.readlink())
            except FileNotFoundError:
                continue
            if target.startswith("socket:["):
                inodes.add(target[8:-1])
    found = set()
    for table, listening in (("tcp", "0A"), ("tcp6", "0A"), ("udp", "07"), ("udp6", "07")):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == listening and fields[9] in inodes:
                address, port = fields[1].split(":")
                found.add((address, int(port, 16)))
    return found


def _ports(stack: Stack) -> set[int]:
    endpoints = (stack.aws_endpoint, stack.athena_endpoint)
    return {stack.postgres.port, stack.mysql.port, stack.redis.port} | {
        int(endpoint.rpartition(":")[2]) for endpoint in endpoints
    }


def _passwords(stack: Stack) -> list[str]:
    secret = stack.environment()["AWS_SECRET_ACCESS_KEY"]
    return [stack.postgres.password, stack.mysql.password, stack.redis.password, secret]


def test_postgresql_answers(stack: Stack) -> None:
    with postgres.connect(stack.postgres) as connection:
        row = connection.execute(
            "SELECT current_database(), current_setting('server_version_num')::int >= 160000,"
            " current_setting('TimeZone'), current_setting('server_encoding')"
        ).fetchone()

    assert row == ("aviation", True, "UTC", "UTF8")


def test_mariadb_answers(stack: Stack) -> None:
    with mariadb.connect(stack.mysql) as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT DATABASE(), VERSION() LIKE '%MariaDB%', @@global.time_zone, @@character_set_server"
        )
        assert cursor.fetchone() == ("weather", 1, "+00:00", "utf8mb4")
        cursor.execute(
            "SELECT User, Host FROM mysql.global_priv"
            " WHERE NOT COALESCE(JSON_VALUE(Priv, '$.account_locked'), FALSE)"
        )
        assert cursor.fetchall() == (("stupiddb", "127.0.0.1"),)


def test_redis_answers_only_to_its_password(stack: Stack) -> None:
    with socket.create_connection((stack.redis.host, stack.redis.port), timeout=5) as connection:
        connection.sendall(b"PING\r\n")
        assert connection.recv(100).startswith(b"-NOAUTH")
        connection.sendall(f"AUTH {stack.redis.password}\r\n".encode())
        assert connection.recv(100) == b"+OK\r\n"
        connection.sendall(b"PING\r\n")
        assert connection.recv(100) == b"+PONG\r\n"


def test_wrong_passwords_are_refused(stack: Stack) -> None:
    import dataclasses

    import psycopg
    import pymysql

    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        postgres.connect(dataclasses.replace(stack.postgres, password="wrong"))
    with pytest.raises(pymysql.OperationalError, match="Access denied"):
        mariadb.connect(dataclasses.replace(stack.mysql, password="wrong"))


def test_s3_keeps_what_it_is_given(stack: Stack) -> None:
    s3 = stack.client("s3")
    s3.put_object(Bucket="stupiddb-archive", Key="results/répört.txt", Body=b"0123456789")

    ranged = s3.get_object(Bucket="stupiddb-archive", Key="results/répört.txt", Range="bytes=2-4")

    assert ranged["Body"].read() == b"234"


def test_another_aws_key_sees_an_empty_account(stack: Stack) -> None:
    """ministack checks no signatures, but keeps accounts apart, and ours is named by a random key."""
    import boto3
    from botocore import UNSIGNED
    from botocore.config import Config
    from botocore.exceptions import ClientError

    ours = stack.environment()["AWS_ACCESS_KEY_ID"]
    for signing in ({"aws_access_key_id": "test", "aws_secret_access_key": "test"}, {}):
        config = Config(s3={"addressing_style": "path"}, signature_version=None if signing else UNSIGNED)
        session = boto3.Session(region_name="us-east-1", **signing)
        s3 = session.client("s3", endpoint_url=stack.aws_endpoint, config=config)
        secrets = session.client("secretsmanager", endpoint_url=stack.aws_endpoint, config=config)
        glue = session.client("glue", endpoint_url=stack.aws_endpoint, config=config)

        assert ours != signing.get("aws_access_key_id")
        assert s3.list_buckets()["Buckets"] == []
        with pytest.raises(ClientError, match="AccessDenied"):
            s3.list_objects_v2(Bucket="stupiddb-analytics")
        with pytest.raises(ClientError, match="can't find"):
            secrets.get_secret_value(SecretId="stupiddb/rds")
        assert glue.get_databases()["DatabaseList"] == []


def test_services_that_run_code_are_off(stack: Stack) -> None:
    from botocore.exceptions import ClientError

    with pytest.raises(ClientError):
        stack.client("lambda").list_functions()


def test_the_configuration_shows_both_ways_of_credentials_and_holds_none(stack: Stack) -> None:
    text = stack.configuration()
    aws = tomllib.loads(text)["aws"]

    assert aws["endpoint_url"] == stack.aws_endpoint
    assert aws["athena"]["endpoint_url"] == stack.athena_endpoint
    assert aws["athena"]["database"] == "analytics"
    assert (aws["aurora"]["engine"], aws["aurora"]["database"]) == ("postgresql", "aviation")
    assert (aws["aurora"]["username_env"], aws["aurora"]["password_env"]) == (
        "AURORA_USERNAME",
        "AURORA_PASSWORD",
    )
    assert (aws["rds"]["engine"], aws["rds"]["database"], aws["rds"]["secret"]) == (
        "mysql",
        "weather",
        "stupiddb/rds",
    )
    assert [source["name"] for source in aws["s3"]["sources"]] == ["events", "historical", "results"]
    assert not any(password in text for password in _passwords(stack))


def test_the_users_own_aws_and_proxy_do_not_get_in_the_way(tmp_path: Path) -> None:
    """With a profile, tokens, endpoints and a proxy of the user's own, everything still ends at the stack."""
    program = (
        "import os, sys; from stupiddb_kernel.local.stack import Stack\n"
        "with Stack.start(sys.argv[1], services=('aws',)) as stack:\n"
        "    os.environ.update(stack.environment())\n"
        "    import boto3\n"
        "    s3 = boto3.client('s3')\n"
        "    names = [bucket['Name'] for bucket in s3.list_buckets()['Buckets']]\n"
        "    print(s3.meta.endpoint_url == stack.aws_endpoint, names)\n"
    )
    nowhere = "http://127.0.0.1:9"
    foreign = {
        "AWS_PROFILE": "production", "AWS_SESSION_TOKEN": "token", "AWS_ENDPOINT_URL_S3": nowhere,
        "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true", "HTTP_PROXY": nowhere, "http_proxy": nowhere,
        "no_proxy": "internal.example",
    }  # fmt: skip

    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "stack")],
        env={**os.environ, **foreign}, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.stdout == "True ['stupiddb-analytics', 'stupiddb-archive', 'stupiddb-athena-results']\n", (
        done.stderr
    )


def test_what_the_configuration_names_is_there(stack: Stack) -> None:
    aws = tomllib.loads(stack.configuration())["aws"]
    buckets = {bucket["Name"] for bucket in stack.client("s3").list_buckets()["Buckets"]}
    secret = json.loads(
        stack.client("secretsmanager").get_secret_value(SecretId=aws["rds"]["secret"])["SecretString"]
    )

    assert {source["bucket"] for source in aws["s3"]["sources"]} <= buckets
    assert aws["athena"]["output_location"].removeprefix("s3://").rstrip("/") in buckets
    assert stack.client("glue").get_database(Name="analytics")["Database"]["Name"] == "analytics"
    assert secret == {
        "engine": "mysql",
        "host": "127.0.0.1",
        "port": stack.mysql.port,
        "username": stack.mysql.username,
        "password": stack.mysql.password,
        "dbname": "weather",
    }
    environment = stack.environment()
    assert (environment["AURORA_USERNAME"], environment["AURORA_PASSWORD"]) == (
        stack.postgres.username,
        stack.postgres.password,
    )


def test_nothing_listens_anywhere_but_on_loopback(stack: Stack) -> None:
    pids = [pid for leader in stack.pids().values() for pid in _family(leader)]

    found = _listening(pids)

    assert {address for address, _ in found} == {"0100007F"}  # 127.0.0.1 in the kernel's byte order
    assert {port for _, port in found} == _ports(stack)


def test_passwords_are_in_no_command_line_and_no_repr(stack: Stack) -> None:
    pids = [pid for leader in stack.pids().values() for pid in _family(leader)]
    lines = b"".join(
        Path(f"/proc/{pid}/cmdline").read_bytes() for pid in [*pids, stack._processes.supervisor_pid]
    )

    shown = (
        lines.decode()
        + repr(stack)
        + repr(stack.postgres)
        + repr(stack.mysql)
        + repr(stack.redis)
        + repr(stack._keys)
    )

    assert not any(password in shown for password in _passwords(stack))


def test_no_other_user_can_read_a_file_with_a_password(stack: Stack) -> None:
    """Every file that holds one is closed to others, itself or by a folder it lies in."""
    passwords = [password.encode() for password in _passwords(stack)]
    workspace = stack._workspace
    searched = holding = 0
    for root in (workspace.private, workspace.logs):
        for path in root.rglob("*"):
            if path.is_file() and path.stat().st_size < 1 << 20:
                searched += 1
                if any(password in path.read_bytes() for password in passwords):
                    holding += 1
                    chain = [path, *(each for each in path.parents if each.is_relative_to(root))]
                    assert any(each.stat().st_mode & 0o007 == 0 for each in chain), path
    assert searched > 100
    assert holding >= 1  # redis.conf: the search does find


def test_servers_do_not_run_as_root(stack: Stack) -> None:
    """PostgreSQL, MariaDB and Redis; ministack and Athena are Python of the user's own environment."""
    owners = {name: Path(f"/proc/{pid}").stat().st_uid for name, pid in stack.pids().items()}

    assert all(owners[name] != 0 for name in ("postgres", "mariadb", "redis"))


def test_stopping_leaves_no_process_port_or_folder(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "stack"
    messages: list[str] = []
    with Stack.start(folder, progress=messages.append) as stack:
        pids = [pid for leader in stack.pids().values() for pid in _family(leader)]
        pids.append(stack._processes.supervisor_pid)
        ports = _ports(stack)
        private = stack._workspace.private
        assert all(_alive(pid) for pid in stack.pids().values())
        assert all(accepts(port) for port in ports)
        assert len(stack.pids()) == len(SERVICES)

    assert not any(_alive(pid) for pid in pids)
    assert not any(accepts(port) for port in ports)
    assert not private.exists()
    assert not folder.exists()
    assert any("PostgreSQL on port" in message for message in messages)


def test_stopping_says_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with Stack.start(tmp_path, services=("postgres", "redis")):
        pass

    assert "has died" not in caplog.text


def test_what_was_in_the_folder_before_stays(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with Stack.start(tmp_path, services=("redis",)):
        pass

    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_stopping_twice_is_fine_and_a_stopped_stack_says_so(tmp_path: Path) -> None:
    stack = Stack.start(tmp_path, services=("redis",))
    stack.stop()
    stack.stop()

    assert "stopped" in repr(stack)
    with pytest.raises(LocalStackError):
        stack.check()


def test_two_stacks_at_once_share_nothing(small: Stack, tmp_path: Path) -> None:
    with Stack.start(tmp_path / "stack", services=("redis",)) as other:
        assert small.redis.port != other.redis.port
        assert small.redis.password != other.redis.password
        assert small._workspace.private != other._workspace.private
        small.check()
        other.check()
    small.check()
    assert accepts(small.redis.port)


@pytest.mark.parametrize(
    "options", [(), ("fork",)], ids=["alone", "with a forked child that holds its pipes"]
)
def test_kill_9_of_the_parent_ends_everything(tmp_path: Path, options: tuple[str, ...]) -> None:
    parent = Parent(tmp_path / "stack", *options)
    try:
        assert all(_alive(pid) for pid in parent.leaders)
        assert len(parent.pids) > 5  # PostgreSQL's own processes are among them

        parent.kill()

        assert _eventually(lambda: not any(_alive(pid) for pid in [*parent.pids, parent.supervisor]))
        assert not any(accepts(port) for port in parent.ports)
        assert not parent.private.exists()
    finally:
        parent.kill()
        if parent.child:
            os.kill(parent.child, signal.SIGKILL)


def test_kill_9_of_the_supervisor_ends_every_server(tmp_path: Path) -> None:
    with Stack.start(tmp_path, services=("postgres", "redis")) as stack:
        pids = [pid for leader in stack.pids().values() for pid in _family(leader)]
        private = stack._workspace.private
        os.kill(stack._processes.supervisor_pid, signal.SIGKILL)

        assert _eventually(lambda: not any(_alive(pid) for pid in pids))
        with pytest.raises(LocalStackError, match="supervisor has died"):
            stack.check()
        assert stack.pids() == {}
    assert not private.exists()


def test_kill_9_of_parent_and_supervisor_is_swept_up_by_the_next_start(tmp_path: Path) -> None:
    parent = Parent(tmp_path / "stack")
    os.kill(parent.process.pid, signal.SIGSTOP)  # so that it can't clean up in between
    os.kill(parent.supervisor, signal.SIGKILL)
    parent.kill()
    assert _eventually(lambda: not any(_alive(pid) for pid in parent.pids))
    assert parent.private.exists()

    with Stack.start(tmp_path / "stack", services=("redis",)) as stack:
        assert not parent.private.exists()
        assert stack._workspace.private.exists()  # the living are not swept


@pytest.mark.parametrize("after", [0.3, 1.2])
def test_an_interrupted_start_leaves_nothing(tmp_path: Path, after: float) -> None:
    program = (
        "import sys; from stupiddb_kernel.local.stack import Stack\n"
        "print('starting', flush=True)\n"
        "Stack.start(sys.argv[1], services=('postgres', 'mariadb', 'redis'))\n"
        "import time; time.sleep(30)"
    )
    starting = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path / "stack")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert starting.stdout is not None
    starting.stdout.readline()
    time.sleep(after)
    family = _family(starting.pid)[1:]
    starting.send_signal(signal.SIGINT)
    _, said = starting.communicate(timeout=30)

    assert b"KeyboardInterrupt" in said
    assert family
    assert not any(_alive(pid) for pid in family)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_ctrl_c_in_the_terminal_does_not_reach_the_servers(tmp_path: Path) -> None:
    with Stack.start(tmp_path, services=("redis",)) as stack:
        leader = stack.pids()["redis"]
        assert os.getpgid(leader) != os.getpgid(0)
        os.kill(stack._processes.supervisor_pid, signal.SIGINT)
        time.sleep(0.2)
        stack.check()


def test_a_server_that_dies_is_reported_with_its_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "stack"
    with Stack.start(folder, services=("redis",)) as stack:
        os.kill(stack.pids()["redis"], signal.SIGKILL)
        assert _eventually(lambda: "redis" not in stack.pids())
        with pytest.raises(LocalStackError, match="redis has died, killed by SIGKILL") as caught:
            stack.check()
        assert "the embedded stack's redis has died, killed by SIGKILL" in caplog.text  # said at once, too

    log = folder / "logs" / "redis.log"
    assert str(log) in str(caught.value)
    assert "Ready to accept connections" in str(caught.value)
    assert "Ready to accept connections" in log.read_text()  # it outlives the stack


def test_a_server_that_can_not_start_is_reported_with_its_log(tmp_path: Path) -> None:
    workspace = Workspace.create(tmp_path / "stack")
    processes = Processes([workspace.private], workspace.lock)
    program = provision.program(provision.REDIS, workspace.account, lambda _: None)
    try:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            with pytest.raises(LocalStackError) as caught:
                redis.start(processes, workspace, program, taken.getsockname()[1])
    finally:
        processes.stop()

    assert "redis has died, exit status 1" in str(caught.value)
    assert "Address already in use" in str(caught.value)


def test_services_are_chosen_and_others_have_no_address(small: Stack) -> None:
    assert set(small.pids()) == {"redis"}
    assert "aws" not in tomllib.loads(small.configuration())
    assert set(small.environment()) == {"REDIS_URL"}
    with pytest.raises(LocalStackError, match="runs no 'postgres'; its services: redis"):
        small.postgres  # noqa: B018


def test_unknown_services_are_refused_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="did you mean 'postgres'"):
        Stack.start(tmp_path / "stack", services=("postgress",))  # type: ignore[arg-type]
    assert not (tmp_path / "stack").exists()


def test_athena_needs_aws(tmp_path: Path) -> None:
    with pytest.raises(LocalStackError, match="add 'aws'"):
        Stack.start(tmp_path / "stack", services=("athena",))


def test_a_folder_that_can_not_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LocalStackError, match="no folder for the embedded stack"):
        Stack.start(tmp_path / "file" / "stack", services=("redis",))
