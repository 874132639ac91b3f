"""What is shown: figures, tables that nothing breaks out of, errors with the place marked."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stupiddb.display import failure, tables

from stupiddb_kernel import figures
from stupiddb_kernel.errors import QueryFailed, UnknownName
from stupiddb_kernel.sources.base import QueryStats

EVIL = "<script>alert('x')</script>&\"\x1b[2J\u202e"


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"), (999, "999 B"), (1000, "1 KB"), (1540, "1.5 KB"), (999_999, "1 MB"),
        (10_000_000, "10 MB"), (123_456_789, "123 MB"), (5 * 10**12, "5 TB"), (10**21, "1000 EB"),
    ],
)  # fmt: skip
def test_sizes_are_decimal_as_they_are_billed(count: int, text: str) -> None:
    assert figures.size(count) == text


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (0, "$0"), (0.00005, "$0.00005"), (0.000123, "$0.00012"), (0.0499, "$0.05"), (0.0949, "$0.095"),
        (0.1, "$0.10"), (12.345, "$12.35"), (1234.5, "$1,234.50"), (1e-12, "< $0.000000001"),
    ],
)  # fmt: skip
def test_money_keeps_the_digits_that_count(amount: float, text: str) -> None:
    assert figures.dollars(amount) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 ms"), (0.0084, "8 ms"), (0.9996, "1.0 s"), (1.84, "1.8 s"), (59.96, "1 min 00 s"),
        (125, "2 min 05 s"), (3725, "1 h 02 min"),
    ],
)  # fmt: skip
def test_durations(seconds: float, text: str) -> None:
    assert figures.duration(seconds) == text


def test_the_footer_tells_what_the_read_took() -> None:
    stats = QueryStats(
        "athena", query_id="q-1", rows=1234, scanned=5_200_000, dollars=0.000026, queued=2.0, cache_hit=True
    )
    stats.elapsed = 3.21
    assert figures.footer(stats, name="hist") == (
        "1,234 rows · 5.2 MB scanned · $0.000026 · 3.2 s (queued 2.0 s) · cache hit"
        " · athena · query q-1 · → hist"
    )
    local = QueryStats("local", rows=10)
    assert figures.footer(local, truncated=True) == "first 10 rows (--limit) · local"


def test_no_value_or_name_breaks_out_of_its_cell() -> None:
    grid = tables.grid(pa.table({EVIL: pa.array([EVIL])}))
    page = tables.to_html(grid, caption=EVIL, footer=EVIL)
    assert "<script" not in page.replace(tables.STYLE, "")
    assert "\x1b" not in page
    assert "\u202e" not in page
    text = tables.to_text(grid, footer=EVIL)
    assert "\x1b" not in text
    assert "\\u001b" in text


@settings(deadline=None)  # other processes share the machine
@given(st.text())
def test_html_has_no_markup_but_ours(value: str) -> None:
    page = tables.to_html(tables.grid(pa.table({"a": pa.array([value], pa.string())})))
    cell = page.partition("<tbody><tr><td>")[2].partition("</td>")[0]
    assert not set(cell) & set("<>\"'\n\x00\x1b")


def test_numbers_stand_right_and_nulls_are_seen() -> None:
    table = pa.table({"n": pa.array([1, None, 1000]), "t": pa.array(["a", "NULL", None])})
    assert tables.to_text(tables.grid(table)).split("\n") == [
        "   n  t",
        "────  ────",
        "   1  a",
        "NULL  NULL",
        "1000  NULL",
    ]
    page = tables.to_html(tables.grid(table))
    assert page.count('<td class="n">') == 3
    assert page.count('<span class="stupiddb-null">NULL</span>') == 2  # the text 'NULL' is not one of them


@pytest.mark.parametrize(
    ("array", "text"),
    [
        (pa.array([1.0]), "1"),
        (pa.array([0.1]), "0.1"),
        (pa.array([1e300]), "1e+300"),
        (pa.array([float("nan")]), "nan"),
        (pa.array([Decimal("1.10")]), "1.10"),
        (pa.array([True]), "true"),
        (pa.array([b"\x00\xff"]), "\\x00ff"),
        (pa.array([dt.datetime(2013, 1, 1, 5, 0)]), "2013-01-01 05:00:00"),
        (pa.array([dt.date(2013, 1, 1)]), "2013-01-01"),
        (pa.array([1], pa.timestamp("ns")), "1970-01-01 00:00:00.000000001"),
        (pa.array([5], pa.duration("s")), "0:00:05"),
        (pa.array([[1, None]]), "[1, null]"),
        (pa.array([{"a": "ü", "b": dt.date(2013, 1, 1)}]), '{"a": "ü", "b": "2013-01-01"}'),
        (pa.array([10**13]), "10000000000000"),
        (pa.array(["x" * 500]), "x" * 119 + "…"),
    ],
)
def test_every_type_has_a_text(array: pa.Array, text: str) -> None:
    assert tables.grid(pa.table({"a": array})).rows == ((text,),)


def test_values_python_can_not_hold_are_shown_all_the_same() -> None:
    far = pa.array([400_000_000_000_000_000], pa.timestamp("us"))  # the year 14645
    ((shown,),) = tables.grid(pa.table({"a": far})).rows
    assert shown is not None
    assert shown.startswith("14645-")


def test_a_table_without_rows_or_columns_is_shown() -> None:
    assert "a" in tables.to_text(tables.grid(pa.table({"a": pa.array([], pa.int64())})))
    assert tables.to_html(tables.grid(pa.table({})))
    assert tables.to_text(tables.grid(pa.table({}))) is not None


def test_a_wide_table_fits_the_terminal_and_says_what_is_missing() -> None:
    table = pa.table({f"column_{n}": pa.array(["x" * 30]) for n in range(10)})
    lines = tables.to_text(tables.grid(table), width=100).split("\n")
    assert max(map(len, lines)) <= 100
    assert lines[-1].startswith("… 7 more columns: column_3, column_4")


def test_wide_characters_keep_columns_aligned() -> None:
    table = pa.table({"a": ["日本", "ab"], "b": ["x", "y"]})
    assert tables.to_text(tables.grid(table)).split("\n")[2:] == ["日本  x", "ab    y"]


def _failed(sql: str, position: int, **more: Any) -> QueryFailed:
    return QueryFailed("column does not exist", source="aurora", sql=sql, position=position, **more)


def test_the_place_in_the_sql_is_marked() -> None:
    error = _failed("SELECT a,\n\tmissing\nFROM t", 11, hint="did you mean mission?", query_id="q-1")
    assert failure.to_text(error, colour=False).split("\n") == [
        "QueryFailed: aurora: column does not exist",
        "   1 │ SELECT a,",
        "   2 │  missing",
        "     │  ^",
        "   3 │ FROM t",
        "hint: did you mean mission?",
        "query q-1",
    ]
    assert "<mark>m</mark>issing" in failure.to_html(error)


@pytest.mark.parametrize("position", [0, 10, 5_000, 9_999, 10_000, 10_500, -1])
def test_a_long_line_is_cut_around_the_place(position: int) -> None:
    sql = "SELECT " + "x" * 9_993
    lines = failure.to_text(_failed(sql, position), colour=False).split("\n")
    assert max(map(len, lines)) <= 120
    assert lines[2].endswith("^")


def test_an_error_shows_nothing_that_steers_a_terminal_or_a_page() -> None:
    error = UnknownName("table", EVIL, [EVIL])
    assert "\x1b" not in failure.to_text(error, colour=False)
    assert "<script" not in failure.to_html(error)
    marked = _failed(f"SELECT '{EVIL}'", 12)
    assert "<script" not in failure.to_html(marked)
    assert "\x1b" not in failure.to_text(marked, colour=False)
