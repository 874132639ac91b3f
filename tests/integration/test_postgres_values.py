"""PostgreSQL's values arrive exactly, or the read is refused."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import pyarrow as pa
import pytest

from stupiddb_kernel.errors import InexactValue, QueryFailed
from stupiddb_kernel.local.stack import Stack
from stupiddb_kernel.sources.base import TableName
from stupiddb_kernel.sources.postgres import PostgresSource
from tests.integration.relational import postgres, postgres_admin, rows, value

MONTHS = pa.MonthDayNano([14, -3, 4_000_005_000])


@pytest.fixture(scope="module")
def pg(stack: Stack) -> Iterator[PostgresSource]:
    with postgres_admin(stack.postgres) as admin:
        admin.execute("CREATE SCHEMA exact; CREATE TYPE exact.mood AS ENUM ('sad', 'glad')")
        admin.execute("CREATE DOMAIN exact.price AS numeric(12,3); CREATE TYPE exact.pair AS (a int, b text)")
    with postgres(stack.postgres) as source:
        yield source


EXACT: list[tuple[str, pa.DataType, Any]] = [
    ("true", pa.bool_(), True),
    ("(-32768)::int2", pa.int16(), -32768),
    ("(-2147483648)::int4", pa.int32(), -(2**31)),
    ("9223372036854775807", pa.int64(), 2**63 - 1),
    ("4294967295::oid", pa.int64(), 2**32 - 1),
    ("0.1::float4", pa.float32(), 0.10000000149011612),
    ("1e-300::float8", pa.float64(), 1e-300),
    ("'Infinity'::float8", pa.float64(), float("inf")),
    ("12345678.90::numeric(10,2)", pa.decimal128(10, 2), Decimal("12345678.90")),
    ("(-0.000)::numeric(5,3)", pa.decimal128(5, 3), Decimal("0.000")),
    (f"{'9' * 38}::numeric(38,0)", pa.decimal128(38, 0), Decimal("9" * 38)),
    (f"{'9' * 40}.{'1' * 20}::numeric(60,20)", pa.decimal256(60, 20), Decimal(f"{'9' * 40}.{'1' * 20}")),
    ("1200::numeric(3,-2)", pa.decimal128(5, 0), Decimal(1200)),
    ("0.0012::numeric(2,4)", pa.decimal128(4, 4), Decimal("0.0012")),
    ("1.50::exact.price", pa.decimal128(12, 3), Decimal("1.500")),
    ("1::numeric / 3", pa.decimal128(38, 20), Decimal("0.33333333333333333333")),
    ("sum(x) FROM (VALUES (1.5), (2.25)) v(x)", pa.decimal128(38, 2), Decimal("3.75")),
    (f"{'1' * 50}::numeric", pa.decimal256(50, 0), Decimal("1" * 50)),
    (f"{'1' * 90}::numeric", pa.string(), "1" * 90),
    ("'-$1,234.56'::money", pa.decimal128(19, 2), Decimal("-1234.56")),
    ("'größe 😀'::text", pa.string(), "größe 😀"),
    ("'ab'::char(4)", pa.string(), "ab  "),
    ("'x'::varchar(3)", pa.string(), "x"),
    ("'a'::\"char\"", pa.string(), "a"),
    ("'\\x00ff'::bytea", pa.binary(), b"\x00\xff"),
    ("date '0001-01-01'", pa.date32(), date(1, 1, 1)),
    ("time '23:59:59.999999'", pa.time64("us"), time(23, 59, 59, 999999)),
    (
        "timestamp '1969-12-31 23:59:59.123456'",
        pa.timestamp("us"),
        datetime(1969, 12, 31, 23, 59, 59, 123456),
    ),
    (
        "timestamptz '2024-07-01 12:00:00+05:30'",
        pa.timestamp("us", "UTC"),
        datetime(2024, 7, 1, 6, 30, tzinfo=UTC),
    ),
    ("interval '1 year 2 mon -3 days 4.000005 s'", pa.month_day_nano_interval(), MONTHS),
    ("'123e4567-e89b-12d3-a456-426614174000'::uuid", pa.uuid(), UUID("123e4567-e89b-12d3-a456-426614174000")),
    ('\'{"b": 1.10, "a": 1e2}\'::json', pa.json_(), '{"b": 1.10, "a": 1e2}'),
    ("'{\"b\": 1.10}'::jsonb", pa.json_(), '{"b": 1.10}'),
    ("ARRAY[1, NULL, 3]", pa.list_(pa.int32()), [1, None, 3]),
    ("'{}'::text[]", pa.list_(pa.string()), []),
    ("ARRAY[true, false]", pa.list_(pa.bool_()), [True, False]),
    ("ARRAY['a,\"b', NULL]", pa.list_(pa.string()), ['a,"b', None]),
    ("ARRAY[date '2024-02-29']", pa.list_(pa.date32()), [date(2024, 2, 29)]),
    ("ARRAY['glad']::exact.mood[]", pa.list_(pa.string()), ["glad"]),
    ("ARRAY[1.50, 2]::numeric[]", pa.list_(pa.string()), ["1.50", "2"]),
    ("'glad'::exact.mood", pa.string(), "glad"),
    ("(1, 'x')::exact.pair", pa.string(), "(1,x)"),
    ("B'101'::bit(3)", pa.string(), "101"),
    ("'10:00:00+02'::timetz", pa.string(), "10:00:00+02"),
    ("'10.0.0.1/8'::inet", pa.string(), "10.0.0.1/8"),
    ("int4range(1, 5)", pa.string(), "[1,5)"),
    ("point(1, 2)", pa.string(), "(1,2)"),
    ("'a b'::tsvector", pa.string(), "'a' 'b'"),
    ("'pg_class'::regclass", pa.string(), "pg_class"),
    ("NULL", pa.string(), None),
    ("NULL::numeric(5,2)", pa.decimal128(5, 2), None),
    ("pg_sleep(0)", pa.null(), None),
]


@pytest.mark.parametrize(("sql", "kind", "expected"), EXACT, ids=[case[0] for case in EXACT])
def test_value_and_type(pg: PostgresSource, sql: str, kind: pa.DataType, expected: object) -> None:
    column = pg.query(f"SELECT {sql}").to_arrow().column(0)

    assert column.type == kind
    assert column[0].as_py() == expected


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("'NaN'::numeric(5,2)", "NaN"),
        ("'Infinity'::numeric", "Infinity"),
        ("'infinity'::timestamptz", "infinite timestamp"),
        ("'-infinity'::timestamp", "infinite timestamp"),
        ("'294276-12-31'::timestamp", "infinite timestamp"),
        ("'infinity'::date", "infinite date"),
        ("'-infinity'::date", "infinite date"),
        ("ARRAY['infinity'::date]", "infinite date"),
        ("time '24:00'", "24:00:00"),
        ("interval '3000000 hours'", "interval is too long"),
        ("ARRAY[[1,2],[3,4]]", "more than one dimension"),
        ("ARRAY[[1.5]]::numeric[]", "more than one dimension"),
    ],
)
def test_what_has_no_exact_form_is_refused(pg: PostgresSource, sql: str, told: str) -> None:
    with pytest.raises(InexactValue, match=told) as refused:
        pg.query(f"SELECT 1, {sql} AS odd").to_arrow()

    assert refused.value.hint is not None
    assert value(pg, "SELECT 1") == 1


def test_a_numeric_without_precision_keeps_room_for_later_rows(pg: PostgresSource) -> None:
    sql = "SELECT (CASE WHEN i < {0} THEN 1.5 ELSE 1.{1} END)::numeric AS n FROM generate_series(1, {0}) i"
    late = sql.format(3_000_000, "2" * 12)

    batches = list(pg.query(late))

    assert batches[-1].column(0)[-1].as_py() == Decimal("1." + "2" * 12)
    with pytest.raises(InexactValue, match="doesn't fit"):
        pg.query(sql.format(3_000_000, "2" * 30)).to_arrow()


def test_an_empty_result_keeps_its_schema(pg: PostgresSource) -> None:
    empty = pg.query(
        "SELECT 1.5::numeric(4,1) AS n, ARRAY[1] AS a, 'x' AS t, 1::numeric AS u WHERE false"
    ).to_arrow()

    assert empty.schema.types == [
        pa.decimal128(4, 1),
        pa.list_(pa.int32()),
        pa.string(),
        pa.decimal128(38, 0),
    ]
    assert empty.num_rows == 0


def test_columns_of_one_name_are_told_apart(pg: PostgresSource) -> None:
    names = pg.query("SELECT 1 AS a, 2 AS a, 3 AS a_2, 4 AS a, 5, 6").to_arrow().column_names

    assert names == ["a", "a_3", "a_2", "a_4", "?column?", "?column?_2"]


def test_sixteen_hundred_columns(pg: PostgresSource) -> None:
    sql = "SELECT " + ", ".join(f"{i}::numeric(6,0) AS c{i}" for i in range(1600))

    [row] = rows(pg, sql)

    assert list(row.values()) == [Decimal(i) for i in range(1600)]


def test_a_text_of_a_hundred_megabytes(pg: PostgresSource) -> None:
    text = value(pg, "SELECT repeat('0123456789', 10000000)")

    assert len(text) == 100_000_000
    assert text.endswith("789")


@pytest.mark.parametrize(
    "bound",
    [
        None,
        True,
        -(2**63),
        2**80,
        0.1,
        float("-inf"),
        Decimal("-1.50"),
        'it\'s \\ a "test" $$ :x -- ?',
        b"\x00\xff",
        date(2024, 2, 29),
        time(1, 2, 3, 4),
        datetime(2024, 1, 1, 2, 3, 4, 5),
        datetime(2024, 1, 1, tzinfo=timezone(timedelta(hours=-3))),
        UUID(int=7),
        [1, None, 3],
        ["a'b", 'c"d', "e\\f", "", "NULL", None],
        [0.1, float("nan")],
        [b"\x00"],
        [date(2024, 2, 29)],
        [UUID(int=7)],
        [True, False],
        [],
    ],
    ids=str,
)
def test_bound_values_come_back(pg: PostgresSource, bound: object) -> None:
    back = value(pg, "SELECT :v", {"v": bound})

    assert str(back) == str(bound) if isinstance(bound, list) else back == bound


def test_untyped_text_meets_any_type(pg: PostgresSource) -> None:
    sql = "SELECT '123e4567-e89b-12d3-a456-426614174000'::uuid = :id AND date '2024-01-01' = :day AS same"

    assert value(pg, sql, {"id": "123e4567-e89b-12d3-a456-426614174000", "day": "2024-01-01"}) is True


def test_a_list_takes_the_type_of_what_it_is_compared_with(pg: PostgresSource) -> None:
    sql = "SELECT 'glad'::exact.mood = ANY(:moods) AND 1::int2 = ANY(:numbers) AND 'b' = ANY(:letters)"

    assert value(pg, sql, {"moods": ["glad", "sad"], "numbers": [1, 2], "letters": ["a", "b"]}) is True


def test_a_hundred_thousand_keys(pg: PostgresSource) -> None:
    keys = list(range(0, 200_000, 2))

    sql = "SELECT count(*) FROM generate_series(1, 100000) i WHERE i = ANY(:keys) AND i NOT IN (:few)"

    assert value(pg, sql, {"keys": keys, "few": [2, 4]}) == 49_998


def test_the_catalog_names_the_types_that_are_delivered(pg: PostgresSource, stack: Stack) -> None:
    with postgres_admin(stack.postgres) as admin:
        admin.execute(
            "CREATE TABLE exact.all_types (a bool, b int2, c int8, d numeric(10,2), e text, f timestamptz,"
            " g date, h uuid, i jsonb, j int[], k exact.mood, l bytea, m exact.price, n time, o float4)"
        )

    [table] = [t for t in pg.tables("exact") if t.name.table == "all_types"]

    shown = [column.type for column in table.columns]
    assert shown == [
        "boolean",
        "int16",
        "int64",
        "decimal(10, 2)",
        "string",
        "timestamp('UTC', 6)",
        "date",
        "uuid",
        "json",
        "array<int32>",
        "string",
        "binary",
        "decimal(12, 3)",
        "time",
        "float32",
    ]
    delivered = pg.preview(TableName("pg", "exact", "all_types")).to_arrow().schema
    assert len(delivered) == len(shown)


def test_bytes_of_no_encoding_are_refused(stack: Stack) -> None:
    with postgres_admin(stack.postgres) as admin:
        admin.execute(
            "CREATE DATABASE bytes ENCODING 'SQL_ASCII' LOCALE_PROVIDER libc LOCALE 'C' TEMPLATE template0"
        )
    with postgres(stack.postgres, database="bytes") as source:
        assert value(source, "SELECT 'plain'") == "plain"
        with pytest.raises((InexactValue, QueryFailed)):
            source.query(r"SELECT E'\xff' AS t").to_arrow()
