"""Search over names and comments: exact before prefix, word, substring, comment and mistyped ones.

Names stand in one text a source, so each class is one pass of ``str.find``; a class that fills the
answer ends the search, and no class looks at more than a bounded number of places.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Literal, NamedTuple

from stupiddb_kernel.catalog.nodes import Hit
from stupiddb_kernel.catalog.snapshot import Snapshot, fold
from stupiddb_kernel.catalog.spelling import corrections

Match = Literal["exact", "prefix", "word", "substring"]
HitMatch = Literal["exact", "prefix", "word", "substring", "comment", "fuzzy"]
_NAMED: tuple[Match, ...] = ("exact", "prefix", "word", "substring")
_LEVELS = ("source", "database", "table", "column")
_SCANNED = 1000
_SCANNED_FOR_OTHERS = 4000
_MOST_WORDS = 4
_MOST_VARIANTS = 4


@dataclass(frozen=True)
class _Query:
    """``needle`` is looked for in names; ``ancestors`` stand before it in the path, ``others`` anywhere."""

    needle: str
    ancestors: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    scopes: dict[Snapshot, list[tuple[int, int]]] = field(default_factory=dict)
    occurs: dict[tuple[Snapshot, int], bool] = field(default_factory=dict)

    @property
    def most(self) -> int:
        """How many places of one class are looked at: more where other words leave out many of them."""
        return _SCANNED_FOR_OTHERS if self.others else _SCANNED


class _Place(NamedTuple):
    """Something named in a snapshot: ``at`` is the index of the database, table or column."""

    snapshot: Snapshot
    level: int
    at: int


_Found = dict[_Place, HitMatch]


def search(snapshots: Sequence[Snapshot], text: str, limit: int = 50) -> list[Hit]:
    """What is named, or commented, like ``text``, best first.

    ``text`` may be a path as far as it is known (``crm.members.tier``), or several words that all occur.
    Only where hardly anything else is found are misspelt words corrected.
    """
    found: _Found = {}
    for query in _queries(text):
        if all(_occurs(word, snapshots) for word in query.others):
            for match in _NAMED:
                _collect(found, snapshots, query, match, limit)
            _collect_comments(found, snapshots, query, limit)
    if len(found) < min(limit, 3):
        _collect_misspelt(found, snapshots, text, limit)
    return [_hit(place, match) for place, match in islice(found.items(), limit)]


def _queries(text: str) -> list[_Query]:
    words = fold(text).split()
    if not words:
        return []
    if len(words) == 1:
        *ancestors, needle = words[0].split(".")
        return [_Query(needle, tuple(part for part in ancestors if part))]
    words = words[:_MOST_WORDS]
    joined = [_Query("_".join(words)), _Query("".join(words))]
    return joined + [
        _Query(word, (), tuple(other for other in words if other != word))
        for word in sorted(words, key=len, reverse=True)
    ]


def _collect(found: _Found, snapshots: Sequence[Snapshot], query: _Query, match: Match, limit: int) -> None:
    """Add the places of one class, those higher in the tree and with shorter names first."""
    fresh: dict[_Place, tuple[int, int, str]] = {}
    for level in range(len(_LEVELS)):
        if len(found) + len(fresh) >= limit or (fresh and not query.needle):
            break
        for snapshot in snapshots:
            for index, name in _places(snapshot, level, query, match):
                place = _Place(snapshot, level, index)
                if place not in found and _fits(place, name, query):
                    fresh[place] = (level, len(name), name)
    found.update((place, match) for place in sorted(fresh, key=fresh.__getitem__))


def _places(snapshot: Snapshot, level: int, query: _Query, match: Match) -> Iterator[tuple[int, str]]:
    """Index and folded name of what matches on one level of the tree."""
    if not query.needle and not query.ancestors:
        return
    if level < 2:
        names = [snapshot.source] if level == 0 else snapshot.databases
        folded = enumerate(map(fold, names))
        yield from ((index, name) for index, name in folded if _is(name, query.needle, match))
    elif not query.needle and match != "prefix":
        return
    elif level == 2 and not query.needle:
        inside = [_below((snapshot.source, name), query.ancestors) for name in snapshot.databases]
        names_of = zip(snapshot.tables, snapshot.folded_tables, strict=True)
        yield from ((index, name) for index, (row, name) in enumerate(names_of) if inside[row[0]])
    elif not _occurs_on(snapshot, level, query):
        return
    elif level == 2:
        yield from _lines(snapshot.table_text, query, match)
    elif query.ancestors:
        yield from _columns_below(snapshot, query, match)
    else:
        yield from _lines(snapshot.column_text, query, match)


def _occurs_on(snapshot: Snapshot, level: int, query: _Query) -> bool:
    """Whether the needle is anywhere in the names of a level; asked once for all classes."""
    key = (snapshot, level)
    if key not in query.occurs:
        query.occurs[key] = query.needle in (snapshot.table_text if level == 2 else snapshot.column_text)
    return query.occurs[key]


def _columns_below(snapshot: Snapshot, query: _Query, match: Match) -> Iterator[tuple[int, str]]:
    """Columns of the tables that the ancestors name; tables that stand side by side are one stretch."""
    for first, last in _scope(snapshot, query):
        stretch = (snapshot.column_offsets[first], snapshot.column_offsets[last] + 1)
        for line, name in _lines(snapshot.column_text, query, match, stretch=stretch):
            yield snapshot.column_starts[first] + line, name


def _scope(snapshot: Snapshot, query: _Query) -> list[tuple[int, int]]:
    """The tables that the ancestors name, as stretches ``first <= index < last``; worked out once."""
    if snapshot not in query.scopes:
        left = _left(query.ancestors, fold(snapshot.source))
        of_database = [_left(left, fold(database)) for database in snapshot.databases]
        stretches: list[tuple[int, int]] = []
        for index, (row, name) in enumerate(zip(snapshot.tables, snapshot.folded_tables, strict=True)):
            open_ancestors = of_database[row[0]]
            if open_ancestors and (len(open_ancestors) > 1 or not name.startswith(open_ancestors[0])):
                continue
            if stretches and stretches[-1][1] == index:
                stretches[-1] = (stretches[-1][0], index + 1)
            else:
                stretches.append((index, index + 1))
        query.scopes[snapshot] = stretches if snapshot.column_offsets else []
    return query.scopes[snapshot]


def _left(ancestors: tuple[str, ...], name: str) -> tuple[str, ...]:
    """The ancestors still to be found below ``name``."""
    return ancestors[1:] if ancestors and name.startswith(ancestors[0]) else ancestors


def _is(name: str, needle: str, match: Match) -> bool:
    if match == "exact":
        return name == needle
    if match == "prefix":
        return name.startswith(needle)
    return (f"_{needle}" if match == "word" else needle) in name


def _lines(
    text: str, query: _Query, match: Match, stretch: tuple[int, int] | None = None
) -> Iterator[tuple[int, str]]:
    """Index, from the beginning of the stretch, and text of the lines that match, a bounded number."""
    needle = query.needle
    wanted = {"exact": f"\n{needle}\n", "prefix": f"\n{needle}", "word": f"_{needle}"}.get(match, needle)
    position, end = stretch or (0, len(text))
    counted, line, left = position, -1, query.most
    while left and (position := text.find(wanted, position, end)) >= 0:
        anchor = position + (wanted[0] == "\n")
        if anchor >= end:
            return
        line += text.count("\n", counted, anchor)
        counted = anchor
        position = text.find("\n", anchor)
        yield line, text[text.rfind("\n", 0, anchor) + 1 : position]
        left -= 1


def _collect_comments(found: _Found, snapshots: Sequence[Snapshot], query: _Query, limit: int) -> None:
    if not query.needle:
        return
    for level, snapshot in ((level, snapshot) for level in (2, 3) for snapshot in snapshots):
        text = snapshot.table_comment_text if level == 2 else snapshot.comment_text
        position, left = 0, query.most
        while left and len(found) < limit and (position := text.find(query.needle, position)) >= 0:
            begin, end = text.rfind("\n", 0, position) + 1, text.find("\n", position)
            number, _, comment = text[begin:end].partition("\t")
            place = _Place(snapshot, level, int(number))
            inside = not query.ancestors or _below(_path(place), query.ancestors)
            if (
                position > begin + len(number)
                and place not in found
                and inside
                and _fits(place, comment, query)
            ):
                found[place] = "comment"
            position, left = end, left - 1


def _collect_misspelt(found: _Found, snapshots: Sequence[Snapshot], text: str, limit: int) -> None:
    """The same search with words that the vocabulary has instead of those that it hasn't."""
    for variant in _corrected(snapshots, text):
        for query in _queries(variant):
            meant: _Found = {}
            for match in _NAMED:
                _collect(meant, snapshots, query, match, limit - len(found))
            found.update((place, "fuzzy") for place in meant if place not in found)
            if len(found) >= limit:
                return


