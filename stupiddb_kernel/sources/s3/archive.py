"""Results written to S3 as Parquet, all or nothing.

One object: a multipart upload becomes visible with its last request or not at all. Several: see
``commits``. Whoever dies on the way leaves at most an unfinished multipart upload or part files that no
reader of ours takes for data. Memory is bounded by one part and one batch.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterable, Iterator
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from stupiddb_kernel.errors import SourceError
from stupiddb_kernel.sources.objects.errors import PRECONDITION, ObjectExists, code_of, translated
from stupiddb_kernel.sources.objects.listing import Object
from stupiddb_kernel.sources.objects.location import Location
from stupiddb_kernel.sources.s3.commits import marker_name, part_name, write_marker

_log = logging.getLogger(__name__)

_PART_BYTES = 8 * 1024**2
_MOST_PARTS = 10_000
_GROW_EVERY = 1_000  # parts grow, so that 10,000 of them hold S3's largest object
ROW_GROUP_ROWS = 122_880


class ObjectWriter:
    """A file that becomes one object when it is closed, and nothing if it is aborted."""

    def __init__(self, client: Any, source: str, bucket: str, key: str, *, overwrite: bool) -> None:
        self._client = client
        self._source = source
        self._target = {"Bucket": bucket, "Key": key}
        self._condition = {} if overwrite else {"IfNoneMatch": "*"}
        self._buffer = bytearray()
        self._parts: list[dict[str, Any]] = []
        self._upload: str | None = None
        self._etag = ""
        self.size = 0
        self.closed = False

    @property
    def _action(self) -> str:
        return f"write s3://{self._target['Bucket']}/{self._target['Key']}"

    def write(self, data: Any) -> int:
        """Take bytes; full parts are sent at once."""
        view = memoryview(data)
        self._buffer += view
        self.size += view.nbytes
        part_bytes = _PART_BYTES * (1 + len(self._parts) // _GROW_EVERY)
        while len(self._buffer) >= part_bytes:
            self._send(bytes(self._buffer[:part_bytes]))
            del self._buffer[:part_bytes]
        return view.nbytes

    def finish(self) -> Object:
        """Make the object visible, whole. Raises ObjectExists if one is there and must not be replaced."""
        from botocore.exceptions import ClientError

        self.closed = True
        with translated(self._source, self._action):
            try:
                etag = self._put() if self._upload is None else self._complete()
            except ClientError as error:
                self.abort()
                if code_of(error) in PRECONDITION:
                    raise ObjectExists(
                        f"s3://{self._target['Bucket']}/{self._target['Key']} is there already; "
                        "nothing was changed",
                        source=self._source,
                        hint="choose another key, or ask for it to be overwritten",
                    ) from error
                raise
            except BaseException:
                self.abort()
                raise
        return Object(self._target["Bucket"], self._target["Key"], self.size, etag.strip('"'))

    def abort(self) -> None:
        """Give up: what was sent is thrown away.

        Never raises, for it runs because something else failed: parts that can't be removed are logged.
        No reader sees them; a lifecycle rule for unfinished multipart uploads removes them.
        """
        self.closed = True
        upload, self._upload = self._upload, None
        if upload is None:
            return
        try:
            with translated(self._source, f"abort to {self._action}"):
                self._client.abort_multipart_upload(**self._target, UploadId=upload)
        except SourceError as error:
            _log.warning("an unfinished multipart upload stays: %s", error.message)

    def _send(self, data: bytes) -> None:
        with translated(self._source, self._action):
            if self._upload is None:
                self._upload = self._client.create_multipart_upload(**self._target)["UploadId"]
            number = len(self._parts) + 1
            answer = self._client.upload_part(
                **self._target, UploadId=self._upload, PartNumber=number, Body=data
            )
            self._parts.append({"PartNumber": number, "ETag": answer["ETag"]})

    def _put(self) -> str:
        etag: str = self._client.put_object(**self._target, Body=bytes(self._buffer), **self._condition)[
            "ETag"
        ]
        return etag

    def _complete(self) -> str:
        if self._buffer:
            self._send(bytes(self._buffer))
        etag: str = self._client.complete_multipart_upload(
            **self._target,
            UploadId=self._upload,
            MultipartUpload={"Parts": self._parts},
            **self._condition,
        )["ETag"]
        return etag

    # What Arrow asks of a file; closing is `finish`, which a failed write must never reach.

    def flush(self) -> None:
        """Nothing: parts are sent when they are full."""

    def tell(self) -> int:
        """Bytes taken so far."""
        return self.size

    def close(self) -> None:
        """Nothing: see ``finish``."""

    def readable(self) -> bool:
        """Never."""
        return False

    def writable(self) -> bool:
        """Until it is finished or aborted."""
        return not self.closed

    def seekable(self) -> bool:
        """Never."""
        return False


def write_object(
    client: Any,
    source: str,
    location: Location,
    relative: str,
    batches: Iterable[pa.RecordBatch],
    schema: pa.Schema,
    *,
    overwrite: bool,
) -> tuple[Object, int]:
    """Write ``batches`` as one Parquet object; the object and its rows. On any error nothing is visible."""
    writer = ObjectWriter(client, source, location.bucket, location.key(relative), overwrite=overwrite)
    try:
        rows = _write(writer, batches, schema)
    except BaseException:
        writer.abort()
        raise
    return writer.finish(), rows


def write_run(
    client: Any,
    source: str,
    folder: Location,
    batches: Iterable[pa.RecordBatch],
    schema: pa.Schema,
    *,
    rows_per_file: int,
) -> tuple[list[Object], int]:
    """Write ``batches`` as several files that become visible together; the files and their rows."""
    run = uuid.uuid4().hex
    stream = iter(_rechunk(batches, rows_per_file))
    parts: list[Object] = []
    rows = 0
    try:
        for chunk in stream:
            key = folder.prefix + part_name(run, len(parts))
            writer = ObjectWriter(client, source, folder.bucket, key, overwrite=False)
            try:
                rows += _write(writer, chunk, schema)
            except BaseException:
                writer.abort()
                raise
            parts.append(writer.finish())
        marker = ObjectWriter(
            client, source, folder.bucket, folder.prefix + marker_name(run), overwrite=False
        )
        marker.write(write_marker(run, parts))
        marker.finish()
    except BaseException:
        remove(client, source, parts)
        raise
    return parts, rows


def remove(client: Any, source: str, objects: list[Object]) -> None:
    """Delete exactly these objects, which no reader sees; what can't be deleted is logged."""
    for start in range(0, len(objects), 1000):
        chunk = objects[start : start + 1000]
        try:
            with translated(source, f"remove {len(chunk)} unfinished files from {chunk[0].bucket}"):
                client.delete_objects(
                    Bucket=chunk[0].bucket,
                    Delete={"Objects": [{"Key": each.key} for each in chunk], "Quiet": True},
                )
        except SourceError as error:
            _log.warning("unfinished files stay: %s", error.message)


