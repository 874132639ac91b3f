"""Sizes as people write them: ``5GB``, ``512 MiB``, ``10737418240``."""

from __future__ import annotations

import re

from stupiddb_kernel.errors import UsageError

_POWERS = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4, "P": 5}


def parse_size(text: str) -> int:
    """Bytes in ``text``: KB, MB, GB … are powers of 1000, KiB, MiB, GiB … of 1024. Raises UsageError."""
    matched = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGTP]?)(i?)B?\s*", text, re.IGNORECASE)
    if matched is None or (matched[3] and not matched[2]):
        raise UsageError(f"{text!r} is not a size", hint="write a number and a unit, such as 500MB or 5GiB")
    size = int(float(matched[1]) * (1024 if matched[3] else 1000) ** _POWERS[matched[2].upper()])
    if size <= 0:
        raise UsageError(f"{text!r} allows nothing", hint="write a size above zero")
    return size
