"""The worker process from its parent's side: started once, given statements, read frame by frame."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from stupiddb_kernel.errors import SourceError
from stupiddb_kernel.sources.mysql import worker

_PIPE_BYTES = 1 << 20


class WorkerFailed(Exception):
    """What connectorx raised, by the name of its type, or that the process has gone."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind


class Worker:
    """One process running ``worker``; reads one statement at a time."""

    def __init__(self, source: str) -> None:
        self._source = source
        # Secrets of the notebook's environment are none of its business.
        kept = (
            "PATH",
            "HOME",
            "LANG",
            "LC_ALL",
            "TZ",
            "PYTHONPATH",
            "VIRTUAL_ENV",
            "SYSTEMROOT",
            "LD_LIBRARY_PATH",
        )
        environment = {name: os.environ[name] for name in kept if name in os.environ}
        self._process = subprocess.Popen(
            [sys.executable, "-P", worker.__file__],  # by path: the package is not needed there
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # a panic prints the values it choked on
            env={**environment, "RUST_BACKTRACE": "0", "PYTHONUNBUFFERED": "1"},
            start_new_session=True,
        )
        assert self._process.stdin is not None  # noqa: S101 - asked for with PIPE
        assert self._process.stdout is not None  # noqa: S101
        self._in = self._process.stdin
        self._out: Any = getattr(self._process.stdout, "raw", self._process.stdout)
        _widen(self._out.fileno())
        self._expect(worker.READY)

    def begin(self, url: str, sql: str, batch_rows: int) -> None:
        """Hand over a statement. Raises WorkerFailed."""
        job = json.dumps({"url": url, "sql": sql, "batch_rows": batch_rows}).encode()
        try:
            self._in.write(worker.FRAME.pack(worker.JOB, len(job)) + job)
            self._in.flush()
        except (OSError, ValueError) as error:
            raise WorkerFailed("gone", "the reading process has ended") from error

    def schema(self) -> pa.Schema:
        """connectorx's schema. Raises WorkerFailed."""
        return pa.ipc.read_schema(pa.py_buffer(self._expect(worker.SCHEMA)))

    def batches(self, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        """connectorx's batches to the end. Raises WorkerFailed."""
        while True:
            kind, payload = self._frame()
            if kind == worker.END:
                return
            if kind == worker.BATCH:
                yield pa.ipc.read_record_batch(pa.py_buffer(payload), schema)
            else:
                raise self._failure(kind, payload)

    def kill(self) -> None:
        """End it, from any thread; whoever waits for a frame gets WorkerFailed."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    def close(self) -> None:
        """End it and free its pipes."""
        self.kill()
        self._process.wait()
        for pipe in (self._in, self._out):
            with contextlib.suppress(OSError, ValueError):
                pipe.close()

    def _expect(self, wanted: bytes) -> Any:
        kind, payload = self._frame()
        if kind != wanted:
            raise self._failure(kind, payload)
        return payload

    def _frame(self) -> tuple[bytes, Any]:
        kind, length = worker.FRAME.unpack(self._read(worker.FRAME.size))
        return kind, self._read(length)

    def _read(self, size: int) -> bytearray:
        payload = bytearray(size)
        view, done = memoryview(payload), 0
        while done < size:
            try:
                count = self._out.readinto(view[done:])
            except (OSError, ValueError) as error:
                raise WorkerFailed("gone", "the reading process was ended") from error
            if not count:
                raise WorkerFailed("gone", f"the reading process ended (exit code {self._process.poll()})")
            done += count
        return payload

    def _failure(self, kind: bytes, payload: Any) -> Exception:
        if kind == worker.FAILED:
            return WorkerFailed(*json.loads(bytes(payload)))
        return SourceError(f"the reading process sent {kind!r} out of turn", source=self._source)


def _widen(pipe: int) -> None:
    """A pipe of 1 MiB takes fewer turns than one of 64 KiB, where the system has such."""
    with contextlib.suppress(ImportError, OSError, AttributeError):
        import fcntl

        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
