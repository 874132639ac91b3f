"""One configured prefix: its files as tables, and what their paths say about their rows."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from urllib.parse import unquote

from stupiddb_kernel.config.settings import S3PrefixSettings
from stupiddb_kernel.sources.objects.dataset import Part
from stupiddb_kernel.sources.objects.listing import Lister, Object
from stupiddb_kernel.sources.objects.location import Location
from stupiddb_kernel.sources.s3.commits import visible
from stupiddb_kernel.sources.s3.pattern import compile_pattern

EVENT_TYPE = "event_type"
SAMPLE = 8
"""Footers read of each table where only its columns are shown."""
_HIVE = re.compile(r"([^=/]+)=(.*)")
_HIVE_NULL = "__HIVE_DEFAULT_PARTITION__"


@dataclass
class Contents:
    """What a listing found of one table: exact figures, and a few of its files."""

    files: int = 0
    bytes: int = 0
    sample: list[Object] = field(default_factory=list)
    partition_columns: dict[str, None] = field(default_factory=dict)
    _step: int = 1

    def add(self, found: Object, columns: Iterable[str]) -> None:
        """Count a file; the sample stays small and spreads over all files seen."""
        if self.files % self._step == 0:
            self.sample.append(found)
            if len(self.sample) == 2 * SAMPLE:
                self.sample = self.sample[::2]
                self._step *= 2
        self.files += 1
        self.bytes += found.size
        self.partition_columns.update(dict.fromkeys(columns))


class Prefix:
    """``[[aws.s3.sources]]``: a database of the source ``source``."""

    def __init__(
        self,
        settings: S3PrefixSettings,
        database: str,
        source: str,
        lister: Callable[[], Lister],
        read: Callable[[Object], bytes],
    ) -> None:
        self.settings = settings
        self.database = database
        self.location = Location.of(settings.bucket, settings.prefix)
        self._source = source
        self._lister = lister
        self._read = read
        self._pattern = compile_pattern(settings.pattern)

    def contents(self) -> dict[str, Contents]:
        """Every table with its exact number of files and bytes, by name; memory grows with tables only."""
        tables: dict[str, Contents] = {}
        for found in self._visible(self.location):
            name, values = self.place(found.key)
            tables.setdefault(name, Contents()).add(found, values)
        return dict(sorted(tables.items()))

    def parts(self, table: str) -> list[Part]:
        """The files of a table in key order; empty if it has none."""
        parts: list[Part] = []
        for found in self._visible(self._folder(table)):
            name, values = self.place(found.key)
            if name == table:
                parts.append(Part(found, values))
        columns = dict.fromkeys(name for part in parts for name in part.values)
        parts = [Part(part.object, {name: part.values.get(name) for name in columns}) for part in parts]
        return sorted(parts, key=lambda part: part.object.key)

    def names(self) -> list[str]:
        """Names that tables may have, from one listing of folders; only a full listing knows which do."""
        if not self.settings.event_type_from_path:
            return [self.database]
        folders = self._lister().folders(self.location)
        return sorted({_event_type(folder) for folder in folders} | {self.database})

    def first(self) -> Object | None:
        """A data file of the first page of the listing, if there is one; one request."""
        listed = self._lister().first(self.location)
        return next(self._visible(self.location, listed), None)

    def place(self, key: str) -> tuple[str, dict[str, str | None]]:
        """The table a key belongs to, and its partition columns' values.

        Values are text, as the paths hold them: ``dt=2025-06-12``, with ``%3A`` decoded.
        """
        folders = key[len(self.location.prefix) :].split("/")[:-1]
        values: dict[str, str | None] = {}
        table = self.database
        if self.settings.event_type_from_path and folders:
            table = _event_type(folders.pop(0))
            values[EVENT_TYPE] = table
        for folder in folders:
            hive = _HIVE.fullmatch(folder)
            if hive:
                value = None if hive[2] == _HIVE_NULL else unquote(hive[2])
                values.setdefault(unquote(hive[1]), value)
        return table, values

    def _folder(self, table: str) -> Location:
        """The narrowest folder that holds all files of a table."""
        if not self.settings.event_type_from_path or table == self.database:
            return self.location
        names = [name for name in self._lister().folders(self.location) if _event_type(name) == table]
        if len(names) != 1:
            return self.location
        return Location(self.location.bucket, f"{self.location.prefix}{names[0]}/")

    def _visible(self, location: Location, listed: Iterable[Object] | None = None) -> Iterator[Object]:
        prefix = self.location.prefix
        if listed is None:
            listed = self._lister().objects(location)
        for found in visible(listed, prefix, self._read, self._source):
            if self._pattern.fullmatch(found.key[len(prefix) :]):
                yield found


def _event_type(folder: str) -> str:
    hive = _HIVE.fullmatch(folder)
    return unquote(hive[2]) if hive and hive[1] == EVENT_TYPE else folder


def database_names(sources: Iterable[S3PrefixSettings]) -> list[str]:
    """A distinct name for each prefix: its own, else its last folder, else the bucket."""
    taken: set[str] = set()
    names: list[str] = []
    for settings in sources:
        last = settings.prefix.rstrip("/").rsplit("/", 1)[-1]
        wanted = settings.name or last or settings.bucket
        candidates = [wanted, f"{settings.bucket}_{wanted}", *(f"{wanted}_{n}" for n in range(2, 1000))]
        name = next(candidate for candidate in candidates if candidate not in taken)
        taken.add(name)
        names.append(name)
    return names