def _occurs(word: str, snapshots: Sequence[Snapshot]) -> bool:
    """Whether each piece of a word is part of some name or comment at all."""
    return all(
        any(
            piece in snapshot.vocabulary
            or piece in fold(snapshot.source)
            or piece in snapshot.comment_text
            or piece in snapshot.table_comment_text
            for snapshot in snapshots
        )
        for piece in _pieces(word)
        if piece.isalnum()
    )


def _corrected(snapshots: Sequence[Snapshot], text: str) -> list[str]:
    """The query with one spelling or another of each word that no name has; best first."""
    variants = [""]
    changed = False
    for word in _pieces(fold(text)):
        choices = [word]
        if word.isalpha() and not any(f"\n{word}" in snapshot.vocabulary for snapshot in snapshots):
            better: list[str] = []
            for snapshot in snapshots:
                better += [c for c in corrections(word, snapshot.vocabulary) if c not in better]
            better += [
                s for s in (fold(snapshot.source) for snapshot in snapshots) if corrections(word, f"\n{s}\n")
            ]
            choices = better[:3] or choices
            changed = changed or bool(better)
        variants = [before + choice for before in variants for choice in choices][:_MOST_VARIANTS]
    return variants if changed else []


def _pieces(text: str) -> list[str]:
    """Runs of letters and digits, and what stands between them."""
    pieces: list[str] = []
    for letter in text:
        if pieces and letter.isalnum() and pieces[-1][-1].isalnum():
            pieces[-1] += letter
        else:
            pieces.append(letter)
    return pieces


