"""What can be typed at a place: flags and their values, tables, columns, aliases, parameters, words."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from stupiddb.completion import scope, words
from stupiddb.flags import Flag

if TYPE_CHECKING:
    from stupiddb.completion.names import Names
    from stupiddb.completion.places import Place
    from stupiddb.extension import Extension

LONGEST_SQL = 40_000
"""Characters of SQL that are looked at for tables; in a longer text only words are offered."""
_DIALECTS = {"athena": "trino", "postgres": "postgres", "mysql": "mysql", "redshift": "redshift"}
_PLAIN = re.compile(r"[a-z_][a-z0-9_]*")
_WORD = re.compile(r"[^\s]*$")
_ASSIGNMENT = re.compile(r"\s*[^\W\d]\w*[ \t]*<<(?!<)")
_TEMPLATE = re.compile(r"\{(\w*)$")
_RESERVED = frozenset(words.KEYWORDS) - {
    "FIRST",
    "LAST",
    "DATE",
    "TIMESTAMP",
    "ROW",
    "ROWS",
    "RANGE",
    "VALUES",
}


@dataclass(frozen=True, slots=True)
class Candidate:
    """A text that can stand there, and what it is."""

    text: str
    kind: str


def at(extension: Extension, place: Place) -> tuple[list[Candidate], str]:
    """The candidates, best first, and how much of what is typed they replace."""
    if place.magic == "stupiddb":
        return _admin(extension, place)
    if place.magic == "catalog":
        return _catalog(extension, place)
    if place.is_flags:
        found = _flags(extension, place)
        if found is not None:
            return found
        start = _sql_start(place)
    else:
        match = _ASSIGNMENT.match(place.text)
        start = match.end() if match else 0
    if place.position < start:
        return [], ""
    return _sql(extension, place.magic, place.text[start:], place.position - start)


def _flags(extension: Extension, place: Place) -> tuple[list[Candidate], str] | None:
    """Flags and their values on a magic's line; None where SQL stands."""
    from stupiddb.magics import source

    flags = source.flags_of(extension.kind(place.magic))
    start = _sql_start(place)
    if start < place.position:
        return None
    return _flag_or_value(extension, place, flags)


def _flag_or_value(extension: Extension, place: Place, flags: Sequence[Flag]) -> tuple[list[Candidate], str]:
    typed = _last_word(place.before)
    before = place.before[: len(place.before) - len(typed)].split()
    by_name = {name: flag for flag in flags for name in (flag.name, *flag.aliases)}
    name, equals, value = typed.partition("=")
    flag = by_name.get(name if equals else before[-1] if before else "")
    if flag is not None and flag.read is not None:
        shown = value if equals else typed
        return _starting(shown, _values(extension, place.magic, flag), "value"), shown
    given = {by_name[word].name for word in before if word in by_name and not by_name[word].many}
    free = [flag.name for flag in flags if flag.name not in given]
    return _starting(typed, free, "flag"), typed


def _values(extension: Extension, magic: str, flag: Flag) -> list[str]:
    if flag.choices:
        return list(flag.choices)
    if flag.name == "--database":
        return list(extension.names.databases(magic))
    return {
        "--max-scan": ["100MB", "1GB", "5GB", "10GB", "100GB", "1TB"],
        "--timeout": ["30s", "60s", "5m", "30m", "1h"],
        "--limit": ["10", "100", "1000", "10000"],
        "--params": ["{"],
    }.get(flag.name, [])


def _sql_start(place: Place) -> int:
    """Where SQL begins on a magic's line: after the flags and their values."""
    from stupiddb.flags import parse
    from stupiddb.magics import source
    from stupiddb_kernel.errors import UsageError

    try:
        parsed = parse(place.text, source.FLAGS, place.magic)
    except UsageError:
        return len(place.text)  # an unfinished flag
    start = len(place.text) - len(parsed.rest)
    match = _ASSIGNMENT.match(parsed.rest)
    return start + (match.end() if match else 0) if parsed.rest.strip() else len(place.text) + 1


