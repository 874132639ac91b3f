"""The folders of one stack and the account its servers run under."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pwd
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from stupiddb_kernel.errors import LocalStackError

_PREFIX = "stupiddb-stack-"
_LOCK = ".lock"


@dataclass(frozen=True)
class Account:
    """A user that servers run as, because PostgreSQL and MariaDB refuse to be root."""

    uid: int
    gid: int

    @classmethod
    def for_servers(cls) -> Account | None:
        """``nobody`` when this process is root, else None: the present user will do."""
        if os.geteuid() != 0:
            return None
        try:
            entry = pwd.getpwnam("nobody")
        except KeyError as error:
            raise LocalStackError(
                "root may not run the servers, and there is no user 'nobody' to run them as",
                hint="start the stack as an ordinary user",
            ) from error
        return cls(entry.pw_uid, entry.pw_gid)

    def can_execute(self, path: Path) -> bool:
        """Whether this account gets through to a file or folder; tried, since ACLs and mounts matter."""
        done = subprocess.run(
            ["/usr/bin/test", "-x", path],
            user=self.uid,
            group=self.gid,
            extra_groups=[],
            cwd="/",
            check=False,
        )
        return done.returncode == 0


@dataclass(frozen=True)
class Workspace:
    """``private`` goes when the stack ends, ``logs`` only when nothing failed.

    ``lock`` is an open, locked file in ``private``: who finds it free finds what a stack left behind that
    was killed together with its supervisor, and may remove it.
    """

    private: Path
    logs: Path
    account: Account | None
    lock: int

    @classmethod
    def create(cls, folder: Path) -> Workspace:
        """Make the folders inside ``folder``, which is made too where it is missing.

        As root, private data goes to the system's temporary folder if the servers' account does not get
        through to ``folder``.
        """
        account = Account.for_servers()
        logs = folder / "logs"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            logs.mkdir(mode=0o700, exist_ok=True)
            parent = _reachable(folder, account)
            _sweep(parent)
            private = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
            lock = _locked(private)
            (private / "session").mkdir(mode=0o700)
            (private / "aws.config").write_text("[default]\n")
        except OSError as error:
            raise LocalStackError(f"no folder for the embedded stack can be made: {error}") from error
        if account is not None:
            private.chmod(0o711)  # its servers pass through to folders of their own, and read nothing here
        return cls(private, logs, account, lock)

    @property
    def session(self) -> Path:
        """For the files of the session that uses the stack: the local store and the catalog's cache."""
        return self.private / "session"

    @property
    def aws_config(self) -> Path:
        """An AWS configuration that configures nothing, in the place of the user's own."""
        return self.private / "aws.config"

    def server_folder(self, name: str) -> Path:
        """A new folder that only the servers' account can enter."""
        folder = self.private / name
        folder.mkdir(mode=0o700)
        self.give(folder)
        return folder

    def server_file(self, folder: Path, name: str, text: str) -> Path:
        """A new file that only the servers' account can read."""
        path = folder / name
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)
        self.give(path)
        return path

    def give(self, path: Path) -> None:
        """Make the servers' account the owner."""
        if self.account is not None:
            os.chown(path, self.account.uid, self.account.gid)

    def log(self, name: str) -> Path:
        """Where a process writes what it has to say."""
        return self.logs / f"{name}.log"

    def remove_logs(self) -> None:
        """Remove the logs, and the folder around them if nothing else is in it."""
        shutil.rmtree(self.logs, ignore_errors=True)
        try:
            self.logs.parent.rmdir()
        except OSError:
            return  # holds other things


def _reachable(folder: Path, account: Account | None) -> Path:
    """``folder``, or a temporary one if the servers' account does not get through to it."""
    if account is None:
        return folder
    for candidate in (folder, Path(tempfile.gettempdir()), Path("/var/tmp")):  # noqa: S108 - mkdtemp is used there
        if candidate.is_dir() and account.can_execute(candidate):
            return candidate
    raise LocalStackError(
        f"the servers' account gets through neither to {folder} nor to a temporary folder",
        hint="start the stack in a folder that every user may enter, or as an ordinary user",
    )


def _locked(private: Path) -> int:
    """A locked file, there under its name only once it is locked."""
    lock = os.open(private / ".new", os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    (private / ".new").rename(private / _LOCK)
    return lock


def _sweep(parent: Path) -> None:
    """Remove the private folders of stacks that are no more, ours alone."""
    for leftover in parent.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):  # not ours, or already gone
            if leftover.is_symlink() or leftover.stat().st_uid != os.geteuid():
                continue
            lock = os.open(leftover / _LOCK, os.O_RDWR | os.O_NOFOLLOW)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(leftover, ignore_errors=True)
            finally:
                os.close(lock)