def _below(path: Sequence[str], ancestors: Sequence[str]) -> bool:
    """Whether each ancestor starts a part of the path, in order."""
    parts = iter(path)
    return all(any(fold(part).startswith(ancestor) for part in parts) for ancestor in ancestors)


def _fits(place: _Place, name: str, query: _Query) -> bool:
    if query.ancestors and place.level < 3 and not _below(_path(place), query.ancestors):
        return False
    if query.others:
        above = place.snapshot.source if place.level < 2 else place.snapshot.folded_paths[_table(place)]
        text = f"{above} {name}"
        return all(word in text for word in query.others)
    return True


def _path(place: _Place) -> tuple[str, ...]:
    """The names above a place: source, database, table."""
    snapshot = place.snapshot
    if place.level < 2:
        return (snapshot.source,)[: place.level]
    row = snapshot.tables[_table(place)]
    return (snapshot.source, snapshot.databases[row[0]], row[1])[: place.level]


def _table(place: _Place) -> int:
    return place.at if place.level == 2 else bisect_right(place.snapshot.column_starts, place.at) - 1


def _hit(place: _Place, match: HitMatch) -> Hit:
    snapshot, index = place.snapshot, place.at
    if place.level == 0:
        return Hit(snapshot.source, "source", match)
    if place.level == 1:
        return Hit(f"{snapshot.source}.{snapshot.databases[index]}", "database", match)
    table = _table(place)
    node = snapshot.table(table)
    if place.level == 2:
        return Hit(str(node.name), "table", match, node.name, comment=node.comment)
    column = snapshot.read_columns(table)[index - snapshot.column_starts[table]]
    return Hit(
        f"{node.name}.{column.name}", "column", match, node.name, column.name, column.type, column.comment
    )