def _sql(extension: Extension, magic: str, sql: str, position: int) -> tuple[list[Candidate], str]:
    kind = extension.kind(magic) or magic
    dialect = _DIALECTS.get(kind, "duckdb")
    template = _TEMPLATE.search(sql[:position])
    if template is not None:
        names = _variables(extension, (str,))
        return [Candidate(f"{name}!i}}", "parameter") for name in _starts(template[1], names)], template[1]
    if len(sql) > LONGEST_SQL:
        typed = re.search(r"\w*$", sql[:position])
        prefix = typed[0] if typed else ""
        return list(_words(prefix, dialect)), prefix
    cursor = scope.look(sql, position, dialect)
    if cursor.kind == "text":
        return [], ""
    if cursor.kind == "placeholder":
        names = _variables(extension, None)
        return [
            Candidate(f":{name}", "parameter") for name in _starts(cursor.prefix[1:], names)
        ], cursor.prefix
    known = extension.names
    prefix = cursor.prefix[1:] if cursor.quote else cursor.prefix
    found: list[Candidate] = []
    if cursor.path:
        found += _columns_of(known, magic, cursor)
        found += _tables_under(known, magic, cursor.path)
    elif cursor.wants == "table":
        found += _tables(known, magic, cursor)
    else:
        found += _columns(known, magic, cursor)
    found = [
        Candidate(_written(candidate.text, cursor, dialect), candidate.kind)
        for candidate in found
        if candidate.text.casefold().startswith(prefix.casefold())
    ]
    if not cursor.path and not cursor.quote:
        found += _words(prefix, dialect, functions=cursor.wants == "column")
    return found, cursor.prefix


def _columns(known: Names, magic: str, cursor: scope.Cursor) -> Iterator[Candidate]:
    """Columns of the tables in scope, then their aliases, then the tables that could be read."""
    for reference in cursor.tables:
        yield from (Candidate(name, "column") for name in _reference_columns(known, magic, reference))
    yield from (Candidate(reference.handle, "alias") for reference in cursor.tables if reference.handle)


def _tables(known: Names, magic: str, cursor: scope.Cursor) -> Iterator[Candidate]:
    common = [r.path[0] for r in cursor.tables if r.columns is not None and len(r.path) == 1]
    yield from (Candidate(name, "table") for name in common)
    default = known.default_database(magic)
    if default is not None:
        yield from (Candidate(name, "table") for name in known.tables(magic, default))
    yield from (Candidate(name, "database") for name in known.databases(magic))


def _columns_of(known: Names, magic: str, cursor: scope.Cursor) -> Iterator[Candidate]:
    """The columns behind ``alias.`` or ``database.table.``."""
    for reference in cursor.tables:
        by_alias = len(cursor.path) == 1 and reference.handle.casefold() == cursor.path[0].casefold()
        by_name = tuple(map(str.casefold, reference.path)) == tuple(map(str.casefold, cursor.path))
        if by_alias or by_name:
            yield from (Candidate(name, "column") for name in _reference_columns(known, magic, reference))
            return


def _tables_under(known: Names, magic: str, path: Sequence[str]) -> Iterator[Candidate]:
    """The tables behind ``database.``, also where its source or catalog is named before it."""
    databases = {name.casefold(): name for name in known.databases(magic)}
    name = databases.get(path[-1].casefold())
    if name is not None and len(path) <= 2:
        yield from (Candidate(table, "table") for table in known.tables(magic, name))
    elif len(path) == 1 and path[0].casefold() == magic.casefold():
        yield from (Candidate(database, "database") for database in databases.values())


def _reference_columns(known: Names, magic: str, reference: scope.Reference) -> Iterable[str]:
    if reference.columns is not None:
        return reference.columns
    path = reference.path
    database = path[-2] if len(path) > 1 else known.default_database(magic)
    return known.columns(magic, database, path[-1]) if path and database is not None else ()


