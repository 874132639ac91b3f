"""What the columns of a table hold: from statistics where there are some, and from a bounded sample.

The sample is ``Source.preview``, so nothing here ever causes a billed scan of a table. Every figure says
what it is based on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from stupiddb_kernel.catalog.nodes import ColumnProfile, Profile
from stupiddb_kernel.sources.base import ColumnStatistics, Statistics, Table

if TYPE_CHECKING:
    import pyarrow as pa

    from stupiddb_kernel.sources.result import Result

_TOP = 5
_BINS = 20
_LONGEST = 200


def profile(table: Table, statistics: Statistics, sample: Result, limit: int) -> Profile:
    """Profile a table of which ``sample`` delivers at most ``limit`` rows; the sample is read and closed."""
    with sample:
        rows = sample.to_arrow().slice(0, limit)
    whole = statistics.exact and statistics.rows == rows.num_rows
    basis = "exact" if whole else f"of the first {rows.num_rows:,} rows"
    known = {name.casefold(): column for name, column in statistics.columns.items()}
    sampled = {name.casefold(): index for index, name in enumerate(rows.column_names)}
    columns = []
    for column in table.columns:
        index = sampled.get(column.name.casefold())
        values = None if index is None else rows.column(index)
        found = ColumnProfile(column.name, column.type, basis="unknown")
        if values is not None and len(values):
            found = _of_values(column.name, column.type, values, basis)
        columns.append(_with_statistics(found, known.get(column.name.casefold()), statistics, whole))
    return Profile(table.name, statistics, tuple(columns), rows.num_rows, basis)


def _with_statistics(
    found: ColumnProfile, known: ColumnStatistics | None, statistics: Statistics, whole: bool
) -> ColumnProfile:
    """The sample's figures, replaced by the store's own where it has them and the sample is not all."""
    if known is None or whole:
        return found
    taken = {
        "null_fraction": known.null_fraction,
        "distinct": None if known.distinct is None else round(known.distinct),
        "minimum": known.minimum,
        "maximum": known.maximum,
    }
    given = {name: value for name, value in taken.items() if value is not None}
    if not given:
        return found
    kind = "exact" if statistics.exact else "estimate"
    names = ", ".join(name.replace("_", " ") for name in given)
    basis = kind if found.basis == "unknown" else f"{names}: {kind}; else {found.basis}"
    return ColumnProfile(
        found.name,
        found.type,
        given.get("null_fraction", found.null_fraction),
        given.get("distinct", found.distinct),
        given.get("minimum", found.minimum),
        given.get("maximum", found.maximum),
        found.top,
        found.histogram,
        basis,
    )


def _of_values(name: str, kind: str, values: pa.ChunkedArray, basis: str) -> ColumnProfile:
    import pyarrow.compute as pc

    present = values.drop_null()
    distinct = _tried(lambda: pc.count_distinct(present).as_py())
    extremes = _tried(lambda: pc.min_max(present)) if len(present) else None
    return ColumnProfile(
        name,
        kind,
        values.null_count / len(values),
        distinct,
        _plain(extremes["min"]) if extremes is not None else None,
        _plain(extremes["max"]) if extremes is not None else None,
        _top(present),
        _histogram(present),
        basis,
    )


def _top(values: pa.ChunkedArray) -> tuple[tuple[Any, int], ...]:
    """The most frequent values; none of types that can't be compared, nor where every value is different."""
    counted = _tried(values.value_counts)
    if counted is None or not len(counted):
        return ()
    pairs = zip(counted.field("values"), counted.field("counts").to_pylist(), strict=True)
    best = sorted(pairs, key=lambda pair: -pair[1])[:_TOP]
    if best[0][1] == 1 and len(counted) > _TOP:
        return ()
    return tuple((_plain(value), count) for value, count in best)


def _histogram(values: pa.ChunkedArray) -> tuple[tuple[float, float, int], ...]:
    """Counts over equal steps from least to greatest; NaN and infinities are left out."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.types as types

    kind = values.type
    if types.is_date(kind) or types.is_timestamp(kind):
        numbers = values.cast(pa.timestamp("us"), safe=False).cast(pa.int64()).to_numpy() / 1e6
    elif types.is_decimal(kind) or types.is_integer(kind) or types.is_floating(kind):
        numbers = values.cast(pa.float64(), safe=False).to_numpy()
    else:
        return ()
    numbers = numbers[np.isfinite(numbers)]
    with np.errstate(over="ignore"):
        if not len(numbers) or not np.isfinite(numbers.max() - numbers.min()):
            return ()
    counts, edges = np.histogram(numbers, bins=1 if numbers.min() == numbers.max() else _BINS)
    steps = zip(edges[:-1], edges[1:], counts, strict=True)
    return tuple((float(low), float(high), int(count)) for low, high, count in steps)


def _plain(scalar: Any) -> Any:
    """A Python value; of a long text its beginning, of a nanosecond time its microseconds."""
    import pyarrow as pa
    import pyarrow.types as types

    if types.is_timestamp(scalar.type) and scalar.type.unit == "ns":
        scalar = scalar.cast(pa.timestamp("us", scalar.type.tz), safe=False)
    value = scalar.as_py()
    if isinstance(value, str) and len(value) > _LONGEST:
        return value[:_LONGEST] + "…"
    if isinstance(value, bytes) and len(value) > _LONGEST:
        return value[:_LONGEST] + b"..."
    return value


def _tried(work: Callable[[], Any]) -> Any:
    """The value, or None for a type that Arrow has no such function for."""
    import pyarrow as pa

    try:
        return work()
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid):
        return None
