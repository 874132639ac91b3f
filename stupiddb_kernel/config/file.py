"""The file ``stupiddb.toml`` itself: where it is found, its text as tables, the line each key stands on.

Standard library only, so that ``%load_ext stupiddb`` can learn the sources' names in milliseconds.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stupiddb_kernel.errors import ConfigurationError, Problem

FILE_NAME = "stupiddb.toml"
PATH_VARIABLE = "STUPIDDB_CONFIG"

Key = tuple[str | int, ...]
"""A place in the file: ``("aws", "aurora", "mappings", 0, "table")``."""


@dataclass(frozen=True)
class ConfigurationFile:
    """A parsed file: its tables as TOML gives them, and the 1-based line of each key."""

    path: Path
    tables: dict[str, Any]
    lines: dict[Key, int] = field(repr=False)

    def line(self, key: Key) -> int | None:
        """The line of a key or, where the key is missing or inline, of the nearest table around it."""
        while key:
            if key in self.lines:
                return self.lines[key]
            key = key[:-1]
        return None


def dotted(key: Key) -> str:
    """``aws.aurora.mappings[0].table``: a key as people write it."""
    text = ""
    for part in key:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def find(path: Path | None, environ: Mapping[str, str], start: Path | None) -> Path | None:
    """The file to read: ``path``, else ``STUPIDDB_CONFIG``, else the first one from ``start`` upwards.

    None if none is there. Raises ConfigurationError for a file that was named but does not exist.
    """
    named, by = (path, "the given path") if path else (environ.get(PATH_VARIABLE), PATH_VARIABLE)
    if named:
        chosen = Path(named).expanduser().absolute()
        if chosen.is_dir():
            chosen = chosen / FILE_NAME
        if not chosen.is_file():
            raise ConfigurationError(
                f"{by} names {str(chosen)!r}, which is no file",
                hint=f"correct it, or leave it out: {FILE_NAME} is then looked for from the notebook's "
                "folder upwards",
            )
        return chosen
    folder = (start or Path.cwd()).absolute()
    for candidate in (folder, *folder.parents):
        if (candidate / FILE_NAME).is_file():
            return candidate / FILE_NAME
    return None


def read(path: Path) -> ConfigurationFile:
    """Parse a file. Raises ConfigurationError for one that can't be read or is no TOML, with the line."""
    import tomllib

    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise ConfigurationError(f"{path} can't be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(
            f"{path} is not UTF-8: byte {error.object[error.start]:#04x} at offset {error.start}",
            hint="save it as UTF-8",
        ) from None
    try:
        tables = tomllib.loads(text.replace("\r\n", "\n"))
    except tomllib.TOMLDecodeError as error:
        reason, _, place = str(error).partition(" (at ")
        position = re.match(r"line (\d+), column (\d+)", place)
        line = int(position[1]) if position else text.count("\n") + 1
        column = f"column {position[2]}" if position else "the end of the file"
        problem = Problem(path.name, f"{reason[:1].lower()}{reason[1:]} at {column}", "TOML 1.0", line)
        raise ConfigurationError(f"{path} is not TOML:", [problem], hint="see https://toml.io") from None
    return ConfigurationFile(path, tables, _lines(text))


_BARE_OR_QUOTED = r"""(?:[A-Za-z0-9_-]+|"(?:[^"\\]|\\.)*"|'[^']*')"""
_DOTTED = rf"{_BARE_OR_QUOTED}(?:\s*\.\s*{_BARE_OR_QUOTED})*"
_HEADER = re.compile(rf"\s*(\[\[?)\s*({_DOTTED})\s*\]")
_ASSIGNMENT = re.compile(rf"\s*({_DOTTED})\s*=")
_TOKEN = re.compile(
    r'"""(?:[^\\]|\\.)*?"""|\'\'\'.*?\'\'\'|"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\'|#[^\n]*|[\[\]{}\n]', re.DOTALL
)


def _lines(text: str) -> dict[Key, int]:
    """The line of each header and each key that is not inside an inline value; ``text`` is valid TOML."""
    lines: dict[Key, int] = {}
    counts: dict[Key, int] = {}
    table: Key = ()
    for number, line in _logical_lines(text):
        if header := _HEADER.match(line):
            table = _place(_parts(header[2]), counts)
            if header[1] == "[[":
                counts[table] = counts.get(table, -1) + 1
                table = (*table, counts[table])
            lines[table] = number
        elif assignment := _ASSIGNMENT.match(line):
            lines[(*table, *_parts(assignment[1]))] = number
    return lines


def _place(parts: list[str], counts: Mapping[Key, int]) -> Key:
    """The key of a header: a parent that is an array of tables means its last element."""
    key: Key = ()
    for index, part in enumerate(parts):
        key = (*key, part)
        if index < len(parts) - 1 and key in counts:
            key = (*key, counts[key])
    return key


def _parts(key: str) -> list[str]:
    return [part.strip("\"'") for part in re.findall(_BARE_OR_QUOTED, key)]


def _logical_lines(text: str) -> list[tuple[int, str]]:
    """Lines that start a statement, with their numbers; what continues an array or string is left out."""
    found = []
    number, start, depth, start_number = 1, 0, 0, 1
    for token in _TOKEN.finditer(text + "\n"):
        if token[0] == "\n" and depth == 0:
            found.append((start_number, text[start : token.start()]))
            start, start_number = token.end(), number + 1
        number += token[0].count("\n")
        depth += (token[0] in "[{") - (token[0] in "]}")
    return found
