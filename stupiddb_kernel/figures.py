"""Numbers for people: sizes, money, durations and counts, each in one way everywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stupiddb_kernel.sources.base import QueryStats

_SIZES = ("B", "KB", "MB", "GB", "TB", "PB", "EB")


def size(count: float) -> str:
    """Bytes in decimal units, as Athena bills them: ``0 B``, ``999 B``, ``1.5 KB``, ``10 MB``."""
    amount, unit = float(count), 0
    while round(amount, 1 if amount < 10 else 0) >= 1000 and unit < len(_SIZES) - 1:
        amount /= 1000
        unit += 1
    if unit == 0 or amount >= 100:
        return f"{amount:.0f} {_SIZES[unit]}"
    return f"{amount:.1f}".removesuffix(".0") + f" {_SIZES[unit]}"


def dollars(amount: float) -> str:
    """Money with two digits that count at least: ``$0``, ``$0.00012``, ``$0.05``, ``$12.35``."""
    if amount == 0:
        return "$0"
    if abs(amount) >= 0.095:
        return f"${amount:,.2f}"
    if abs(amount) < 1e-9:
        return "< $0.000000001"
    return "$" + f"{float(f'{amount:.2g}'):.10f}".rstrip("0")


def duration(seconds: float) -> str:
    """Time: ``8 ms``, ``1.8 s``, ``2 min 05 s``, ``1 h 02 min``."""
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def count(number: int, noun: str, nouns: str | None = None) -> str:
    """A number of things: ``1 row``, ``1,234 rows``."""
    return f"{number:,} {noun if number == 1 else nouns or noun + 's'}"


def footer(stats: QueryStats, *, name: str | None = None, truncated: bool = False) -> str:
    """The one line under a result: rows, bytes scanned, dollars, time, cache, source and query id."""
    parts = [("first " if truncated else "") + count(stats.rows, "row")]
    if truncated:
        parts[0] += " (--limit)"
    if stats.scanned is not None:
        parts.append(f"{size(stats.scanned)} scanned")
    if stats.dollars is not None:
        parts.append(dollars(stats.dollars))
    if stats.elapsed is not None:
        elapsed = duration(stats.elapsed)
        if stats.queued is not None and stats.queued >= 0.5:
            elapsed += f" (queued {duration(stats.queued)})"
        parts.append(elapsed)
    if stats.cache_hit:
        parts.append("cache hit")
    parts.append(stats.source)
    if stats.query_id:
        parts.append(f"query {stats.query_id}")
    if name:
        parts.append(f"→ {name}")
    return " · ".join(parts)
