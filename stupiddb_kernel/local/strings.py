"""Arrow strings from numbers, vectorised: codes of fixed width and ISO timestamps.

Text is put together four or eight bytes at a time, out of tables of ready-made pieces.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from stupiddb_kernel.errors import UsageError
from stupiddb_kernel.local.randomness import Integers, Mask

_MS_A_DAY = 86_400_000
_MS_A_MINUTE = 60_000


def codes(letter: str, numbers: Integers, digits: int, present: Mask | None = None) -> pa.StringArray:
    """A letter and a number with leading zeros; null where it is not ``present``.

    ``digits`` is 3, 7, 11 …, so that a code is a multiple of four bytes. Raises UsageError for a number
    with more digits.
    """
    if len(numbers) and int(numbers.max()) >= 10**digits:
        raise UsageError(f"{int(numbers.max())} does not fit into the {digits} digits of a code {letter}…")
    groups = (digits + 1) // 4
    text = np.empty((len(numbers), groups), np.uint32)
    rest = numbers.astype(np.uint64)
    for group in range(groups - 1, 0, -1):
        higher = rest // np.uint64(10_000)
        text[:, group] = _pieces("digits")[rest - higher * np.uint64(10_000)]
        rest = higher
    text[:, 0] = _pieces(letter)[rest]
    return _strings(text, present)


def code_digits(count: int) -> int:
    """Digits of codes below ``count``: as few as codes can have, but 7."""
    return next(digits for digits in (7, 11, 15) if count <= 10**digits)


def iso_timestamps(milliseconds: Integers) -> pa.StringArray:
    """Milliseconds since 1970 as ``2025-06-12T08:15:30.123Z``."""
    text = np.empty((len(milliseconds), 3), np.uint64)
    if len(milliseconds):
        day = milliseconds // _MS_A_DAY
        minute = milliseconds // _MS_A_MINUTE
        first = int(day.min())
        dates = np.arange(first, int(day.max()) + 1).astype("datetime64[D]").astype(str)
        months = _rows([date[:8] for date in dates], np.uint64)
        of_month = np.array([int(date[8:]) for date in dates])
        text[:, 0] = months[day - first]
        text[:, 1] = _pieces("days")[of_month[day - first] * 1440 + minute - day * 1440]
        text[:, 2] = _pieces("seconds")[milliseconds - minute * _MS_A_MINUTE]
    return _strings(text)


def validity(present: Mask | None) -> pa.Buffer | None:
    """Arrow's bitmap of the values that are there; None when all are."""
    return None if present is None else pa.py_buffer(np.packbits(present, bitorder="little"))


def _strings(text: npt.NDArray[Any], present: Mask | None = None) -> pa.StringArray:
    count, width = text.shape[0], text.shape[1] * text.itemsize
    offsets = np.arange(count + 1, dtype=np.int32) * np.int32(width)
    return pa.StringArray.from_buffers(count, pa.py_buffer(offsets), pa.py_buffer(text), validity(present))


@lru_cache
def _pieces(kind: str) -> npt.NDArray[Any]:
    """``digits``: 0000 … 9999; ``days``: 12T08:15; ``seconds``: :30.123Z; else a letter and 000 … 999."""
    if kind == "digits":
        return _rows([f"{number:04}" for number in range(10_000)], np.uint32)
    if kind == "days":
        return _rows(
            [f"{day:02}T{m // 60:02}:{m % 60:02}" for day in range(32) for m in range(1440)], np.uint64
        )
    if kind == "seconds":
        return _rows([f":{ms // 1000:02}.{ms % 1000:03}Z" for ms in range(60_000)], np.uint64)
    return _rows([f"{kind}{number:03}" for number in range(1000)], np.uint32)


def _rows(texts: list[str], kind: type[np.generic]) -> npt.NDArray[Any]:
    return np.frombuffer("".join(texts).encode("ascii"), kind)
