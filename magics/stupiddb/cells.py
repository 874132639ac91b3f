"""What stands in a cell: flags, the name the result goes by, and SQL with its ``{name!i}`` templates.

The SQL stays what was typed. Nothing is ever pasted into it but identifiers that were asked for with
``{name!i}``, and those are quoted for the source; ``{"json": 1}`` and ``{x}`` are left alone.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from stupiddb.flags import Flag, parse
from stupiddb_kernel.errors import UsageError, nearest

if TYPE_CHECKING:
    from stupiddb_kernel.sources.binding import Token

_ASSIGNED = re.compile(r"\s*([^\W\d]\w*)[ \t]*<<(?!<)")
_MAXIMUM_IDENTIFIER = 1024


@dataclass(frozen=True)
class Statement:
    """A cell taken apart: ``out`` is the name after ``--out`` or before ``<<``."""

    sql: str
    out: str | None
    flags: Mapping[str, Any]


def read(line: str, cell: str | None, flags: Sequence[Flag], magic: str) -> Statement:
    """Take apart a magic's line and body. Raises UsageError for what is not understood."""
    parsed = parse(line, flags, magic)
    first, rest = _assignment(parsed.rest)
    second: str | None = None
    sql = rest
    if cell is not None:
        if first is None and re.fullmatch(r"\w+", rest.strip()):
            word = rest.strip()
            raise UsageError(
                f"{word!r} after %%{magic} is neither a flag nor SQL",
                hint=f"to name the result write `%%{magic} --out {word}`, or `{word} << SELECT …`",
            )
        body = cell
        if not rest.strip():
            second, body = _assignment(cell)
        sql = f"{rest}\n{body}" if rest.strip() else body
    out = _one_name([parsed.flags.get("out"), first, second], magic)
    return Statement(sql.strip(), out, parsed.flags)


def expand(sql: str, names: Mapping[str, Any], dialect: str) -> str:
    """``sql`` with every ``{name!i}`` replaced by the identifier in ``names``, quoted for ``dialect``.

    A string is one identifier whatever it holds; a tuple or list is a dotted one. Templates in strings
    and comments are left alone. Raises UsageError for an unknown name or a value that is no identifier.
    """
    from stupiddb_kernel.sources.binding import tokenize

    if "!i}" not in sql:
        return sql
    tokens = list(tokenize(sql, dialect))
    parts: list[str] = []
    position = 0
    for index, token in enumerate(tokens):
        if token.kind == "quoted" and re.search(r"\{\w+!i\}", token.text):
            raise UsageError(
                f"{token.text} quotes a template that quotes by itself",
                hint=f"write {token.text[1:-1]} without the quotes around it",
            )
        template = tokens[index : index + 5]
        if not _is_template(template):
            continue
        parts += [sql[position : token.start], _identifier(template[1].text, names, dialect)]
        position = template[4].end
    return "".join([*parts, sql[position:]])


def quote(identifier: str, dialect: str) -> str:
    """One identifier, quoted for ``dialect`` whether it needs it or not. Raises UsageError."""
    if not identifier or "\0" in identifier or len(identifier) > _MAXIMUM_IDENTIFIER:
        raise UsageError(
            f"{identifier[:60]!r} can't be an identifier",
            hint=f"it holds 1 to {_MAXIMUM_IDENTIFIER} characters and no NUL",
        )
    mark = "`" if dialect == "mysql" else '"'
    return mark + identifier.replace(mark, mark * 2) + mark


def _is_template(tokens: Sequence[Token]) -> bool:
    """Whether these five tokens are ``{name!i}``, with nothing between them."""
    if len(tokens) < 5 or [token.text for token in (tokens[0], *tokens[2:])] != ["{", "!", "i", "}"]:
        return False
    return tokens[1].kind == "word" and tokens[4].end - tokens[0].start == len(tokens[1].text) + 4


def _identifier(name: str, names: Mapping[str, Any], dialect: str) -> str:
    if name not in names:
        near = nearest(name, [known for known in names if not known.startswith("_")], 1)
        raise UsageError(
            f"no variable {name!r} for the template {{{name}!i}}",
            hint=f"did you mean {near[0]!r}?" if near else f"set {name} = 'table_or_column' first",
        )
    value = names[name]
    parts = [value] if isinstance(value, str) else value
    if not isinstance(parts, list | tuple) or not parts or not all(isinstance(part, str) for part in parts):
        raise UsageError(
            f"{{{name}!i}} takes an identifier; found {type(value).__name__}",
            hint="give a string, or a tuple of strings for a dotted name: ('crm', 'members')",
        )
    return ".".join(quote(str(part), dialect) for part in parts)


def _assignment(text: str) -> tuple[str | None, str]:
    match = _ASSIGNED.match(text)
    return (match[1], text[match.end() :]) if match else (None, text)


def _one_name(given: Sequence[str | None], magic: str) -> str | None:
    names = list(dict.fromkeys(name for name in given if name is not None))
    if len(names) > 1:
        raise UsageError(
            f"%{magic}: the result is given two names: {' and '.join(names)}", hint="name it once"
        )
    if names and keyword.iskeyword(names[0]):
        raise UsageError(f"%{magic}: {names[0]!r} is a word of Python", hint="choose another name")
    return names[0] if names else None