def _write(writer: ObjectWriter, batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> int:
    rows = 0
    with pq.ParquetWriter(
        pa.PythonFile(writer, mode="w"), schema, compression="zstd", store_schema=True
    ) as parquet:
        for group in _groups(batches, schema):
            parquet.write_table(group, row_group_size=ROW_GROUP_ROWS)
            rows += group.num_rows
    return rows


def _groups(batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> Iterator[pa.Table]:
    """Batches gathered into row groups of a good size for pruning and compression."""
    held: list[pa.RecordBatch] = []
    count = 0
    for batch in batches:
        held.append(batch)
        count += batch.num_rows
        if count >= ROW_GROUP_ROWS:
            yield pa.Table.from_batches(held, schema)
            held, count = [], 0
    if count:
        yield pa.Table.from_batches(held, schema)


def _rechunk(batches: Iterable[pa.RecordBatch], rows: int) -> Iterator[Iterator[pa.RecordBatch]]:
    """The stream cut into streams of ``rows`` rows each, which must be read one after the other."""
    source = (batch for batch in batches if batch.num_rows)
    rest: list[pa.RecordBatch] = []

    def chunk() -> Iterator[pa.RecordBatch]:
        missing = rows
        while missing:
            batch = rest.pop() if rest else next(source, None)
            if batch is None:
                return
            if batch.num_rows > missing:
                rest.append(batch.slice(missing))
                batch = batch.slice(0, missing)
            missing -= batch.num_rows
            yield batch

    while rest or (first := next(source, None)) is not None:
        if not rest:
            rest.append(first)
        yield chunk()
