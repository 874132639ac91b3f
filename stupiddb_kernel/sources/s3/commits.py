"""Which of the listed files are there for a reader, so that nobody ever sees a prefix half written.

An archive of several files writes ``part-<run>-00000.parquet`` … and, last of all, one small object
``_committed-<run>.json`` that names them. Parts are visible only through that object: before it is
there none of them is, after it all of them are. Hidden names (``_`` or ``.`` first, as for Hive, Spark
and Athena) are no data.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence

from stupiddb_kernel.errors import SourceError
from stupiddb_kernel.sources.objects.listing import Object

_PART = re.compile(r"(?:^|/)part-(?P<run>[0-9a-f]{32})-\d{5,}\.parquet$")
_MARKER = re.compile(r"(?P<folder>(?:^|.*/))_committed-(?P<run>[0-9a-f]{32})\.json$")


def part_name(run: str, number: int) -> str:
    """The name of one file of an archive run."""
    return f"part-{run}-{number:05d}.parquet"


def marker_name(run: str) -> str:
    """The name of the object that makes a run's files visible."""
    return f"_committed-{run}.json"


def write_marker(run: str, parts: Sequence[Object]) -> bytes:
    """The content of a run's marker: its files, and which version of each."""
    files = [{"name": part.key.rsplit("/", 1)[-1], "size": part.size, "etag": part.etag} for part in parts]
    return json.dumps({"version": 1, "run": run, "files": files}, indent=1).encode()


def visible(
    listed: Iterable[Object], prefix: str, read: Callable[[Object], bytes], source: str
) -> Iterator[Object]:
    """The data files among the objects listed below ``prefix``."""
    for found in listed:
        relative = found.key[len(prefix) :]
        marker = _MARKER.match(relative)
        if marker and not _hidden(marker["folder"].rstrip("/")):
            yield from _committed(found, read(found), marker["run"], source)
        elif not _hidden(relative) and not _PART.search(relative):
            yield found


def _hidden(relative: str) -> bool:
    return any(segment.startswith(("_", ".")) for segment in relative.split("/"))


def _committed(marker: Object, content: bytes, run: str, source: str) -> Iterator[Object]:
    folder = marker.key[: marker.key.rfind("/") + 1]
    try:
        files = [
            (item["name"], int(item["size"]), str(item["etag"])) for item in json.loads(content)["files"]
        ]
    except (ValueError, KeyError, TypeError) as error:
        raise SourceError(
            f"{marker.uri} is not a list of committed files",
            source=source,
            hint="it was changed after it was written: restore it, or remove it and its part files",
        ) from error
    for name, size, etag in files:
        match = _PART.fullmatch(name)
        if match is None or match["run"] != run:
            raise SourceError(f"{marker.uri} names {name!r}, which is not a file of its run", source=source)
        yield Object(marker.bucket, folder + name, size, etag, marker.modified)
