"""The words of a vocabulary that a mistyped word may have meant."""

from __future__ import annotations

from collections.abc import Iterator

_SHORTEST = 4
_LONG = 8
_CANDIDATES = 600


def corrections(word: str, vocabulary: str, count: int = 3) -> list[str]:
    """Words within one edit (two from eight letters on) of ``word``, nearest first.

    ``vocabulary`` holds words between newlines. A word cut into one piece more than the edits allowed
    keeps one piece whole (the pigeonhole principle), so only words that hold a piece are compared.
    """
    if len(word) < _SHORTEST:
        return []
    allowed = 2 if len(word) >= _LONG else 1
    found: dict[str, int] = {}
    for candidate in _candidates(word, vocabulary, allowed):
        if candidate not in found:
            edits = distance(word, candidate, allowed)
            if 0 < edits <= allowed:
                found[candidate] = edits
    return sorted(found, key=lambda candidate: (found[candidate], candidate[0] != word[0], candidate))[:count]


def distance(left: str, right: str, allowed: int) -> int:
    """Insertions, deletions, substitutions and swaps of neighbours between two words.

    Optimal string alignment (Damerau 1964, restricted); anything over ``allowed`` is ``allowed + 1``.
    """
    if abs(len(left) - len(right)) > allowed:
        return allowed + 1
    before: list[int] = []
    previous = list(range(len(right) + 1))
    for row, letter in enumerate(left, 1):
        current = [row]
        for column, other in enumerate(right, 1):
            cost = min(
                previous[column] + 1, current[column - 1] + 1, previous[column - 1] + (letter != other)
            )
            if row > 1 and column > 1 and letter == right[column - 2] and left[row - 2] == other:
                cost = min(cost, before[column - 2] + 1)
            current.append(cost)
        if min(current) > allowed:
            return allowed + 1
        before, previous = previous, current
    return min(previous[-1], allowed + 1)


def _candidates(word: str, vocabulary: str, allowed: int) -> Iterator[str]:
    """Words of a fitting length that start with, end with or hold a piece of ``word``."""
    for index in range(len(word) - 1):  # a swap may tear two pieces at once
        swapped = word[:index] + word[index + 1] + word[index] + word[index + 2 :]
        if f"\n{swapped}\n" in vocabulary:
            yield swapped
    size, extra = divmod(len(word), allowed + 1)
    start = 0
    for piece in range(allowed + 1):
        end = start + size + (piece < extra)
        text = word[start:end]
        needle = f"\n{text}" if piece == 0 else f"{text}\n" if piece == allowed else text
        yield from _holding(needle, vocabulary, len(word), allowed)
        start = end


def _holding(needle: str, vocabulary: str, length: int, allowed: int) -> Iterator[str]:
    position, left = 0, _CANDIDATES
    while left and (position := vocabulary.find(needle, position)) >= 0:
        anchor = position + 1 if needle[0] == "\n" else position
        begin = vocabulary.rfind("\n", 0, anchor) + 1
        end = vocabulary.find("\n", anchor)
        if abs(end - begin - length) <= allowed:
            left -= 1
            yield vocabulary[begin:end]
        position = end
