"""An object as a file that is read by ranges, and only ever the version of it that was listed.

Every request carries ``If-Match`` with the listed etag, so a file that is overwritten while it is read
gives an error instead of bytes of two versions. Requests go through boto3, which renews credentials
and retries by itself. Reads of many megabytes are split over several connections.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pyarrow as pa
from pyarrow.fs import FileInfo, FileSystemHandler, FileType

from stupiddb_kernel.errors import StupiddbError
from stupiddb_kernel.sources.objects.errors import (
    NOT_FOUND,
    PRECONDITION,
    CorruptObject,
    ObjectChanged,
    ObjectGone,
    code_of,
    translated,
)
from stupiddb_kernel.sources.objects.listing import Object

_PART_BYTES = 8 * 1024**2
_ranges = ThreadPoolExecutor(16, thread_name_prefix="range s3")


class Transfer:
    """What was asked of S3: requests and body bytes, counted over every file of a reader."""

    def __init__(self) -> None:
        self.requests = 0
        self.bytes = 0
        self._lock = threading.Lock()

    def add(self, size: int) -> None:
        """Count one request that delivered ``size`` bytes."""
        with self._lock:
            self.requests += 1
            self.bytes += size


class Tails:
    """The last 64 KB of recently read objects: what Arrow reads of a Parquet file first, and again and
    again where a file is scanned in several pieces."""

    SIZE = 64 * 1024

    def __init__(self, capacity: int = 512) -> None:
        self._capacity = capacity
        self._kept: OrderedDict[Object, bytes] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, target: Object, start: int, length: int) -> bytes | None:
        """The bytes asked for, if they are kept."""
        with self._lock:
            tail = self._kept.get(target)
            if tail is None or start < target.size - len(tail):
                return None
            self._kept.move_to_end(target)
        offset = start - (target.size - len(tail))
        return tail[offset : offset + length]

    def keep(self, target: Object, start: int, data: bytes) -> None:
        """Keep ``data`` if it is an object's tail."""
        if start == max(0, target.size - self.SIZE) and start + len(data) == target.size:
            with self._lock:
                self._kept[target] = data
                if len(self._kept) > self._capacity:
                    self._kept.popitem(last=False)


class ObjectReader:
    """Reads ranges of objects through one boto3 client, in the name of one source.

    ``failure`` keeps the first error of ours, because engines that read through this (DuckDB) turn
    exceptions into text.
    """

    def __init__(
        self, client: Any, source: str, transfer: Transfer | None = None, tails: Tails | None = None
    ) -> None:
        self._client = client
        self._tails = tails or Tails()
        self.source = source
        self.transfer = transfer or Transfer()
        self.failure: StupiddbError | None = None

    def read(self, target: Object, start: int, length: int) -> bytes:
        """``length`` bytes from ``start``; fewer only at the object's end.

        Raises ObjectChanged, ObjectGone and what ``translated`` raises.
        """
        length = min(length, target.size - start)
        if length <= 0:
            return b""
        kept = self._tails.get(target, start, length)
        if kept is not None:
            return kept
        try:
            if length <= 2 * _PART_BYTES:
                data = self._range(target, start, length)
                self._tails.keep(target, start, data)
                return data
            offsets = range(start, start + length, _PART_BYTES)
            parts = _ranges.map(
                lambda at: self._range(target, at, min(_PART_BYTES, start + length - at)), offsets
            )
            return b"".join(parts)
        except StupiddbError as error:
            self.failure = self.failure or error
            raise

    def open(self, target: Object) -> pa.PythonFile:
        """The object as an Arrow file."""
        return pa.PythonFile(_ObjectFile(self, target), mode="r")

    def _range(self, target: Object, start: int, length: int) -> bytes:
        from botocore.exceptions import ClientError

        with translated(self.source, f"read {target.uri}"):
            try:
                answer = self._client.get_object(
                    Bucket=target.bucket,
                    Key=target.key,
                    Range=f"bytes={start}-{start + length - 1}",
                    IfMatch=f'"{target.etag}"',
                )
                body: bytes = answer["Body"].read()
            except ClientError as error:
                if code_of(error) in PRECONDITION or code_of(error) == "InvalidRange":
                    raise ObjectChanged(
                        f"{target.uri} was overwritten while it was being read",
                        source=self.source,
                        hint="run it again to read the new version",
                    ) from error
                if code_of(error) in NOT_FOUND:
                    raise ObjectGone(
                        f"{target.uri} was deleted after it was listed",
                        source=self.source,
                        hint="run it again to read what is there now",
                    ) from error
                raise
        self.transfer.add(len(body))
        if len(body) != length:
            raise CorruptObject(
                f"{target.uri}: asked for {length:,} bytes at {start:,} and got {len(body):,}",
                source=self.source,
            )
        return body


class _ObjectFile:
    """The Python file interface that Arrow reads through; Arrow calls it under a lock of its own."""

    def __init__(self, reader: ObjectReader, target: Object) -> None:
        self._reader = reader
        self._target = target
        self._position = 0
        self.closed = False

    def read(self, size: int | None = None) -> bytes:
        if size is None or size < 0:
            size = self._target.size - self._position
        data = self._reader.read(self._target, self._position, size)
        self._position += len(data)
        return data

    def seek(self, offset: int, whence: int = 0) -> int:
        base = (0, self._position, self._target.size)[whence]
        self._position = base + offset
        return self._position

    def tell(self) -> int:
        return self._position

    def size(self) -> int:
        return self._target.size

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def writable(self) -> bool:
        return False

    def flush(self) -> None:
        return

    def close(self) -> None:
        self.closed = True


class ObjectHandler(FileSystemHandler):
    """A read-only pyarrow filesystem that holds exactly the objects it was given, by ``bucket/key``."""

    def __init__(self, reader: ObjectReader, objects: Iterable[Object]) -> None:
        self._reader = reader
        self._objects = {f"{object_.bucket}/{object_.key}": object_ for object_ in objects}

    def __eq__(self, other: object) -> bool:
        return self is other

    def __ne__(self, other: object) -> bool:
        return self is not other

    __hash__ = object.__hash__

    def _find(self, path: str) -> Object:
        found = self._objects.get(path)
        if found is None:
            raise FileNotFoundError(path)
        return found

    def get_type_name(self) -> str:
        """As pyarrow asks for it."""
        return "s3+listed"

    def normalize_path(self, path: str) -> str:
        """As pyarrow asks for it."""
        return path

    def get_file_info(self, paths: list[str]) -> list[FileInfo]:
        """As pyarrow asks for it."""
        return [
            FileInfo(path, FileType.File, size=self._objects[path].size)
            if path in self._objects
            else FileInfo(path, FileType.NotFound)
            for path in paths
        ]

    def get_file_info_selector(self, selector: Any) -> list[FileInfo]:
        """As pyarrow asks for it."""
        return [
            FileInfo(path, FileType.File, size=object_.size)
            for path, object_ in self._objects.items()
            if path.startswith(selector.base_dir)
        ]

    def open_input_file(self, path: str) -> pa.PythonFile:
        """As pyarrow asks for it."""
        return self._reader.open(self._find(path))

    def open_input_stream(self, path: str) -> pa.PythonFile:
        """As pyarrow asks for it."""
        return self._reader.open(self._find(path))

    def _refuse(self, *_: Any, **__: Any) -> Any:
        raise PermissionError("this filesystem is read-only")

    create_dir = delete_dir = delete_dir_contents = delete_root_dir_contents = _refuse
    delete_file = move = copy_file = open_output_stream = open_append_stream = _refuse
