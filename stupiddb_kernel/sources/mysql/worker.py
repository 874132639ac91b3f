"""The process that runs connectorx: it takes statements on stdin and writes Arrow batches to stdout.

connectorx holds the interpreter lock while it waits for the server, and a Rust panic inside it may end
the process. In a process of its own neither stops a notebook: Ctrl-C, timeouts and other reads go on, and
killing it always works. It is given no secret but a token for the relay in its parent.

Both directions are frames: one byte of kind, eight of length (big-endian), the payload.
"""

from __future__ import annotations

import json
import os
import signal
import struct
import sys
from typing import BinaryIO

FRAME = struct.Struct(">cQ")
JOB, SCHEMA, BATCH, END, FAILED, READY = b"J", b"S", b"B", b"E", b"X", b"R"


def main() -> None:
    """Serve statements until stdin ends, which it does when the parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # meant for the parent, which stops the read properly
    source, sink = sys.stdin.buffer, os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # whatever a library prints must not get between the frames
    import connectorx  # noqa: F401 - loaded before the first statement waits for it
    import pyarrow as pa  # noqa: F401

    _send(sink, READY, b"")
    while True:
        header = source.read(FRAME.size)
        if len(header) < FRAME.size:
            return
        _kind, length = FRAME.unpack(header)
        _run(json.loads(source.read(length)), sink)


def _run(job: dict[str, str], sink: BinaryIO) -> None:
    import connectorx
    import pyarrow as pa

    try:
        reader = connectorx.read_sql(
            job["url"], job["sql"], return_type="arrow_stream", batch_size=int(job["batch_rows"])
        )
        _send(sink, SCHEMA, reader.schema.serialize())
        for batch in reader:
            _send(sink, BATCH, batch.serialize())
    except BrokenPipeError:
        raise
    except BaseException as error:  # noqa: BLE001 - a panic of Rust is a BaseException; the parent translates it
        _send(sink, FAILED, json.dumps([type(error).__name__, str(error)]).encode())
    else:
        _send(sink, END, b"")
    finally:
        reader = None
        pa.default_memory_pool().release_unused()


def _send(sink: BinaryIO, kind: bytes, payload: object) -> None:
    view = memoryview(payload)  # type: ignore[arg-type]
    sink.write(FRAME.pack(kind, view.nbytes))
    written = 0
    while written < view.nbytes:
        written += sink.write(view[written:])


if __name__ == "__main__":
    main()
