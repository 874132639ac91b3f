"""The process that owns the servers of one stack, and outlives the notebook by a moment to end them.

A program, not a module to import: it runs as ``python -I -S supervisor.py PARENT_PID FOLDER …`` with the
standard library alone, so that it starts in milliseconds and nothing of the user's reaches it. It takes
one JSON object a line on stdin and answers on stdout::

    {"start": name, "argv": […], "env": {…}, "cwd": …, "log": …, "stdin": … | null,
     "account": [uid, gid] | null, "end_signal": n}
    <- {"started": name, "pid": n} | {"failed": name, "error": text}
    <- {"exited": name, "status": n}          whenever a process ends, wanted or not (negative: a signal)

It ends everything and removes the folders when stdin closes, on SIGTERM, or when the parent process is
gone (a pidfd: a forked child of the parent may still hold the pipe). Each process leads a session of its
own and asks the kernel to be killed with the supervisor (PR_SET_PDEATHSIG), so a ``kill -9`` of the
supervisor leaves nothing either. As a child subreaper it inherits and ends the orphans of its servers.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import selectors
import shutil
import signal
import subprocess
import sys
import time

# From prctl's manual page.
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_GRACE_SECONDS = 5.0
"""How long a server may take to end by its own signal before its group is killed."""

_LINUX = sys.platform == "linux"
_libc = ctypes.CDLL(None) if _LINUX else None


class Supervisor:
    """The running processes by pid, and the loop that waits for orders, deaths and the parent's end."""

    def __init__(self, parent: int) -> None:
        self.running: dict[int, tuple[str, int]] = {}
        self.ending = False
        self._buffer = b""
        self._selector = selectors.DefaultSelector()
        self._selector.register(sys.stdin.fileno(), selectors.EVENT_READ, self._read_orders)
        self._watch_signals()
        self._watch_parent(parent)
        if _libc is not None:
            _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)

    def run(self) -> None:
        """Serve until the parent wants or needs no more; then end every process."""
        while not self.ending:
            for key, _ in self._selector.select():
                key.data()
        self._end_all()

    def _watch_signals(self) -> None:
        read, write = os.pipe()
        os.set_blocking(write, False)
        os.set_blocking(read, False)
        signal.set_wakeup_fd(write)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, self._end)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

        def drain() -> None:
            with contextlib.suppress(BlockingIOError):
                os.read(read, 4096)
            self._reap()

        self._selector.register(read, selectors.EVENT_READ, drain)

    def _watch_parent(self, parent: int) -> None:
        if hasattr(os, "pidfd_open"):
            try:
                self._selector.register(os.pidfd_open(parent), selectors.EVENT_READ, self._end)
            except ProcessLookupError:
                self._end()
            except OSError:  # a kernel or sandbox without pidfds: the pipe has to do
                return
        if os.getppid() != parent:
            self._end()

    def _end(self, *_: object) -> None:
        self.ending = True

    def _read_orders(self) -> None:
        data = os.read(sys.stdin.fileno(), 65536)
        if not data:
            self._end()
            return
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        for line in lines:
            self._start(json.loads(line))

    def _start(self, order: dict) -> None:  # type: ignore[type-arg]
        name = order["start"]
        try:
            process = _spawn(order)
        except (OSError, subprocess.SubprocessError) as error:
            _answer({"failed": name, "error": str(error)})
            return
        self.running[process.pid] = (name, order["end_signal"])
        process.returncode = 0  # reaped by _reap, never by Popen
        _answer({"started": name, "pid": process.pid})

    def _reap(self) -> bool:
        """Collect the ended children and report them; whether any are left."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return False
            if pid == 0:
                return True
            if pid in self.running:  # else an orphan that was inherited
                name, _ = self.running.pop(pid)
                _answer({"exited": name, "status": os.waitstatus_to_exitcode(status)})

    def _end_all(self) -> None:
        for pid, (_, end_signal) in list(self.running.items()):
            _signal_group(pid, end_signal)
        deadline = time.monotonic() + _GRACE_SECONDS
        while self._reap():
            if time.monotonic() > deadline:
                for pid in {*self.running, *_orphans()}:
                    _signal_group(pid, signal.SIGKILL)
            time.sleep(0.01)


def _spawn(order: dict) -> subprocess.Popen[bytes]:  # type: ignore[type-arg]
    supervisor = os.getpid()
    account = order["account"]

    def die_with_the_supervisor() -> None:
        if _libc is not None:
            _libc.prctl(_PR_SET_PDEATHSIG, order["end_signal"], 0, 0, 0)
        if os.getppid() != supervisor:
            os._exit(1)

    with contextlib.ExitStack() as files:
        log = files.enter_context(open(order["log"], "ab"))  # noqa: PTH123 - no pathlib: starts in milliseconds
        given = files.enter_context(open(order["stdin"] or os.devnull, "rb"))  # noqa: PTH123
        return subprocess.Popen(
            order["argv"],
            env=order["env"],
            cwd=order["cwd"],
            stdin=given,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            user=account[0] if account else None,
            group=account[1] if account else None,
            extra_groups=[] if account else None,
            preexec_fn=die_with_the_supervisor,
        )


def _orphans() -> list[int]:
    """Every living child of this process, inherited ones included; Linux only."""
    try:
        with open(f"/proc/self/task/{os.getpid()}/children") as file:  # noqa: PTH123
            return [int(pid) for pid in file.read().split()]
    except OSError:
        return []


def _signal_group(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def _answer(message: dict[str, object]) -> None:
    with contextlib.suppress(OSError):  # the parent is gone: the loop will notice
        os.write(sys.stdout.fileno(), json.dumps(message).encode() + b"\n")


def main() -> None:
    """Serve one parent; whatever happens, the folders are gone afterwards."""
    parent, *folders = sys.argv[1:]
    try:
        Supervisor(int(parent)).run()
    finally:
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
