"""Athena's pieces that need no server: bills, statements, text values, types, throttling, failures."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from botocore.exceptions import ClientError

from stupiddb_kernel.errors import (
    InexactValue,
    PermissionDenied,
    QueryFailed,
    ScanLimitExceeded,
    Throttled,
    UnsafeStatement,
    UnsupportedOperation,
    UsageError,
)
from stupiddb_kernel.sources.athena import billing
from stupiddb_kernel.sources.athena.cells import cells
from stupiddb_kernel.sources.athena.errors import failure, refuses_unload
from stupiddb_kernel.sources.athena.execution import Execution, Throttle
from stupiddb_kernel.sources.athena.statement import Statement
from stupiddb_kernel.sources.athena.types import hive_type, ibis_dtype, ibis_type

# Bills


@pytest.mark.parametrize(
    ("execution", "billed"),
    [
        (Execution("q", "SUCCEEDED", scanned=0), 10_000_000),
        (Execution("q", "SUCCEEDED", scanned=1), 10_000_000),
        (Execution("q", "SUCCEEDED", scanned=10_000_001), 11_000_000),
        (Execution("q", "SUCCEEDED", scanned=123_456_789), 124_000_000),
        (Execution("q", "CANCELLED", scanned=50_000_000), 50_000_000),
        (Execution("q", "CANCELLED", scanned=3), 10_000_000),
        (Execution("q", "CANCELLED", scanned=0), 0),
        (Execution("q", "FAILED", scanned=10**12), 0),
        (Execution("q", "SUCCEEDED", reused=True), 0),
        (Execution("q", "SUCCEEDED", statement_type="DDL"), 0),
        (Execution("q", "SUCCEEDED", statement_type="UTILITY"), 0),
    ],
)
def test_a_query_is_billed_as_athena_bills_it(execution: Execution, billed: int) -> None:
    assert billing.billed_bytes(execution) == billed


def test_a_terabyte_costs_its_price() -> None:
    assert billing.dollars(Execution("q", "SUCCEEDED", scanned=10**12), 5.0) == 5.0


# Statements


@pytest.mark.parametrize(
    ("sql", "unload"),
    [
        ("SELECT * FROM t", True),
        ("SELECT a, b + 1 AS c FROM t WHERE x > 1", True),
        ("WITH q AS (SELECT 1 AS a ORDER BY 1) SELECT a FROM q", True),
        ("(SELECT a FROM t)", True),
        ("SELECT a FROM t UNION ALL SELECT b FROM u", True),
        ("SELECT a, array_agg(b) AS bs FROM t GROUP BY a", True),
        ("SELECT row_number() OVER (ORDER BY a) AS n FROM t", True),
        ("SELECT * FROM t ORDER BY a", False),
        ("SELECT a FROM t UNION ALL SELECT b FROM u ORDER BY 1", False),
        ("SELECT count(*) AS n FROM t", False),
        ("SELECT a, sum(b) AS s FROM t GROUP BY a", False),
        ("SELECT DISTINCT a FROM t", False),
        ("SELECT a, a FROM t", False),
        ("SELECT a, A FROM t", False),
        ("SELECT a + 1 FROM t", False),
        ("SHOW TABLES", False),
        ("DESCRIBE t", False),
        ("EXPLAIN SELECT * FROM t", False),
        ("CREATE TABLE x AS SELECT 1 AS a", False),
        ("INSERT INTO x SELECT 1", False),
        ("VALUES 1, 2", False),
        ("/* ORDER BY */ SELECT a FROM t -- ORDER BY a", True),
    ],
)
def test_what_is_unloaded_and_what_is_read_as_text(sql: str, unload: bool) -> None:
    assert Statement.of(sql, None).unload is unload


def test_a_limit_is_told_to_the_store_where_there_is_none() -> None:
    assert Statement.of("SELECT a FROM t -- x", None, 5).inlined == "SELECT a FROM t\nLIMIT 5"
    assert Statement.of("SELECT a FROM t ORDER BY a", None, 5).direct.endswith("\nLIMIT 5")
    assert Statement.of("SELECT a FROM t LIMIT 3", None, 5).inlined == "SELECT a FROM t LIMIT 3"
    assert Statement.of("SHOW TABLES", None, 5).direct == "SHOW TABLES"


def test_plain_values_go_as_parameters_and_all_others_as_typed_literals() -> None:
    statement = Statement.of(
        "SELECT * FROM t WHERE a = :a AND d > :d AND i IN (:i) AND n = :n AND s <> ':a'",
        {"a": "it's", "d": date(2025, 1, 2), "i": [1, 2], "n": 7},
    )
    assert (
        statement.direct
        == "SELECT * FROM t WHERE a = ? AND d > DATE '2025-01-02' AND i IN (1, 2) AND n = ? AND s <> ':a'"
    )
    assert statement.execution_parameters == ("'it''s'", "7")
    assert "a = 'it''s'" in statement.inlined
    assert "n = 7" in statement.inlined


def test_athenas_limits_on_parameters_are_kept_by_writing_literals() -> None:
    many = {f"p{i}": i for i in range(26)}
    sql = "SELECT 1 WHERE 1 IN (" + ", ".join(f":{name}" for name in many) + ")"
    assert Statement.of(sql, many).execution_parameters == ()
    assert Statement.of("SELECT :s AS s", {"s": "x" * 1_100}).execution_parameters == ()
    assert Statement.of("SELECT ? + :s AS s", {"s": 1}).execution_parameters == ()


def test_one_statement_only_and_every_parameter_used() -> None:
    with pytest.raises(UnsafeStatement):
        Statement.of("SELECT 1; DROP TABLE t", None)
    with pytest.raises(UsageError, match="code"):
        Statement.of("SELECT :code AS c", {"cod": 1})
    assert Statement.of("SELECT 1 AS a ;  -- done", None).inlined == "SELECT 1 AS a"


def test_positions_lead_back_to_the_sql_as_typed() -> None:
    sql = "SELECT :long AS a,\n  nope FROM t WHERE b = :b AND wrong"
    statement = Statement.of(sql, {"long": "x" * 50, "b": date(2025, 1, 1)})
    for sent in (statement.direct, statement.inlined):
        for word in ("nope", "wrong", "FROM"):
            before = sent[: sent.index(word)]
            line, column = before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1
            assert statement.position(sent, line, column) == sql.index(word), (sent, word)
    assert statement.position(statement.direct, 99, 1) is None


# Text values


def read(native: str, values: list[str | None], **column: Any) -> pa.Array:
    return cells([{"Name": "c", "Type": native, **column}], "athena")[0].convert(
        pa.array(values, pa.string())
    )


@pytest.mark.parametrize(
    ("native", "text", "value"),
    [
        ("bigint", "-9223372036854775808", -(2**63)),
        ("tinyint", "-128", -128),
        ("boolean", "true", True),
        ("double", "1.7976931348623157E308", 1.7976931348623157e308),
        ("double", "5.0E-324", 5e-324),
        ("double", "-Infinity", float("-inf")),
        ("date", "2024-02-29", date(2024, 2, 29)),
        ("timestamp", "0001-01-01 00:00:00.000", datetime(1, 1, 1)),
        ("timestamp", "9999-12-31 23:59:59.999999", datetime(9999, 12, 31, 23, 59, 59, 999999)),
        ("time", "23:59:59.999", time(23, 59, 59, 999000)),
        ("varchar", "", ""),
        ("char", "ab  ", "ab  "),
        ("json", '{"a": 1.10}', '{"a": 1.10}'),
        ("varbinary", "00 ff 10", b"\x00\xff\x10"),
        ("varbinary", "", b""),
        ("interval day to second", "2 00:00:00.000", "2 00:00:00.000"),
    ],
)
def test_text_becomes_the_exact_value_and_null_stays_null(native: str, text: str, value: object) -> None:
    assert read(native, [text, None]).to_pylist() == [value, None]


def test_decimals_keep_every_digit() -> None:
    text = "123456789012345678901234567890.12345678"
    assert read("decimal", [text, "-0.00000001"], Precision=38, Scale=8).to_pylist() == [
        Decimal(text),
        Decimal("-0.00000001"),
    ]


def test_zoned_timestamps_are_their_instant() -> None:
    texts = [
        "2024-06-01 12:00:00.000 Europe/Berlin",
        "2024-06-01 12:00:00.000 UTC",
        "2024-06-01 12:00:00.5 +05:30",
    ]
    assert read("timestamp with time zone", [*texts, None]).to_pylist() == [
        datetime(2024, 6, 1, 10, tzinfo=UTC),
        datetime(2024, 6, 1, 12, tzinfo=UTC),
        datetime(2024, 6, 1, 6, 30, 0, 500_000, tzinfo=UTC),
        None,
    ]


@pytest.mark.parametrize(
    ("native", "text"),
    [
        ("timestamp with time zone", "2024-11-03 01:30:00.000 America/New_York"),
        ("timestamp with time zone", "2024-03-10 02:30:00.000 America/New_York"),
        ("timestamp", "2024-01-01 00:00:00.123456789"),
        ("date", "2024-02-30"),
        ("tinyint", "300"),
        ("integer", "1.5"),
        ("array", "[a, b]"),
        ("map", "{a=1}"),
        ("row", "{x=1}"),
        ("unknown", "?"),
    ],
)
def test_what_text_can_not_say_exactly_is_refused_with_the_column(native: str, text: str) -> None:
    with pytest.raises(InexactValue, match="column 'c'"):
        read(native, [None, text])


def test_nested_columns_that_hold_nothing_are_fine() -> None:
    assert read("array", [None, None]).to_pylist() == [None, None]


# Types


@pytest.mark.parametrize(
    ("native", "expected"),
    [
        ("string", "string"),
        ("varchar(10)", "string"),
        ("char(3)", "string"),
        ("int", "int32"),
        ("decimal(12,2)", "decimal(12, 2)"),
        ("decimal", "decimal(10, 0)"),
        ("timestamp", "timestamp(6)"),
        ("timestamp(3) with time zone", "timestamp('UTC', 6)"),
        ("array<struct<a:int,b:map<string,decimal(5,1)>>>", None),
        ("map<string,array<int>>", "map<string, array<int32>>"),
        ("array(varchar)", "array<string>"),
        ("row(a integer, b row(c double))", None),
        ("struct<weird type>", "unknown"),
        ("hyperloglog", "unknown"),
        ("array<hyperloglog>", "unknown"),
        ("struct<unknown:int>", "struct<unknown: int32>"),
    ],
)
def test_hive_types_are_ibis_types(native: str, expected: str | None) -> None:
    found = ibis_type(native)
    assert ibis_dtype(found) is not None
    if expected is not None:
        assert found == expected


def test_arrow_types_are_hive_types_that_read_them() -> None:
    kinds = {
        pa.int64(): "bigint",
        pa.timestamp("ns"): "timestamp",
        pa.decimal128(9, 2): "decimal(9,2)",
        pa.list_(pa.struct([("a", pa.int32()), ("b", pa.map_(pa.string(), pa.date32()))])): (
            "array<struct<a:int,b:map<string,date>>>"
        ),
    }
    assert {kind: hive_type(kind, column="c", source="athena") for kind in kinds} == kinds
    for kind in (pa.uint64(), pa.time64("us"), pa.duration("s"), pa.null()):
        with pytest.raises(UnsupportedOperation, match="column 'c'"):
            hive_type(kind, column="c", source="athena")


# Throttling and failures


def throttled(*_: object, **__: object) -> None:
    raise ClientError({"Error": {"Code": "TooManyRequestsException", "Message": "slow down"}}, "Op")


def test_throttled_calls_are_retried_within_a_bound() -> None:
    throttle = Throttle("athena", seconds=0.5, first=0.01, longest=0.05)
    with pytest.raises(Throttled, match=r"after \d+ attempts in 0\.5 s"):
        throttle.call("start a query", throttled)
    assert throttle.retries > 5


def test_a_call_that_gets_through_at_last_is_answered() -> None:
    calls: list[int] = []

    def third_time(**_: object) -> str:
        calls.append(1)
        if len(calls) < 3:
            throttled()
        return "answer"

    assert Throttle("athena", seconds=5, first=0.01).call("ask", third_time) == "answer"
    assert len(calls) == 3


def no_position(line: int, column: int) -> int | None:
    return None


def test_failures_become_the_right_errors() -> None:
    def of(reason: str) -> Exception:
        return failure(reason, source="athena", sql="SELECT 1", position=no_position)

    assert isinstance(of("Bytes scanned limit was exceeded"), ScanLimitExceeded)
    assert isinstance(of("Insufficient permissions to execute the query."), PermissionDenied)
    assert isinstance(of("Access Denied (Service: Amazon S3; Status Code: 403)"), PermissionDenied)
    failed = failure(
        "SYNTAX_ERROR: line 2:3: Column 'x' cannot be resolved",
        source="athena",
        sql="SELECT  x",
        position=lambda line, column: 8,
    )
    assert isinstance(failed, QueryFailed)
    assert failed.position == 8
    assert "line 1:9: Column 'x'" in failed.message


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("NOT_SUPPORTED: Unsupported Hive type: time(3)", True),
        ("NOT_SUPPORTED: Unsupported Hive type: timestamp(3) with time zone", True),
        ("SYNTAX_ERROR: line 1:1: Column name not specified at position 1", True),
        ("SYNTAX_ERROR: line 1:1: Column name 'a' specified more than once", True),
        ("SYNTAX_ERROR: line 1:8: Column 'x' cannot be resolved", False),
        ("TABLE_NOT_FOUND: line 1:15: Table 'a.b.c' does not exist", False),
        ("DIVISION_BY_ZERO: / by zero", False),
    ],
)
def test_only_unloads_own_limits_lead_to_a_second_try(reason: str, expected: bool) -> None:
    assert refuses_unload(failure(reason, source="a", sql="", position=no_position)) is expected
