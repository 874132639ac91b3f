"""Dirt as real event streams have it: nulls, blanks, wrong case, stray spaces, dates that are none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stupiddb_kernel.errors import UsageError
from stupiddb_kernel.local.randomness import Integers, Mask, Stream


@dataclass(frozen=True)
class Dirt:
    """Shares of values that are dirty in one way, each 0 … 1; a value is dirty in at most one way."""

    null: float = 0.01
    blank: float = 0.005
    """Nothing, or one or two spaces."""
    case: float = 0.02
    """``m000…``, ``lOGIN``: the case of every letter is swapped."""
    padding: float = 0.02
    """One to three spaces at the end."""
    unknown: float = 0.01
    """Codes of members and games that don't exist."""
    malformed: float = 0.005
    """Timestamps that are not ISO 8601, or no timestamps at all."""

    def __post_init__(self) -> None:
        shares = [getattr(self, field.name) for field in fields(self)]
        if any(not 0 <= share <= 1 for share in shares) or sum(shares) > 1:
            raise UsageError(f"shares of dirt lie in 0 … 1 and add up to at most 1; found {self}")

    @classmethod
    def none(cls) -> Dirt:
        """Everything clean."""
        return cls(0, 0, 0, 0, 0, 0)


MALFORMED = ("2025-13-45T08:15:30Z", "12/06/2025 08:15", "yesterday", "1749716130", "0000-00-00T00:00:00Z")
_BLANKS = ("", " ", "  ")
_PADS = (" ", "  ", "   ")
# The ways to be dirty, in the order of the draw; what a kind of column can't be, it is not.
_NULL, _BLANK, _CASE, _PADDING, _UNKNOWN, _MALFORMED = range(6)
_CLEAN = 6


class Draw:
    """What becomes of each value of one column in one batch. Few are dirty, so their treatment is cheap."""

    def __init__(self, dirt: Dirt, stream: Stream, rows: int) -> None:
        edges = np.cumsum((dirt.null, dirt.blank, dirt.case, dirt.padding, dirt.unknown, dirt.malformed))
        uniform = stream.uniform(rows)
        self._rows = np.flatnonzero(uniform < edges[-1])
        self._ways = np.searchsorted(edges, uniform[self._rows], side="right")
        self._words = stream.words(len(self._rows))

    def unknown(self) -> Integers:
        """Rows whose key is to be one that does not exist."""
        rows: Integers = self._rows[self._ways == _UNKNOWN]
        return rows

    def names(self, names: Sequence[str], indices: Integers) -> pa.StringArray:
        """A column of few different names with its nulls, blanks, swapped case and padding."""
        variants = 2 + len(_BLANKS) + len(_PADS) + 1
        texts: list[str | None] = []
        for name in names:
            padded = [name + pad for pad in _PADS]
            texts += [name, None, *_BLANKS, name.swapcase(), *padded]
        variant = np.select(
            [self._ways == _NULL, self._ways == _BLANK, self._ways == _CASE, self._ways == _PADDING],
            [1, 2 + self._word(len(_BLANKS)), 5, 6 + self._word(len(_PADS))],
            0,
        )
        which = indices * variants
        which[self._rows] += variant
        return pa.array(texts, pa.string()).take(pa.array(which))

    def codes(self, clean: pa.StringArray) -> pa.StringArray:
        """A column of codes with its nulls, blanks, swapped case and padding."""
        rows = np.isin(self._ways, (_NULL, _BLANK, _CASE, _PADDING))
        codes = clean.take(pa.array(self._rows[rows]))
        blank = pc.if_else(codes.is_valid(), pa.array(_BLANKS).take(self._pick(rows, len(_BLANKS))), None)
        padded = pc.binary_join_element_wise(codes, pa.array(_PADS).take(self._pick(rows, len(_PADS))), "")
        return self._replace(clean, rows, [blank, pc.utf8_swapcase(codes), padded])

    def times(self, clean: pa.StringArray) -> pa.StringArray:
        """A column of ISO timestamps with its nulls, blanks and malformed ones."""
        rows = np.isin(self._ways, (_NULL, _BLANK, _MALFORMED))
        blank = pa.array(_BLANKS).take(self._pick(rows, len(_BLANKS)))
        malformed = pa.array(MALFORMED).take(self._pick(rows, len(MALFORMED)))
        return self._replace(clean, rows, [blank, None, None, None, malformed])

    def _replace(
        self, clean: pa.StringArray, rows: Mask, treated: list[pa.StringArray | None]
    ) -> pa.StringArray:
        """``treated`` holds the values for blank, case, padding, unknown, malformed; null is null."""
        ways = pa.array(self._ways[rows] - _BLANK).cast(pa.int64())
        nothing = pa.nulls(len(ways), pa.string())
        chosen = pc.choose(
            pc.if_else(pc.less(ways, 0), None, ways),
            *[nothing if values is None else values for values in treated],
        )
        which = np.arange(len(clean))
        which[self._rows[rows]] = len(clean) + np.arange(len(chosen))
        return pa.concat_arrays([clean, chosen]).take(pa.array(which))

    def _pick(self, rows: Mask, count: int) -> pa.Array:
        return pa.array(self._word(count)[rows])

    def _word(self, count: int) -> Integers:
        picked: Integers = (self._words % np.uint64(count)).astype(np.int64)
        return picked
