"""What the tests of the Athena endpoint share: a client, tables, and a proxy that sees ranges."""

from __future__ import annotations

import http.client
import io
import re
import subprocess
import sys
import threading
import time
import urllib.request
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pyarrow as pa
import pyarrow.parquet as pq

from stupiddb_kernel.local.ports import free_ports
from stupiddb_kernel.local.stack import Stack

OWN_HEADERS = ("transfer-encoding", "content-length", "connection", "server", "date")
ENDED = ("SUCCEEDED", "FAILED", "CANCELLED")


@dataclass(frozen=True)
class Ran:
    """A query that has ended."""

    execution: dict[str, Any]
    rows: list[tuple[str | None, ...]] = field(default_factory=list)
    columns: list[dict[str, Any]] = field(default_factory=list)

    @property
    def id(self) -> str:
        return str(self.execution["QueryExecutionId"])

    @property
    def state(self) -> str:
        return str(self.execution["Status"]["State"])

    @property
    def reason(self) -> str:
        return str(self.execution["Status"].get("StateChangeReason", ""))

    @property
    def scanned(self) -> int:
        return int(self.execution["Statistics"]["DataScannedInBytes"])

    @property
    def output(self) -> str:
        return str(self.execution["ResultConfiguration"].get("OutputLocation", ""))

    @property
    def manifest(self) -> str:
        return str(self.execution["Statistics"].get("DataManifestLocation", ""))


class Lab:
    """One database of its own, its bucket, and clients for them."""

    def __init__(self, stack: Stack, athena: Any = None) -> None:
        self.stack = stack
        self.athena = athena or stack.client("athena")
        self.s3 = stack.client("s3")
        self.glue = stack.client("glue")
        name = uuid.uuid4().hex[:10]
        self.bucket, self.database = f"lab-{name}", f"lab_{name}"
        self.s3.create_bucket(Bucket=self.bucket)
        self.glue.create_database(DatabaseInput={"Name": self.database})
        self.results = f"s3://{self.bucket}/results/"

    def start(self, sql: str, **options: Any) -> str:
        request = {
            "QueryExecutionContext": {"Database": self.database},
            "ResultConfiguration": {"OutputLocation": self.results},
            **options,
        }
        return str(self.athena.start_query_execution(QueryString=sql, **request)["QueryExecutionId"])

    def wait(self, query_id: str, seconds: float = 60) -> dict[str, Any]:
        deadline = time.monotonic() + seconds
        while True:
            found: dict[str, Any] = self.athena.get_query_execution(QueryExecutionId=query_id)[
                "QueryExecution"
            ]
            if found["Status"]["State"] in ENDED:
                return found
            assert time.monotonic() < deadline, f"still {found['Status']['State']} after {seconds} s"
            time.sleep(0.03)

    def run(self, sql: str, **options: Any) -> Ran:
        """A query that must succeed, with all its rows (without the header)."""
        ran = self.end(sql, **options)
        assert ran.state == "SUCCEEDED", f"{sql}\n{ran.reason}"
        rows, columns, token = [], [], {}
        while True:
            answer = self.athena.get_query_results(QueryExecutionId=ran.id, **token)
            columns = answer["ResultSet"]["ResultSetMetadata"]["ColumnInfo"]
            rows += [tuple(d.get("VarCharValue") for d in row["Data"]) for row in answer["ResultSet"]["Rows"]]
            if "NextToken" not in answer:
                break
            token = {"NextToken": answer["NextToken"]}
        header = ran.output.endswith(".csv") or not ran.output
        return Ran(ran.execution, rows[1:] if header else rows, columns)

    def end(self, sql: str, **options: Any) -> Ran:
        """A query run to its end, whatever that is."""
        return Ran(self.wait(self.start(sql, **options)))

    def fail(self, sql: str, **options: Any) -> str:
        """Why a query fails."""
        ran = self.end(sql, **options)
        assert ran.state == "FAILED", f"{sql} ended as {ran.state}"
        return ran.reason

    def put(self, key: str, table: pa.Table, **options: Any) -> bytes:
        """Write a Parquet file and return its bytes."""
        out = io.BytesIO()
        pq.write_table(table, out, **options)
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=out.getvalue())
        return out.getvalue()

    def read(self, location: str) -> bytes:
        parts = urlsplit(location)
        body: bytes = self.s3.get_object(Bucket=parts.netloc, Key=parts.path.lstrip("/"))["Body"].read()
        return body

    def table(self, name: str, columns: str, partitioned_by: str = "", location: str | None = None) -> None:
        """Register a Parquet table over ``<bucket>/<name>/`` with Athena's own DDL."""
        keys = f"PARTITIONED BY ({partitioned_by})" if partitioned_by else ""
        place = location or f"s3://{self.bucket}/{name}/"
        self.run(f"CREATE EXTERNAL TABLE {name} ({columns}) {keys} STORED AS PARQUET LOCATION '{place}'")
        if partitioned_by:
            self.run(f"MSCK REPAIR TABLE {name}")