def _words(prefix: str, dialect: str, *, functions: bool = True) -> Iterator[Candidate]:
    """Functions and keywords, in the case in which the word was begun."""
    small = bool(prefix) and prefix == prefix.lower()
    if functions:
        yield from (Candidate(name, "function") for name in _starts(prefix, words.functions(dialect)))
    for word in _starts(prefix, words.keywords(dialect)):
        yield Candidate(word.lower() if small else word, "keyword")


def _variables(extension: Extension, types: tuple[type, ...] | None) -> list[str]:
    """The user's variables that could be meant: values, no modules, functions or classes."""
    hidden = extension.shell.user_ns_hidden
    return sorted(
        name
        for name, value in list(extension.shell.user_ns.items())
        if not name.startswith("_")
        and name not in hidden
        and (isinstance(value, types) if types else not callable(value) and not _is_module(value))
    )


def _is_module(value: Any) -> bool:
    return type(value).__name__ == "module"


def _admin(extension: Extension, place: Place) -> tuple[list[Candidate], str]:
    from stupiddb.magics import OWN, admin

    typed = _last_word(place.before)
    before = place.before[: len(place.before) - len(typed)].split()
    if typed.startswith("-"):
        return _flag_or_value(extension, place, admin.FLAGS)
    if not before:
        return _starting(typed, list(admin.COMMANDS), "command"), typed
    if before == ["help"]:
        return _starting(typed, [*extension.kinds, *(own[0] for own in OWN)], "magic"), typed
    if before == ["connect"]:
        return _files(typed), typed
    command = admin.COMMANDS.get(before[0]) if len(before) == 1 else None
    return _starting(typed, list(command.choices) if command else [], "value"), typed


def _catalog(extension: Extension, place: Place) -> tuple[list[Candidate], str]:
    from stupiddb.magics import catalog

    typed = _last_word(place.before)
    if typed.startswith("-"):
        return _flag_or_value(extension, place, catalog.FLAGS)
    known = extension.names
    parts = typed.split(".", 2)
    if len(parts) == 1:
        return _starting(typed, [f"{name}." for name in extension.kinds], "source"), typed
    if len(parts) == 2:
        found = [f"{parts[0]}.{name}." for name in known.databases(parts[0])]
        return _starting(typed, found, "database"), typed
    found = [f"{parts[0]}.{parts[1]}.{name}" for name in known.tables(parts[0], parts[1])]
    return _starting(typed, found, "table"), typed


def _files(typed: str) -> list[Candidate]:
    """Folders and TOML files under what is typed of a path."""
    from pathlib import Path

    folder, _, name = typed.rpartition("/")
    root = Path(f"{folder}/" if folder or typed.startswith("/") else ".").expanduser()
    shown = f"{folder}/" if "/" in typed else ""
    return [
        Candidate(shown + path.name + ("/" if path.is_dir() else ""), "path")
        for path in (sorted(root.iterdir())[:1000] if root.is_dir() else ())
        if path.name.startswith(name) and (path.is_dir() or path.suffix == ".toml")
    ]


def _written(name: str, cursor: scope.Cursor, dialect: str) -> str:
    """A name as it has to be written: quoted where it began so, or where it would mean something else."""
    from stupiddb.cells import quote

    if cursor.quote:
        written = quote(name, dialect)
        return written[:-1] if cursor.closed else written
    folds = dialect != "postgres" and dialect != "redshift"  # others ignore case in a bare name
    bare = _PLAIN.fullmatch(name.lower() if folds else name) and name.upper() not in _RESERVED
    return name if bare else quote(name, dialect)


def _last_word(text: str) -> str:
    match = _WORD.search(text)
    return match[0] if match else ""


def _starts(prefix: str, names: Iterable[str]) -> list[str]:
    folded = prefix.casefold()
    return [name for name in names if name.casefold().startswith(folded)]


def _starting(prefix: str, names: Iterable[str], kind: str) -> list[Candidate]:
    return [Candidate(name, kind) for name in _starts(prefix, names)]
