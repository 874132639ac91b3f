"""Starts the stand-in: ``python -m stupiddb_kernel.local.athena --port P --s3-endpoint URL …``.

It ends on SIGTERM or SIGINT, and when the process that started it dies.
"""

from __future__ import annotations

import argparse
import logging
import os
import shutil
import signal
import threading
from pathlib import Path

from stupiddb_kernel.local.athena.clients import Endpoints
from stupiddb_kernel.local.athena.executions import ACTIVE
from stupiddb_kernel.local.athena.server import Server, Service
from stupiddb_kernel.local.athena.throttling import GET, START, Quota, Throttle

PARENT_CHECK_SECONDS = 0.5


def arguments() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m stupiddb_kernel.local.athena", description=__doc__)
    parser.add_argument("--port", type=int, required=True, help="loopback port to listen on")
    parser.add_argument("--s3-endpoint", required=True, help="URL of the local S3")
    parser.add_argument("--glue-endpoint", required=True, help="URL of the local Glue")
    parser.add_argument(
        "--folder", type=Path, required=True, help="private folder for results, spills and the log"
    )
    parser.add_argument("--start-rate", type=float, default=START.rate, help="Start/Stop calls a second")
    parser.add_argument("--start-burst", type=int, default=START.burst, help="Start/Stop calls at once")
    parser.add_argument("--get-rate", type=float, default=GET.rate, help="Get calls a second")
    parser.add_argument("--get-burst", type=int, default=GET.burst, help="Get calls at once")
    parser.add_argument("--active-queries", type=int, default=ACTIVE, help="queries that run at once")
    return parser


def main() -> None:
    """Serve until told to end."""
    parent = os.getppid()  # before anything else: it may die while this process starts
    options = arguments().parse_args()
    folder: Path = options.folder
    folder.mkdir(parents=True, exist_ok=True)
    logging.basicConfig(
        filename=folder / "athena.log",
        level=logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s %(message)s",
    )
    logging.getLogger("botocore").setLevel(logging.WARNING)
    logging.getLogger("sqlglot").setLevel(logging.ERROR)
    for leftover in ("results", "work"):
        shutil.rmtree(folder / leftover, ignore_errors=True)
    throttle = Throttle(
        Quota(options.start_rate, options.start_burst), Quota(options.get_rate, options.get_burst)
    )
    service = Service(
        Endpoints(options.s3_endpoint, options.glue_endpoint), folder, throttle, options.active_queries
    )
    server = Server(options.port, service)
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    threading.Thread(target=server.serve_forever, name="http", daemon=True).start()
    threading.Thread(target=service.engine.warm, name="warm", daemon=True).start()
    while not ended.wait(PARENT_CHECK_SECONDS) and os.getppid() == parent:
        pass
    service.close()
    server.shutdown()
    for leftover in ("results", "work"):
        shutil.rmtree(folder / leftover, ignore_errors=True)
    logging.shutdown()
    os._exit(0)  # queries stopped just now may still hold their threads


if __name__ == "__main__":
    main()
