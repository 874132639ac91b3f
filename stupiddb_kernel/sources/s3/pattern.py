"""Which keys a ``pattern`` such as ``**/*.parquet`` takes."""

from __future__ import annotations

import re
from functools import lru_cache

from stupiddb_kernel.errors import UsageError

_SPECIAL = re.compile(r"\*\*/|/\*\*$|^\*\*$|\*|\?|\[[!^]?\]?[^\]]*\]|\{[^{}]*\}")


@lru_cache(maxsize=256)
def compile_pattern(pattern: str) -> re.Pattern[str]:
    """The regular expression of a glob over the whole path below a prefix, as Git and bash read it.

    ``**/`` is any number of folders, also none; a closing ``/**`` everything below; ``*`` and ``?`` stay
    within a folder; ``[a-c]``, ``[!x]`` and ``{parquet,pq}`` work. Upper and lower case matter.
    """
    return re.compile(_translate(pattern), re.DOTALL)


def _translate(pattern: str) -> str:
    parts: list[str] = []
    position = 0
    for special in _SPECIAL.finditer(pattern):
        if special.start() < position:
            continue
        parts += [re.escape(pattern[position : special.start()]), _expression(special.group(), pattern)]
        position = special.end()
    return "".join([*parts, re.escape(pattern[position:])])


def _expression(special: str, pattern: str) -> str:
    if special == "**/":
        return "(?:[^/]+/)*"
    if special == "/**":
        return "/.+"
    if special == "**":
        return ".+"
    if special == "*":
        return "[^/]*"
    if special == "?":
        return "[^/]"
    if special.startswith("{"):
        return "(?:" + "|".join(_translate(choice) for choice in special[1:-1].split(",")) + ")"
    negated, inner = special[1] in "!^", special[1:-1].lstrip("!^")
    if not inner:
        raise UsageError(f"the pattern {pattern!r} has an empty character class {special!r}")
    inner = inner.replace("\\", r"\\").replace("[", r"\[").replace("]", r"\]")
    try:
        re.compile(f"[{inner}]")
    except re.error as error:
        raise UsageError(f"the pattern {pattern!r} has the bad character class {special!r}") from error
    return f"(?!/)[^{inner}]" if negated else f"(?!/)[{inner}]"
