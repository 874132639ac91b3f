"""MySQL's values arrive exactly, or the read is refused."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import pyarrow as pa
import pytest

from stupiddb_kernel.errors import InexactValue
from stupiddb_kernel.local.stack import Stack
from stupiddb_kernel.sources.base import TableName
from stupiddb_kernel.sources.mysql import MysqlSource
from tests.integration.relational import mysql, mysql_admin, rows, value

WIDE = Decimal("12345678901234567890123456789012345.123456789012345678901234567890")
STAMP = datetime(2020, 1, 2, 3, 4, 5, 123456)

# column type, what is inserted, the Arrow type, what arrives
STORED: list[tuple[str, str, pa.DataType, Any]] = [
    ("tinyint(1)", "7", pa.int8(), 7),
    ("tinyint unsigned", "255", pa.uint8(), 255),
    ("smallint", "-32768", pa.int16(), -32768),
    ("mediumint", "-8388608", pa.int32(), -8388608),
    ("int unsigned", "4294967295", pa.uint32(), 2**32 - 1),
    ("bigint", "-9223372036854775808", pa.int64(), -(2**63)),
    ("bigint unsigned", "18446744073709551615", pa.uint64(), 2**64 - 1),
    ("float", "0.1", pa.float32(), 0.10000000149011612),
    ("double", "-1e300", pa.float64(), -1e300),
    ("decimal(10,2)", "12345678.90", pa.decimal128(10, 2), Decimal("12345678.90")),
    ("decimal(10,0)", "-5", pa.decimal128(10, 0), Decimal(-5)),
    ("decimal(5,2) unsigned", "999.99", pa.decimal128(5, 2), Decimal("999.99")),
    (
        "decimal(28,10)",
        "123456789012345678.1234567891",
        pa.decimal128(28, 10),
        Decimal("123456789012345678.1234567891"),
    ),
    ("decimal(38,10)", f"{'9' * 28}.1234567891", pa.decimal128(38, 10), Decimal(f"{'9' * 28}.1234567891")),
    ("decimal(20,15)", "1.123456789012345", pa.decimal128(20, 15), Decimal("1.123456789012345")),
    ("decimal(65,30)", str(WIDE), pa.decimal256(65, 30), WIDE),
    ("date", "'1000-01-01'", pa.date32(), date(1000, 1, 1)),
    ("datetime", "'9999-12-31 23:59:59'", pa.timestamp("us"), datetime(9999, 12, 31, 23, 59, 59)),
    ("datetime(6)", f"'{STAMP}'", pa.timestamp("us"), STAMP),
    ("timestamp(6) NULL", f"'{STAMP}'", pa.timestamp("us", "UTC"), STAMP.replace(tzinfo=UTC)),
    ("time(6)", "'23:59:59.999999'", pa.time64("us"), time(23, 59, 59, 999999)),
    ("year", "2155", pa.int16(), 2155),
    ("bit(1)", "b'1'", pa.uint64(), 1),
    (
        "bit(64)",
        "b'1000000000000000000000000000000000000000000000000000000000000001'",
        pa.uint64(),
        2**63 + 1,
    ),
    ("char(5)", "'ab'", pa.string(), "ab"),
    ("varchar(20)", "'größe 😀'", pa.string(), "größe 😀"),
    ("varchar(20) CHARACTER SET latin1", "'größe'", pa.string(), "größe"),
    ("longtext", "'l'", pa.string(), "l"),
    ("binary(4)", "'ab'", pa.binary(), b"ab\0\0"),
    ("varbinary(9)", "x'00ff'", pa.binary(), b"\x00\xff"),
    ("blob", "x'00ff'", pa.binary(), b"\x00\xff"),
    ("json", '\'{"b": 1.10, "a": 2}\'', pa.string(), '{"b": 1.10, "a": 2}'),  # MariaDB's is its longtext
    ("enum('a','b')", "'b'", pa.string(), "b"),
    ("set('x','y')", "'x,y'", pa.string(), "x,y"),
    ("geometry", "point(1, 2)", pa.binary(), bytes.fromhex("0101000000000000000000f03f0000000000000040")),
    ("uuid", "'123e4567-e89b-12d3-a456-426614174000'", pa.string(), "123e4567-e89b-12d3-a456-426614174000"),
]


@pytest.fixture(scope="module")
def my(stack: Stack) -> Iterator[MysqlSource]:
    with mysql_admin(stack.mysql) as admin, admin.cursor() as cursor:
        cursor.execute("CREATE DATABASE exact CHARACTER SET utf8mb4")
        cursor.execute("SET sql_mode = '', time_zone = '+00:00'")
        columns = ", ".join(f"c{i} {case[0]}" for i, case in enumerate(STORED))
        cursor.execute(f"CREATE TABLE exact.stored ({columns})")
        cursor.execute(f"INSERT INTO exact.stored VALUES ({', '.join(case[1] for case in STORED)})")
        cursor.execute(f"INSERT INTO exact.stored VALUES ({', '.join('NULL' for _ in STORED)})")
        cursor.execute(
            "CREATE TABLE exact.odd (zero date, part date, noon datetime, minus time, long_time time)"
        )
        cursor.execute("INSERT INTO exact.odd VALUES (0, '2020-00-10', 0, '-10:00:00', '100:00:00')")
    with mysql(stack.mysql, database="exact") as source:
        yield source


@pytest.mark.parametrize(("number", "case"), list(enumerate(STORED)), ids=[case[0] for case in STORED])
def test_value_and_type(my: MysqlSource, number: int, case: tuple[str, str, pa.DataType, Any]) -> None:
    column = my.query(f"SELECT c{number} AS v FROM stored").to_arrow().column(0)

    assert column.type == case[2]
    assert column.to_pylist() == [case[3], None]


def test_all_of_them_at_once_in_their_order(my: MysqlSource) -> None:
    found = my.query("SELECT * FROM stored ORDER BY c0 IS NULL DESC").to_arrow()

    assert found.schema.types == [case[2] for case in STORED]
    assert [list(row.values()) for row in found.to_pylist()] == [
        [None] * len(STORED),
        [case[3] for case in STORED],
    ]


@pytest.mark.parametrize("column", ["zero", "part", "noon", "minus", "long_time"])
def test_what_has_no_exact_form_is_refused(my: MysqlSource, column: str) -> None:
    with pytest.raises(InexactValue) as refused:
        my.query(f"SELECT {column} FROM odd").to_arrow()

    assert "CAST(column AS CHAR)" in str(refused.value)
    assert value(my, f"SELECT CAST({column} AS CHAR) FROM odd").endswith(("00", "10"))


@pytest.mark.parametrize(
    ("sql", "kind", "expected"),
    [
        ("NULL", pa.null(), None),
        ("1 = 1", pa.int32(), 1),
        ("sum(x) FROM (SELECT 1.5 AS x UNION ALL SELECT 2.25) v", pa.decimal128(25, 2), Decimal("3.75")),
        ("1 / 3", pa.decimal128(5, 4), Decimal("0.3333")),
        ("count(*)", pa.int64(), 1),
        ("CAST(-1 AS UNSIGNED)", pa.uint64(), 2**64 - 1),
        ("now() - INTERVAL 0 SECOND IS NOT NULL", pa.int32(), 1),
    ],
)
def test_computed_values(my: MysqlSource, sql: str, kind: pa.DataType, expected: object) -> None:
    column = my.query(f"SELECT {sql}").to_arrow().column(0)

    assert (column.type, column[0].as_py()) == (kind, expected)


def test_an_empty_result_keeps_its_schema(my: MysqlSource) -> None:
    empty = my.query("SELECT * FROM stored WHERE 1 = 0").to_arrow()

    assert empty.schema.types == [case[2] for case in STORED]
    assert empty.num_rows == 0


def test_columns_of_one_name_are_told_apart_also_when_wrapped(my: MysqlSource) -> None:
    found = my.query("SELECT 1 AS a, CAST(1 AS DECIMAL(40,30)) AS a, 3 AS `b ``c`, 4 AS ``").to_arrow()

    assert found.column_names == ["a", "a_2", "b `c", ""]


def test_order_survives_the_wrapping(my: MysqlSource) -> None:
    sql = "SELECT seq, CAST(seq AS DECIMAL(40,12)) AS wide FROM seq_1_to_5000 ORDER BY seq % 7, seq DESC"

    found = my.query(sql).to_arrow().column("seq").to_pylist()

    assert found == sorted(range(1, 5001), key=lambda n: (n % 7, -n))


def test_a_wide_row_makes_small_batches(my: MysqlSource) -> None:
    sizes = [batch.num_rows for batch in my.query("SELECT repeat('x', 100) AS t FROM seq_1_to_3000")]

    assert sum(sizes) == 3000


def test_a_text_of_twelve_megabytes(my: MysqlSource) -> None:
    assert len(value(my, "SELECT repeat('0123456789', 1200000)")) == 12_000_000


@pytest.mark.parametrize(
    "bound",
    [
        None,
        -(2**63),
        2**64 - 1,
        0.1,
        -1e300,
        Decimal("-1.50"),
        'it\'s \\ a "test" `x` :x -- ? # größe 😀',
        "",
        b"\x00\xff",
        date(2024, 2, 29),
        time(1, 2, 3, 4),
        datetime(2024, 1, 1, 2, 3, 4, 5),
    ],
    ids=str,
)
def test_bound_values_come_back(my: MysqlSource, bound: object) -> None:
    assert value(my, "SELECT :v", {"v": bound}) == bound


def test_an_aware_datetime_is_its_instant(my: MysqlSource) -> None:
    moment = STAMP.replace(tzinfo=UTC).astimezone(timezone(timedelta(hours=-7)))

    assert value(my, "SELECT count(*) FROM stored WHERE c19 = :moment", {"moment": moment}) == 1


def test_other_bound_values(my: MysqlSource) -> None:
    sql = "SELECT count(*) FROM stored WHERE c35 = :id AND c0 IN (:numbers) AND c0 NOT IN (:none) AND :yes"
    given = {"id": UUID(STORED[35][3]), "numbers": [5, 6, 7], "none": [], "yes": True}

    assert value(my, sql, given) == 1


def test_backslashes_in_values_whatever_the_mode(my: MysqlSource, stack: Stack) -> None:
    evil = "\\'; DROP TABLE stored; -- "

    assert value(my, "SELECT :v", {"v": evil}) == evil


def test_the_catalog_names_the_types_that_are_delivered(my: MysqlSource) -> None:
    [table] = [t for t in my.tables("exact") if t.name.table == "stored"]
    shown = {column.name: column.type for column in table.columns}

    assert shown["c0"] == "int8"
    assert shown["c6"] == "uint64"
    assert shown["c9"] == "decimal(10, 2)"
    assert shown["c15"] == "decimal(65, 30)"
    assert shown["c18"] == "timestamp(6)"
    assert shown["c19"] == "timestamp('UTC', 6)"
    assert shown["c23"] == "uint64"
    assert shown["c34"] == "binary"


def test_ibis_gives_the_same_values(my: MysqlSource) -> None:
    table = my.table(TableName("my", "exact", "stored"))

    found = (
        table.filter(table.c0 == 7).select("c0", "c9", "c15", "c19", "c21", "c33").to_pyarrow().to_pylist()
    )

    assert found == [
        {
            "c0": 7,
            "c9": Decimal("12345678.90"),
            "c15": WIDE,
            "c19": STAMP.replace(tzinfo=UTC),
            "c21": 2155,
            "c33": ["x", "y"],
        }
    ]
    assert rows(my, "SELECT 1 AS n") == [{"n": 1}]