@contextmanager
def own_endpoint(
    folder: Path, aws: str, *options: str, s3: str = ""
) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """An endpoint of its own, with other settings than the stack's."""
    (port,) = free_ports(1)
    process = subprocess.Popen(
        [
            sys.executable, "-m", "stupiddb_kernel.local.athena", "--port", str(port),
            "--s3-endpoint", s3 or aws,            "--glue-endpoint", aws, "--folder", str(folder), *options,
        ]
    )  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    try:
        wait_ready(url, process)
        yield url, process
    finally:
        process.terminate()
        process.wait(10)


def wait_ready(url: str, process: subprocess.Popen[bytes], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            with urllib.request.urlopen(f"{url}/_stupiddb/ready", timeout=5) as answer:
                assert answer.status == 200
                return
        except OSError:
            assert process.poll() is None, "the endpoint ended by itself"
            assert time.monotonic() < deadline, "the endpoint does not get ready"
            time.sleep(0.02)


class RangeProxy:
    """Stands before S3 and notes every ranged GET as (key, first byte, bytes sent)."""

    def __init__(self, target: str) -> None:
        self.gets: list[tuple[str, int, int]] = []
        self.delay = 0.0
        address = urlsplit(target)
        proxy = self

        class Forward(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args: Any) -> None:
                pass

            def forward(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                wanted = re.match(r"bytes=(\d+)-", self.headers.get("Range") or "")
                if wanted and proxy.delay:
                    time.sleep(proxy.delay)
                upstream = http.client.HTTPConnection(address.hostname or "", address.port, timeout=30)
                upstream.request(self.command, self.path, body, dict(self.headers.items()))
                answer = upstream.getresponse()
                data = answer.read()
                if wanted and self.command == "GET":
                    key = unquote(urlsplit(self.path).path).lstrip("/")
                    proxy.gets.append((key, int(wanted.group(1)), len(data)))
                self.send_response(answer.status)
                for name, value in answer.getheaders():
                    if name.lower() not in OWN_HEADERS:
                        self.send_header(name, value)
                self.send_header("Content-Length", answer.getheader("Content-Length") or str(len(data)))
                self.end_headers()
                self.wfile.write(data)
                upstream.close()

            do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = forward  # noqa: N815

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Forward)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def data_bytes(self, files: Mapping[str, bytes]) -> int:
        """Bytes fetched from these files, but for their footers, which reach the file's end."""
        return sum(
            sent
            for key, first, sent in self.gets
            for name, data in files.items()
            if key.endswith(name) and first + sent < len(data)
        )

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def chunk_bytes(data: bytes, columns: set[str], row_groups: set[int] | None = None) -> int:
    """The compressed size of these columns' chunks, told by the footer alone."""
    footer = pq.ParquetFile(io.BytesIO(data)).metadata
    return sum(
        footer.row_group(group).column(index).total_compressed_size
        for group in range(footer.num_row_groups)
        if row_groups is None or group in row_groups
        for index in range(footer.num_columns)
        if footer.row_group(group).column(index).path_in_schema.split(".")[0] in columns
    )
