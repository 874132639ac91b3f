"""The stack's end of the supervisor: start processes, wait for them, know when one has died."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stupiddb_kernel.errors import LocalStackError
from stupiddb_kernel.local import supervisor
from stupiddb_kernel.local.workspace import Account

_LOG_LINES = 15
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Command:
    """One process to run. ``stdin`` is a file; ``account`` whom to run as, None for the present user."""

    name: str
    argv: Sequence[str | Path]
    folder: Path
    log: Path
    environment: Mapping[str, str]
    stdin: Path | None = None
    account: Account | None = None
    end_signal: signal.Signals = signal.SIGKILL


class Processes:
    """Processes that end with this one, whatever ends it; ``folders`` are removed with them.

    ``lock`` is a locked file: the supervisor inherits and holds it as long as it lives. Safe to use from
    several threads.
    """

    def __init__(self, folders: Sequence[Path], lock: int) -> None:
        self._folders = folders
        self._changed = threading.Condition()
        self._commands: dict[str, Command] = {}
        self._pids: dict[str, int] = {}
        self._status: dict[str, int] = {}
        self._awaited: set[str] = set()
        self._stopping = False
        self._failed = False
        self._failures: dict[str, str] = {}
        self._gone = False
        self._write = threading.Lock()
        self._supervisor = subprocess.Popen(
            [sys.executable, "-I", "-S", supervisor.__file__, str(os.getpid()), *map(str, folders)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C in the terminal is the notebook's, not the servers'
            pass_fds=[lock],
            cwd="/",
        )
        os.close(lock)
        threading.Thread(target=self._listen, name="supervisor", daemon=True).start()

    @property
    def supervisor_pid(self) -> int:
        """The supervisor's process id."""
        return self._supervisor.pid

    @property
    def failed(self) -> bool:
        """Whether a server or the supervisor ended before it was to."""
        return self._failed

    def pids(self) -> dict[str, int]:
        """The ids of the processes that run now, by name."""
        with self._changed:
            if self._gone:
                return {}
            return {name: pid for name, pid in self._pids.items() if name not in self._status}

    def start(self, command: Command) -> int:
        """Start a process; its id. Raises LocalStackError when it can't be executed."""
        order = {
            "start": command.name,
            "argv": [str(part) for part in command.argv],
            "env": dict(command.environment),
            "cwd": str(command.folder),
            "log": str(command.log),
            "stdin": str(command.stdin) if command.stdin else None,
            "account": [command.account.uid, command.account.gid] if command.account else None,
            "end_signal": int(command.end_signal),
        }
        self._send(order)
        with self._changed:
            self._changed.wait_for(
                lambda: command.name in self._pids or command.name in self._failures or self._gone
            )
            if command.name in self._failures:
                raise LocalStackError(f"{command.name} can't be started: {self._failures.pop(command.name)}")
            self._require_supervisor()
            self._commands[command.name] = command
            return self._pids[command.name]

    def run(self, command: Command, timeout: float = 60.0) -> None:
        """Run a process to its end. Raises LocalStackError with its log when it fails."""
        with self._changed:
            self._awaited.add(command.name)
        self.start(command)
        with self._changed:
            self._changed.wait_for(lambda: command.name in self._status or self._gone, timeout)
            self._require_supervisor()
            status = self._status.pop(command.name, None)  # its end is no death
            self._pids.pop(command.name, None)
            self._commands.pop(command.name, None)
        if status != 0:
            happened = f"took longer than {timeout:g} s" if status is None else f"failed, {_how(status)}"
            raise LocalStackError(f"{command.name} {happened}", hint=_log_hint(command.log))

    def wait_ready(self, command: Command, ready: Callable[[], bool], timeout: float = 60.0) -> None:
        """Wait until ``ready`` says so. Raises LocalStackError when the process dies or takes too long."""
        deadline = time.monotonic() + timeout
        while True:
            self.require(command)
            if ready():
                return
            if time.monotonic() > deadline:
                raise LocalStackError(
                    f"{command.name} was not ready after {timeout:g} s", hint=_log_hint(command.log)
                )
            time.sleep(0.02)

    def require(self, command: Command) -> None:
        """Raise LocalStackError, with the end of its log, unless this process is alive."""
        with self._changed:
            self._require_supervisor()
            status = self._status.get(command.name)
        if status is not None:
            raise LocalStackError(f"{command.name} has died, {_how(status)}", hint=_log_hint(command.log))

    def require_all(self) -> None:
        """Raise LocalStackError, with the end of its log, for the first process that has died."""
        with self._changed:
            commands = list(self._commands.values())
            self._require_supervisor()
        for command in commands:
            self.require(command)

    def stop(self) -> None:
        """End every process and remove the folders; does nothing the second time."""
        self._stopping = True
        with self._write, contextlib.suppress(OSError):
            assert self._supervisor.stdin is not None  # noqa: S101 - opened above
            self._supervisor.stdin.close()
        self._supervisor.wait()
        for folder in self._folders:  # the supervisor did it, unless it was killed
            shutil.rmtree(folder, ignore_errors=True)

    def _ended(self, name: str, status: int) -> None:
        self._status[name] = status
        if name not in self._awaited and not self._stopping:
            self._failed = True
            _log.error("the embedded stack's %s has died, %s", name, _how(status))

    def _require_supervisor(self) -> None:
        if self._gone:
            raise LocalStackError(
                "the embedded stack's supervisor has died and its servers with it",
                hint="start the stack again",
            )

    def _send(self, order: dict[str, Any]) -> None:
        assert self._supervisor.stdin is not None  # noqa: S101 - opened above
        try:
            with self._write:
                self._supervisor.stdin.write(json.dumps(order).encode() + b"\n")
                self._supervisor.stdin.flush()
        except (OSError, ValueError) as error:
            raise LocalStackError(
                "the embedded stack has been stopped", hint="start the stack again"
            ) from error

    def _listen(self) -> None:
        assert self._supervisor.stdout is not None  # noqa: S101 - opened above
        with self._supervisor.stdout as answers:
            for line in answers:
                message = json.loads(line)
                with self._changed:
                    if "started" in message:
                        self._pids[message["started"]] = message["pid"]
                        self._status.pop(message["started"], None)
                    elif "failed" in message:
                        self._failures[message["failed"]] = message["error"]
                    else:
                        self._ended(message["exited"], message["status"])
                    self._changed.notify_all()
        with self._changed:
            self._gone = True
            if not self._stopping:
                self._failed = True
                _log.error("the embedded stack's supervisor has died and its servers with it")
            self._changed.notify_all()


def _how(status: int) -> str:
    if status >= 0:
        return f"exit status {status}"
    try:
        return f"killed by {signal.Signals(-status).name}"
    except ValueError:
        return f"killed by signal {-status}"


def _log_hint(log: Path) -> str:
    """Where the log is, and how it ends."""
    try:
        lines = log.read_text(errors="replace").splitlines()[-_LOG_LINES:]
    except OSError as error:
        return f"its log can't be read: {error}"
    if not lines:
        return f"its log is empty: {log}"
    return f"its log is {log}; it ends with:\n" + "\n".join(f"    {line}" for line in lines)
