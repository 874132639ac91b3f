"""Results by UNLOAD: Parquet files below a prefix that is ours alone, read in order and removed again."""

from __future__ import annotations

import csv
import io
import logging
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from stupiddb_kernel.errors import SourceError
from stupiddb_kernel.sources.objects.dataset import Part, dataset
from stupiddb_kernel.sources.objects.errors import translated
from stupiddb_kernel.sources.objects.file import ObjectReader
from stupiddb_kernel.sources.objects.footer import Footers
from stupiddb_kernel.sources.objects.listing import Lister, Object
from stupiddb_kernel.sources.objects.location import Location
from stupiddb_kernel.sources.objects.schema import unify

_log = logging.getLogger(__name__)
_HEAD = "UNLOAD (\n"


@dataclass(frozen=True)
class Unload:
    """One UNLOAD: where its files go. ``location`` is empty before, and removed afterwards."""

    location: Location

    @classmethod
    def below(cls, output: str) -> Unload:
        """A new one, at a prefix that never was used before."""
        base = Location.parse(output)
        return cls(Location(base.bucket, f"{base.prefix}stupiddb-unload/{uuid.uuid4().hex}/"))

    def sql(self, query: str) -> str:
        """The statement; the query keeps its columns and is moved down by one line, for error positions."""
        return f"{_HEAD}{query}\n) TO '{self.location}' WITH (format = 'PARQUET', compression = 'SNAPPY')"


class UnloadReader:
    """Reads and removes the files of one UNLOAD."""

    def __init__(self, client: Any, source: str, unload: Unload) -> None:
        self._client = client
        self._source = source
        self._unload = unload
        self._reader = ObjectReader(client, source)

    def open(self, manifest: str | None) -> tuple[pa.Schema, Iterator[pa.RecordBatch]] | None:
        """Schema and batches in the manifest's order; None if no file was written.

        Raises SourceError if the manifest and what is there differ.
        """
        found = {each.uri: each for each in Lister(self._client, self._source).objects(self._unload.location)}
        order = sorted(found) if manifest is None else self._manifest(manifest)
        missing = [uri for uri in order if uri not in found]
        if missing:
            raise SourceError(
                f"{missing[0]} is in the manifest {manifest} and not in S3"
                + (f" ({len(missing)} such files)" if len(missing) > 1 else ""),
                source=self._source,
                hint="something removes files below output_location: check its lifecycle rules",
            )
        files = [found[uri] for uri in order]
        if not files:
            return None
        footers = Footers(self._reader).read_all(files)
        schema = unify(footers, source=self._source, table="the result")
        groups = {footer.object: footer.row_groups for footer in footers}
        data = dataset(self._reader, [Part(file, {}) for file in files], schema, groups)
        scanner = data.scanner(batch_size=65_536, batch_readahead=8, fragment_readahead=4)
        return schema, scanner.to_batches()

    def remove(self) -> None:
        """Delete what is below our prefix, and nothing else. A failure is logged: the result is good."""
        location = self._unload.location
        try:
            keys = [each.key for each in self._all()]
            for start in range(0, len(keys), 1000):
                with translated(self._source, f"remove {location}"):
                    self._client.delete_objects(
                        Bucket=location.bucket,
                        Delete={
                            "Objects": [{"Key": key} for key in keys[start : start + 1000]],
                            "Quiet": True,
                        },
                    )
        except SourceError as error:
            _log.warning("temporary files stay at %s: %s", location, error.message)

    def _all(self) -> Iterator[Object]:
        location = self._unload.location
        more: dict[str, str] = {}
        while True:
            with translated(self._source, f"list {location}"):
                page = self._client.list_objects_v2(Bucket=location.bucket, Prefix=location.prefix, **more)
            for item in page.get("Contents", ()):
                yield Object(location.bucket, item["Key"], item["Size"], item["ETag"])
            if not page.get("IsTruncated"):
                return
            more = {"ContinuationToken": page["NextContinuationToken"]}

    def _manifest(self, uri: str) -> list[str]:
        """The files that the query wrote, in its order. Raises SourceError for one outside our prefix."""
        where = Location.parse(uri)
        key = where.prefix.removesuffix("/")
        with translated(self._source, f"read the manifest {uri}"):
            body = self._client.get_object(Bucket=where.bucket, Key=key)["Body"].read().decode()
        files = [row[0].strip() for row in csv.reader(io.StringIO(body)) if row and row[0].strip()]
        outside = [file for file in files if not file.startswith(str(self._unload.location))]
        if outside:
            raise SourceError(
                f"the manifest {uri} names {outside[0]}, outside {self._unload.location}", source=self._source
            )
        return files
