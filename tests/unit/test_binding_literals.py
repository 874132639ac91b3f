"""A bound value's literal is exact. DuckDB checks its own here; the servers check theirs in integration."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from uuid import UUID

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stupiddb_kernel.errors import UsageError
from stupiddb_kernel.sources.literal import inline, literal

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    st.decimals(min_value=-(10**20), max_value=10**20, places=9),
    st.text(),
    st.binary(),
    st.dates(),
    st.times(),
    st.datetimes(),
    st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=30))])),
    st.uuids(),
)


@given(SCALARS)
def test_duckdb_reads_back_the_same_value(value: object) -> None:
    [back] = duckdb.sql(f"SELECT {literal(value, 'duckdb')}").fetchall()[0]

    assert back == value
    assert isinstance(back, type(value)) or isinstance(value, datetime)


@given(st.lists(st.one_of(st.none(), st.text())))
def test_duckdb_reads_back_the_same_list(values: list[str | None]) -> None:
    assert duckdb.sql(f"SELECT {literal(values, 'duckdb')}::text[]").fetchall()[0][0] == values


@pytest.mark.parametrize(
    ("value", "postgres", "mysql", "trino"),
    [
        (None, "NULL", "NULL", "NULL"),
        (True, "TRUE", "TRUE", "TRUE"),
        (-5, "(-5)", "(-5)", "(-5)"),
        (2**63, "9223372036854775808", "9223372036854775808", "DECIMAL '9223372036854775808'"),
        (0.1, "CAST('0.1' AS DOUBLE PRECISION)", "0.1e0", "DOUBLE '0.1'"),
        (Decimal("1.50"), "CAST('1.50' AS NUMERIC)", "CAST('1.50' AS DECIMAL(3, 2))", "DECIMAL '1.50'"),
        ("it's", "'it''s'", "_utf8mb4 X'69742773'", "'it''s'"),
        ("a\\'", "E'a\\\\'''", "_utf8mb4 X'615c27'", "'a\\'''"),
        (b"\x00\xff", "decode('00ff', 'hex')", "X'00ff'", "X'00ff'"),
        (date(2024, 2, 29), "DATE '2024-02-29'", "DATE '2024-02-29'", "DATE '2024-02-29'"),
        (time(1, 2, 3, 4), "TIME '01:02:03.000004'", "TIME '01:02:03.000004'", "TIME '01:02:03.000004'"),
        (
            datetime(2024, 1, 2, 3, tzinfo=timezone(timedelta(hours=1))),
            "CAST('2024-01-02 02:00:00+00' AS TIMESTAMPTZ)",
            "TIMESTAMP '2024-01-02 02:00:00'",
            "TIMESTAMP '2024-01-02 02:00:00 UTC'",
        ),
    ],
)
def test_literals_by_dialect(value: object, postgres: str, mysql: str, trino: str) -> None:
    assert literal(value, "postgres") == postgres
    assert literal(value, "mysql") == mysql
    assert literal(value, "trino") == trino


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ([1, None], "CAST('{1,NULL}' AS bigint[])"),
        ([], "CAST('{}' AS text[])"),
        (['a"b', "c\\d", "e'f"], 'CAST(E\'{"a\\\\"b","c\\\\\\\\d","e\'\'f"}\' AS text[])'),
        ([1, 2.5], "CAST('{1,2.5}' AS double precision[])"),
        (np.array([1, 2]), "CAST('{1,2}' AS bigint[])"),
        (pa.array(["x"]), "CAST('{\"x\"}' AS text[])"),
        (pd.Series([True]), "CAST('{t}' AS boolean[])"),
        ({3, 1, 2}, "CAST('{1,2,3}' AS bigint[])"),
    ],
)
def test_lists_are_arrays_on_postgres(value: object, text: str) -> None:
    assert literal(value, "postgres") == text


def test_lists_are_spread_inside_in() -> None:
    sql = "x IN (:a) OR y = ANY(:a)"

    assert inline(sql, {"a": [1, -2]}, "duckdb") == "x IN (1, (-2)) OR y = ANY([1, (-2)])"


def test_lists_inside_any_take_the_type_of_the_other_side() -> None:
    sql = "x = ANY(:a) OR f(:a)"

    assert inline(sql, {"a": [1]}, "postgres") == "x = ANY('{1}') OR f(CAST('{1}' AS bigint[]))"


def test_an_empty_list_matches_nothing_and_its_negation_everything() -> None:
    sql = "SELECT count(*) FROM range(3) t(x) WHERE x {} (:a)"

    assert duckdb.sql(inline(sql.format("IN"), {"a": []}, "duckdb")).fetchall() == [(0,)]
    assert duckdb.sql(inline(sql.format("NOT IN"), {"a": []}, "duckdb")).fetchall() == [(3,)]


def test_an_empty_list_takes_any_type_on_postgres() -> None:
    sql = "SELECT 1 FROM t WHERE x in ( :a ) AND y NOT IN (:a) AND z IN (:b) AND ANY(:a)"

    assert inline(sql, {"a": [], "b": [1]}, "postgres") == (
        "SELECT 1 FROM t WHERE x = ANY ('{}') AND y <> ALL ('{}') AND z IN (1) AND ANY('{}')"
    )


@pytest.mark.parametrize(
    ("value", "dialect", "message"),
    [
        (object(), "postgres", "it is a object"),
        ("a\0b", "postgres", "NUL"),
        ("\ud800", "mysql", "surrogate"),
        ([1], "mysql", "MySQL has no arrays"),
        ([1, "a"], "postgres", "a list of int, str"),
        ([2**60 + 1, 0.5], "postgres", "a list of float, int"),
        (float("nan"), "mysql", "nan"),
        (Decimal("NaN"), "trino", "NaN"),
        (10**39, "trino", "40 digits"),
        (Decimal("1e-40"), "duckdb", "holds 38"),
        (pd.Timestamp("2024-01-01 00:00:00.000000001"), "postgres", "nanoseconds"),
        (time(1, tzinfo=UTC), "mysql", "zone"),
    ],
)
def test_what_has_no_exact_literal_is_refused(value: object, dialect: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        literal(value, dialect)


def test_the_parameter_is_named_in_the_error() -> None:
    with pytest.raises(UsageError, match="the value of :codes can't be bound: it is a list"):
        inline("SELECT :codes", {"codes": [UUID(int=1)]}, "mysql")
