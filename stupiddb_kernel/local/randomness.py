"""Random numbers that are the same on every machine and run, by name and batch, as numpy arrays.

Only numpy's raw bit streams are used: they are guaranteed to stay as they are, its distributions aren't.
"""

from __future__ import annotations

import zlib
from functools import lru_cache
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Integers: TypeAlias = npt.NDArray[np.int64]
Words: TypeAlias = npt.NDArray[np.uint64]
Mask: TypeAlias = npt.NDArray[np.bool_]
Floats: TypeAlias = npt.NDArray[np.float64]


class Stream:
    """Numbers of one purpose in one batch; each call goes on where the last one ended."""

    def __init__(self, seed: int, purpose: str, batch: int = 0) -> None:
        entropy = [seed & 0xFFFFFFFFFFFFFFFF, zlib.crc32(purpose.encode()), batch]
        self._bits = np.random.PCG64(np.random.SeedSequence(entropy))

    def words(self, count: int) -> Words:
        """Uniform 64-bit words."""
        return self._bits.random_raw(count)

    def uniform(self, count: int) -> Floats:
        """Uniform in [0, 1), 53 bits each."""
        return fractions(self.words(count))

    def below(self, bounds: int | Integers, count: int) -> Integers:
        """Uniform integers in [0, bound)."""
        return (self.uniform(count) * bounds).astype(np.int64)

    def choice(self, weights: tuple[float, ...], count: int) -> Integers:
        """Indices into ``weights``, drawn in their proportion, exact to 1/65536."""
        drawn: Integers = _wheel(weights)[self.words(count) >> np.uint64(48)]
        return drawn


def fractions(words: Words) -> Floats:
    """Words as numbers in [0, 1)."""
    return (words >> np.uint64(11)).astype(np.float64) * 2.0**-53


@lru_cache
def _wheel(weights: tuple[float, ...]) -> Integers:
    edges = np.cumsum(weights) / sum(weights)
    spots = (np.arange(65_536) + 0.5) / 65_536
    return np.searchsorted(edges[:-1], spots, side="right").astype(np.int64)


def zipf(uniform: Floats, size: int, exponent: float) -> Integers:
    """Ranks 0 … size - 1 with frequency ~ 1 / (rank + 1) ** exponent, by inverting the continuous law.

    The density is x ** -exponent on [1, size + 1), cut to whole numbers: no table, so ``size`` costs
    nothing. ``exponent`` is not 1.
    """
    power = 1.0 - exponent
    ranks = ((((size + 1.0) ** power - 1.0) * uniform + 1.0) ** (1.0 / power)).astype(np.int64) - 1
    clipped: Integers = np.minimum(ranks, size - 1)
    return clipped


def scatter(ranks: Integers, size: int) -> Integers:
    """A fixed permutation of 0 … size - 1, so that the frequent ones don't all have the lowest numbers."""
    factor = 2_654_435_761 % size or 1
    while np.gcd(factor, size) != 1:
        factor += 1
    return (ranks % size * factor + size // 3) % size


def scramble(numbers: Integers, salt: int) -> Words:
    """A uniform word for each number, always the same one (splitmix64's finalizer, Steele et al. 2014)."""
    with np.errstate(over="ignore"):
        word = numbers.astype(np.uint64) + np.uint64((salt * 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF)
        word = (word ^ (word >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        word = (word ^ (word >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return word ^ (word >> np.uint64(31))
