"""Flags of the magics: what there is, how a line is read, and the help made from the same definitions.

A line is read by its own small scanner, never by ``shlex``: SQL follows the flags, and its quotes are
SQL's. Values may be quoted, and brackets keep their spaces: ``--params {"day": date(2013, 1, 1)}``.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stupiddb_kernel.errors import UsageError, nearest

_UNITS = {
    "": 1,
    "B": 1,
    **{f"{prefix}B": 1000**power for power, prefix in enumerate("KMGTP", start=1)},
    **{f"{prefix}IB": 1024**power for power, prefix in enumerate("KMGTP", start=1)},
}
_SECONDS = {"": 1.0, "MS": 0.001, "S": 1.0, "M": 60.0, "MIN": 60.0, "H": 3600.0}
_AMOUNT = re.compile(r"(\d+(?:\.\d*)?|\.\d+)\s*([A-Za-z]*)")
_FLAG = re.compile(r"(--[A-Za-z][\w-]*|-[A-Za-z](?![\w-]))(=?)")
_CLOSING = {"(": ")", "[": "]", "{": "}"}


@dataclass(frozen=True)
class Flag:
    """One flag: ``read`` turns its text into a value or raises ValueError; None means it takes no value."""

    name: str
    help: str
    read: Callable[[str], Any] | None = None
    metavar: str = ""
    allowed: str = ""
    choices: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    many: bool = False

    @property
    def key(self) -> str:
        """Its name as a Python identifier."""
        return self.name.removeprefix("--").replace("-", "_")


@dataclass(frozen=True)
class Line:
    """A line after reading: the flags by key, and the rest exactly as it was typed."""

    flags: dict[str, Any]
    rest: str


def read_size(text: str) -> int:
    """Bytes from ``5GB``, ``1.5 TiB``, ``1000``; KB is 1000 bytes, KiB 1024. Raises ValueError."""
    size = _amount(text, _UNITS)
    if size < 1:
        raise ValueError("a size is at least 1 byte")
    return int(size)


def read_duration(text: str) -> float:
    """Seconds from ``30``, ``30s``, ``500ms``, ``5m``, ``1h``. Raises ValueError."""
    seconds = _amount(text, _SECONDS)
    if seconds <= 0:
        raise ValueError("a duration is more than 0")
    return seconds


def read_count(text: str) -> int:
    """A number of rows, 0 or more; ``1_000`` and ``1,000`` are 1000. Raises ValueError."""
    if not re.fullmatch(r"\d[\d_,]*", text):
        raise ValueError("not a whole number")
    return int(text.replace(",", "").replace("_", ""))


def read_name(text: str) -> str:
    """A Python variable's name. Raises ValueError."""
    if not text.isidentifier() or keyword.iskeyword(text):
        raise ValueError("not a Python name")
    return text


def read_text(text: str) -> str:
    """Any text but none. Raises ValueError."""
    if not text:
        raise ValueError("empty")
    return text


def choice(*allowed: str) -> Callable[[str], str]:
    """A reader that takes one of ``allowed``, ignoring case."""

    def read(text: str) -> str:
        if text.lower() not in allowed:
            raise ValueError("not one of them")
        return text.lower()

    return read


def parse(line: str, flags: Sequence[Flag], magic: str, *, anywhere: bool = False) -> Line:
    """Read the flags at the start of ``line``; ``anywhere`` also takes those after other words.

    A SQL comment, ``--`` and a space, is no flag. Raises UsageError for an unknown flag (with the
    nearest one), a missing, unneeded or wrong value, and a flag given twice.
    """
    by_name = {name: flag for flag in flags for name in (flag.name, *flag.aliases)}
    found: dict[str, Any] = {}
    words: list[str] = []
    position = 0
    while True:
        position = _skip_spaces(line, position)
        match = _FLAG.match(line, position)
        if match is None:
            if anywhere and position < len(line):
                word, position = _value(line, position)
                words.append(word)
                continue
            rest = " ".join(words) if anywhere else line[position:]
            return Line(found, rest)
        flag = by_name.get(match[1])
        if flag is None:
            raise _unknown(match[1], list(by_name), magic)
        position = match.end()
        if flag.read is None:
            if match[2]:
                raise UsageError(f"{flag.name} of %{magic} takes no value", hint=f"write {flag.name} alone")
            value: Any = True
        else:
            text, position = _value(line, _skip_spaces(line, position))
            value = _read(flag, flag.read, text, magic)
        if flag.many:
            found.setdefault(flag.key, []).append(value)
        elif flag.key in found:
            raise UsageError(f"{flag.name} of %{magic} is given twice", hint="give it once")
        else:
            found[flag.key] = value


def usage(flags: Sequence[Flag]) -> str:
    """The flags with their help, one a paragraph, as ``--help`` and ``?`` show them."""
    rows = []
    for flag in flags:
        names = ", ".join((flag.name, *flag.aliases))
        rows.append((f"{names} {flag.metavar}".rstrip(), flag.help))
    width = max(len(left) for left, _ in rows)
    return "\n".join(f"  {left.ljust(width)}  {text}" for left, text in rows)


def _read(flag: Flag, read: Callable[[str], Any], text: str, magic: str) -> Any:
    allowed = flag.allowed or flag.metavar
    if not text:
        raise UsageError(f"{flag.name} of %{magic} needs a value", hint=f"allowed: {allowed}")
    try:
        return read(text)
    except ValueError as error:
        near = nearest(text, flag.choices, 1)
        meant = f"did you mean {near[0]!r}? " if near else ""
        raise UsageError(
            f"{flag.name} of %{magic}: found {text!r} ({error})", hint=f"{meant}allowed: {allowed}"
        ) from None


def _unknown(name: str, known: list[str], magic: str) -> UsageError:
    near = nearest(name, known, 1) or [flag for flag in known if flag.startswith(name)][:1]
    meant = f"did you mean {near[0]}?" if near else f"known: {', '.join(sorted(known))}"
    return UsageError(f"%{magic} has no flag {name}", hint=f"{meant} (%{magic} --help lists all)")


def _amount(text: str, units: Mapping[str, float]) -> float:
    match = _AMOUNT.fullmatch(text.strip())
    if match is None or match[2].upper() not in units:
        raise ValueError("not a number with a unit")
    return float(match[1]) * units[match[2].upper()]


def _skip_spaces(line: str, position: int) -> int:
    while position < len(line) and line[position].isspace():
        position += 1
    return position


def _value(line: str, start: int) -> tuple[str, int]:
    """The value at ``start`` up to white space that is outside quotes and brackets, and where it ends."""
    closing: list[str] = []
    quote = ""
    position = start
    while position < len(line):
        char = line[position]
        if quote:
            if char == "\\":
                position += 1
            elif char == quote:
                quote = ""
        elif char in "'\"":
            quote = char
        elif char in _CLOSING:
            closing.append(_CLOSING[char])
        elif closing and char == closing[-1]:
            closing.pop()
        elif char.isspace() and not closing:
            break
        position += 1
    text = line[start:position]
    if quote or closing:
        raise UsageError(f"{text!r} is not closed", hint=f"add {quote or closing[-1]}")
    if len(text) >= 2 and text[0] in "'\"" and text.find(text[0], 1) == len(text) - 1:
        text = text[1:-1]
    return text, position
