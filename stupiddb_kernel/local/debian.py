"""Debian and Ubuntu packages unpacked into a folder, as any user, without touching the system.

apt runs with state and cache folders of its own, so it needs no root and takes no system lock; sources,
keys and proxies are the system's, and so every package passes apt's own signature and hash checks.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from stupiddb_kernel.errors import LocalStackError

# Never unpacked: a private C library beside the system's loader would not run.
_NEVER = ("libc6_", "libc-bin_", "libc6-")
# Hooks would touch the system (package kits, software centres) or ask questions.
_HOOKS = ("APT::Update::P", "APT::Install::P", "DPkg::", "Dir::", "APT::Periodic")
_SECONDS = 300.0


def available() -> bool:
    """Whether this system has apt."""
    return all(shutil.which(program) for program in ("apt-get", "apt-config", "dpkg-deb"))


def unpack(packages: Sequence[str], folder: Path) -> None:
    """Fill ``folder`` with the packages and those of their dependencies that the system lacks.

    Raises LocalStackError with what apt said.
    """
    apt = folder / ".apt"
    for needed in ("state/lists/partial", "cache/archives/partial", "none"):
        (apt / needed).mkdir(parents=True)
    # What the system has, copied: apt locks the folder this file is in.
    shutil.copyfile("/var/lib/dpkg/status", apt / "state" / "status")
    environment = {**os.environ, "APT_CONFIG": str(_configuration(apt)), "LC_ALL": "C.UTF-8"}
    # What matters of a failed update (one dead third-party source is common) shows in the next step.
    updated = _run(["apt-get", "--quiet", "update"], environment, check=False)
    _run(
        ["apt-get", "--quiet", "--yes", "--download-only", "--no-install-recommends", "install", *packages],
        environment,
        also=updated,
    )
    archives = sorted((apt / "cache" / "archives").glob("*.deb"))
    for archive in archives:
        if not archive.name.startswith(_NEVER):
            _run(["dpkg-deb", "--extract", archive, folder], environment)
    shutil.rmtree(apt)


def library_folders(folder: Path) -> list[Path]:
    """The folders below an unpacked tree that hold shared libraries."""
    found = {library.parent for part in ("usr/lib", "lib") for library in (folder / part).rglob("*.so.*")}
    return sorted(found)


def _configuration(apt: Path) -> Path:
    """The system's apt configuration without its hooks, and with folders of our own."""
    dump = _run(["apt-config", "dump"], dict(os.environ))
    ours = {
        "Dir::State": apt / "state",
        "Dir::State::status": apt / "state" / "status",
        "Dir::Cache": apt / "cache",
        "Dir::Log": apt,
        "Dir::Etc::main": "/dev/null",
        "Dir::Etc::parts": apt / "none",
        "Acquire::Languages": "none",
        "Acquire::AllowInsecureRepositories": "false",
        "Acquire::Retries": "2",
        "APT::Get::AllowUnauthenticated": "false",
    }
    path = apt / "apt.conf"
    lines = [*_kept(dump), *(f'{key} "{value}";' for key, value in ours.items())]
    path.write_text("\n".join(lines) + "\n")
    return path


def _kept(dump: str) -> Iterator[str]:
    for line in dump.splitlines():
        if not line.startswith(_HOOKS) and line.count('"') == 2:
            yield line


def _run(
    command: Sequence[str | Path], environment: dict[str, str], *, check: bool = True, also: str = ""
) -> str:
    """What the command printed."""
    try:
        done = subprocess.run(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise LocalStackError(f"{command[0]} could not do its work: {error}") from error
    if check and done.returncode != 0:
        said = "\n".join(f"    {line}" for line in (also + done.stdout).splitlines()[-15:])
        raise LocalStackError(
            f"{' '.join(map(str, command))} failed with exit status {done.returncode}; apt said:\n{said}",
            hint="look at the network and the sources in /etc/apt, or install the servers by other means",
        )
    return done.stdout
