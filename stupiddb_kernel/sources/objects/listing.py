"""Every object below a prefix, as fast as S3 pages them: many key ranges at once, in bounded memory.

S3 lists at most 1,000 keys a request and one request after the other in a range. A prefix that does not
fit in one page is therefore cut at its sub-prefixes into ranges of keys, which are paged side by side.
A small prefix costs one request; N keys cost about N / 1000 requests and at most 64 more.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from stupiddb_kernel.sources.objects.errors import translated
from stupiddb_kernel.sources.objects.location import Location

_WORKERS = 16
_RANGES = 64
_PAGES_AHEAD = 32
_DISCOVERIES = 48


@dataclass(frozen=True, slots=True)
class Object:
    """One object as listed. ``size`` is in bytes; ``etag`` changes whenever the content does."""

    bucket: str
    key: str
    size: int
    etag: str
    modified: datetime | None = None

    @property
    def uri(self) -> str:
        """``s3://bucket/key``."""
        return f"s3://{self.bucket}/{self.key}"


@dataclass(frozen=True, slots=True)
class _Range:
    """Keys after ``after`` up to and with ``until``; None is the prefix's own end."""

    after: str
    until: str | None


class Lister:
    """Lists objects through one boto3 S3 client, in the name of one source."""

    def __init__(self, client: Any, source: str, *, page_size: int = 1000) -> None:
        self._client = client
        self._source = source
        self._page_size = page_size

    def objects(self, location: Location) -> Iterator[Object]:
        """Every object below ``location``, folder markers left out; unordered where there are many.

        Raises PermissionDenied, AuthenticationFailed, SourceUnreachable or SourceError (no such bucket).
        """
        page = self._page(location)
        contents = _objects(location.bucket, page)
        if not page.get("IsTruncated"):
            yield from contents
            return
        ranges = self._ranges(location)
        if len(ranges) == 1:
            yield from contents
            while page.get("IsTruncated"):
                page = self._page(location, ContinuationToken=page["NextContinuationToken"])
                yield from _objects(location.bucket, page)
            return
        yield from self._parallel(location, ranges)

    def folders(self, location: Location) -> list[str]:
        """Names of the folders directly below ``location``, sorted."""
        names: list[str] = []
        more: dict[str, str] = {}
        while True:
            page = self._page(location, Delimiter="/", **more)
            names += [
                common["Prefix"][len(location.prefix) : -1] for common in page.get("CommonPrefixes", ())
            ]
            if not page.get("IsTruncated"):
                return sorted(name for name in names if name)
            more = {"ContinuationToken": page["NextContinuationToken"]}

    def first(self, location: Location, *, pages: int = 1) -> Iterator[Object]:
        """The objects of the first ``pages`` pages below ``location``, in key order."""
        more: dict[str, str] = {}
        for _ in range(pages):
            page = self._page(location, **more)
            yield from _objects(location.bucket, page)
            if not page.get("IsTruncated"):
                return
            more = {"ContinuationToken": page["NextContinuationToken"]}

    def _page(self, location: Location, **more: Any) -> dict[str, Any]:
        with translated(self._source, f"list {location}"):
            page: dict[str, Any] = self._client.list_objects_v2(
                Bucket=location.bucket, Prefix=location.prefix, MaxKeys=self._page_size, **more
            )
            return page

    def _ranges(self, location: Location) -> list[_Range]:
        """Cut the prefix at sub-prefixes: the first level's, and deeper ones while there are few."""
        level, boundaries, spent = [location.prefix], [location.prefix], 0
        while level and len(boundaries) < _RANGES and spent < _DISCOVERIES:
            level = level[: _DISCOVERIES - spent]
            spent += len(level)
            with ThreadPoolExecutor(_WORKERS, thread_name_prefix="list s3") as pool:
                found = pool.map(lambda prefix: self._subprefixes(location.bucket, prefix), level)
                level = [child for children in found for child in children]
            boundaries = sorted({*boundaries, *level})
        step = max(1, -(-len(boundaries) // _RANGES))
        chosen = boundaries[::step]
        # `after` is exclusive, so the marker object "a/b/" itself belongs to the range before it.
        afters = ["", *chosen[1:]]
        return [_Range(after, until) for after, until in zip(afters, [*chosen[1:], None], strict=True)]

    def _subprefixes(self, bucket: str, prefix: str) -> list[str]:
        page = self._page(Location(bucket, prefix), Delimiter="/")
        return [common["Prefix"] for common in page.get("CommonPrefixes", ())]

    def _parallel(self, location: Location, ranges: list[_Range]) -> Iterator[Object]:
        pages: queue.Queue[list[Object] | BaseException | None] = queue.Queue(_PAGES_AHEAD)
        stopped = threading.Event()

        def put(item: list[Object] | BaseException | None) -> bool:
            while not stopped.is_set():
                try:
                    pages.put(item, timeout=0.1)
                    return True
                except queue.Full:
                    continue
            return False

        def work(range_: _Range) -> None:
            try:
                for page in self._pages(location, range_):
                    if not put(page):
                        return
                put(None)
            except BaseException as error:  # noqa: BLE001 - raised again in the consumer's thread
                put(error)

        pool = ThreadPoolExecutor(_WORKERS, thread_name_prefix="list s3")
        try:
            for range_ in ranges:
                pool.submit(work, range_)
            remaining = len(ranges)
            while remaining:
                item = pages.get()
                if item is None:
                    remaining -= 1
                elif isinstance(item, BaseException):
                    raise item
                else:
                    yield from item
        finally:
            stopped.set()
            pool.shutdown(wait=True, cancel_futures=True)

    def _pages(self, location: Location, range_: _Range) -> Iterator[list[Object]]:
        more = {"StartAfter": range_.after} if range_.after else {}
        while True:
            page = self._page(location, **more)
            found = _objects(location.bucket, page)
            last = page["Contents"][-1]["Key"] if page.get("Contents") else ""
            if range_.until is not None:
                found = [object_ for object_ in found if object_.key <= range_.until]
            if found:
                yield found
            if not page.get("IsTruncated") or (range_.until is not None and last >= range_.until):
                return
            more = {"ContinuationToken": page["NextContinuationToken"]}


def _objects(bucket: str, page: dict[str, Any]) -> list[Object]:
    return [
        Object(bucket, item["Key"], item["Size"], item["ETag"].strip('"'), item.get("LastModified"))
        for item in page.get("Contents", ())
        if not item["Key"].endswith("/")
    ]
