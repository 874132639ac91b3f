"""From a name that somebody typed to the one table it means, or to the nearest ones there are."""

from __future__ import annotations

import re
from collections.abc import Sequence

from stupiddb_kernel.catalog.search import search
from stupiddb_kernel.catalog.snapshot import Snapshot, fold
from stupiddb_kernel.errors import StupiddbError, UnknownName, UsageError
from stupiddb_kernel.sources.base import TableName

_PART = re.compile(r'"((?:[^"]|"")*)"|`((?:[^`]|``)*)`|([^."`]+)')
_MOST_COMPARED = 2000


def split(name: str) -> list[str]:
    """The parts of a dotted name; ``"quoted"`` and backticked parts may hold dots. Raises UsageError."""
    parts: list[str] = []
    position = 0
    text = name.strip()
    while True:
        part = _PART.match(text, position)
        if part is None:
            raise UsageError(f"{name!r} does not name a table", hint="write source.database.table")
        quoted, ticked, bare = part.groups()
        value = quoted.replace('""', '"') if quoted is not None else None
        value = ticked.replace("``", "`") if ticked is not None else value
        parts.append(bare if bare is not None else value or "")
        position = part.end()
        if position == len(text):
            break
        if text[position] != ".":
            raise UsageError(f"{name!r} does not name a table", hint="write source.database.table")
        position += 1
    if not all(parts):
        raise UsageError(f"{name!r} does not name a table", hint="write source.database.table")
    return parts


def resolve(parts: Sequence[str], snapshots: Sequence[Snapshot]) -> TableName | None:
    """The table that the parts of a name mean among what is known, or None. Raises UsageError for two."""
    found = [name for snapshot in snapshots for name in _meant(parts, snapshot)]
    exact = [name for name in found if _spelt(name).endswith("." + ".".join(parts))]
    chosen = exact if exact else found
    if len(chosen) > 1:
        shown = ", ".join(map(str, chosen[:6])) + (f" … ({len(chosen)} in all)" if len(chosen) > 6 else "")
        raise UsageError(f"{'.'.join(parts)!r} is ambiguous", hint=f"write one of {shown}")
    return chosen[0] if chosen else None


def unknown(name: str, snapshots: Sequence[Snapshot], failures: Sequence[StupiddbError] = ()) -> UnknownName:
    """The error for a name that nothing has; suggests what is spelt or named like it."""
    size = sum(len(snapshot.tables) for snapshot in snapshots)
    if size <= _MOST_COMPARED:
        known = [
            f"{snapshot.source}.{snapshot.databases[row[0]]}.{row[1]}"
            for snapshot in snapshots
            for row in snapshot.tables
        ]
        depth = name.count(".") + 1
        by_tail = {".".join(path.split(".", 2)[-depth:]): path for path in known}
        error = UnknownName("table", name, by_tail if depth < 3 else known)
        suggestions = [by_tail.get(suggestion, suggestion) for suggestion in error.suggestions]
    else:
        suggestions = []
    last = name.rpartition(".")[2]
    hits = [hit.path for hit in search(snapshots, last, 20) if hit.kind == "table"]
    suggestions += [path for path in hits if path not in suggestions]
    hint = (
        "did you mean " + " or ".join(suggestions[:3]) + "?" if suggestions else "`%catalog` shows them all"
    )
    if failures:
        hint += "; not searched: " + ", ".join(failure.message for failure in failures)
    error = UnknownName("table", name, (), hint=hint)
    error.suggestions = tuple(suggestions[:3])
    return error


def _meant(parts: Sequence[str], snapshot: Snapshot) -> list[TableName]:
    """Every table of a source that the parts may mean."""
    if len(parts) > 2 and fold(parts[0]) == fold(snapshot.source):
        return _in(snapshot, parts[1], ".".join(parts[2:]))
    if len(parts) == 1:
        return _named(snapshot, parts[0])
    found = _in(snapshot, parts[0], ".".join(parts[1:]))
    if not found and fold(parts[0]) == fold(snapshot.source):
        found = _named(snapshot, ".".join(parts[1:]))
    return found


def _in(snapshot: Snapshot, database: str, table: str) -> list[TableName]:
    found = snapshot.find(database, table)
    return [found.name] if found else []


def _named(snapshot: Snapshot, table: str) -> list[TableName]:
    wanted = fold(table)
    return [
        TableName(snapshot.source, snapshot.databases[row[0]], row[1])
        for row, name in zip(snapshot.tables, snapshot.folded_tables, strict=True)
        if name == wanted
    ]


def _spelt(name: TableName) -> str:
    return f".{name}"
