"""What the Athena endpoint makes of a statement before anything is run."""

from __future__ import annotations

from datetime import UTC, datetime

import pyarrow as pa
import pytest

from stupiddb_kernel.local.athena import hive, printing, translate
from stupiddb_kernel.local.athena.errors import InvalidRequest, QueryError, SyntaxRefused
from stupiddb_kernel.local.athena.statements import bind, classify, split_arguments
from stupiddb_kernel.local.athena.text import Reader, tokenize
from stupiddb_kernel.local.athena.throttling import Quota, Throttle


def duckdb(sql: str) -> str:
    around = translate.Surroundings(
        "awsdatacatalog", "db", datetime(2026, 5, 6, 7, 8, 9, tzinfo=UTC), lambda _: False
    )
    return translate.render(translate.to_duckdb(translate.parse(sql), around))


@pytest.mark.parametrize(
    ("athena", "expected"),
    [
        ("SELECT a / b", 'SELECT "a" / TRINO_NONZERO("b")'),
        ("SELECT a / 2", 'SELECT "a" / 2'),
        ("SELECT a / 0", 'SELECT "a" / TRINO_NONZERO(0)'),
        ("SELECT date_diff('hour', a, b)", "SELECT DATE_SUB('hour', \"a\", \"b\")"),
        ("SELECT current_date", "SELECT CAST('2026-05-06' AS DATE)"),
        ("SELECT current_schema", "SELECT 'db'"),
        ('SELECT "current_schema"', 'SELECT "current_schema"'),
        ("SELECT cast(a AS timestamp(3))", 'SELECT CAST("a" AS TIMESTAMP)'),
        ("SELECT a FROM t ORDER BY a DESC", 'SELECT "a" FROM "t" ORDER BY "a" DESC'),
        ("SELECT \"@timestamp\" FROM t", 'SELECT "@timestamp" FROM "t"'),
        ("SELECT a FROM t FETCH FIRST 3 ROW ONLY", 'SELECT "a" FROM "t" LIMIT 3'),
    ],
)  # fmt: skip
def test_expressions(athena: str, expected: str) -> None:
    assert duckdb(athena) == expected


def test_a_divisor_with_a_subquery_is_not_evaluated_twice() -> None:
    assert duckdb("SELECT a / (SELECT count(*) FROM t)").count("SELECT COUNT") == 1


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("SELECT 1", "SELECT"),
        ("  -- note\n with a as (select 1) select * from a;", "SELECT"),
        ("(SELECT 1)", "SELECT"),
        ("TABLE t", "SELECT"),
        ("unload (select ')' as x) to 's3://b/p' with (format = 'ORC')", "UNLOAD"),
        ("CREATE TABLE t WITH (format='ORC') AS SELECT 1 AS x", "CREATE_TABLE_AS_SELECT"),
        ("CREATE EXTERNAL TABLE t (a int) LOCATION 's3://b/'", "CREATE_TABLE"),
        ("create or replace view v as select 1 as x", "CREATE_VIEW"),
        ("EXECUTE p USING 1, 'a, b'", "EXECUTE"),
        ("msck repair table t", "MSCK_REPAIR_TABLE"),
        ("ALTER TABLE t ADD PARTITION (a=1)", "ALTER_TABLE"),
        ("explain (type logical) select 1", "EXPLAIN"),
        ("DESC t", "DESCRIBE_TABLE"),
    ],
)
def test_statements_are_told_apart(text: str, kind: str) -> None:
    assert classify(text).kind == kind


@pytest.mark.parametrize(
    "text", ["", "  ", "--x", "/* x */", ";", "SELECT 1; SELECT 2", "DELETE FROM t", "SET a = 1"]
)
def test_what_is_no_single_statement_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest):
        classify(text)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("SELEC 1", (1, 1)),
        ("SELECT 'open", (1, 8)),
        ("SELECT\n  /* open", (2, 3)),
        ("UNLOAD (SELECT 1", (1, 17)),
        ("UNLOAD (SELECT 1) INTO 'x'", (1, 19)),
        ("EXPLAIN DROP TABLE t", (1, 9)),
    ],
)
def test_syntax_errors_have_a_place(text: str, place: tuple[int, int]) -> None:
    with pytest.raises(SyntaxRefused) as caught:
        classify(text)
    assert caught.value.place == place


def test_inner_queries_keep_their_places() -> None:
    statement = classify("EXPLAIN\n  SELECT nope FROM t")
    assert statement.query.index("SELECT") == statement.text.index("SELECT")
    inner = classify(
        "UNLOAD (\n SELECT 1 AS x\n) TO 's3://b/p/' WITH (format='PARQUET', partitioned_by=ARRAY['x'])"
    )
    assert inner.query.split() == ["SELECT", "1", "AS", "x"]
    assert inner.parts["properties"] == {"format": "PARQUET", "partitioned_by": ["x"]}


def test_tokens_are_cut_as_athena_cuts_them() -> None:
    sql = "a.\"b\"\"c\" `d` 'it''s' 1.5e-3 <> -- gone\n/* gone */ x$y @"
    assert [token.text for token in tokenize(sql)] == [
        "a", ".", '"b""c"', "`d`", "'it''s'", "1.5e-3", "<>", "x$y", "@",
    ]  # fmt: skip
    reader = Reader("\"b\"\"c\" 'it''s' -5")
    assert (reader.identifier(), reader.string(), reader.value(), reader.done) == ('b"c', "it's", "-5", True)


def test_parameters_are_bound_where_marks_stand() -> None:
    assert bind("SELECT ?, '?', \"?\" -- ?\n, ?", ["1", "'a'"]) == "SELECT 1, '?', \"?\" -- ?\n, 'a'"
    assert split_arguments("1, 'a, b', ARRAY[1, 2], date '2013-01-01'") == [
        "1", "'a, b'", "ARRAY[1, 2]", "date '2013-01-01'",
    ]  # fmt: skip
    with pytest.raises(QueryError, match="expected 1 but found 0"):
        bind("SELECT ?", [])


@pytest.mark.parametrize(
    "text",
    [
        "int",
        "decimal(10,2)",
        "array<struct<a:int,b:map<string,array<double>>>>",
        "timestamp",
        "struct<x y:int>",
    ],
)
def test_hive_types_go_to_arrow_and_back(text: str) -> None:
    assert hive.hive_type(hive.arrow_type(text)) == text


@pytest.mark.parametrize(
    "text", ["", "money", "array<int", "array<>", "map<int>", "decimal(a)", "int>", "struct<a>"]
)
def test_types_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(QueryError):
        hive.arrow_type(text)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0.0"), (-0.0, "-0.0"), (1.0, "1.0"), (0.001, "0.001"),
        (0.00099, "9.9E-4"), (9999999.0, "9999999.0"),
        (1e7, "1.0E7"), (1.7976931348623157e308, "1.7976931348623157E308"), (2.5e-300, "2.5E-300"),
        (float("-inf"), "-Infinity"), (float("nan"), "NaN"), (123456789.125, "1.23456789125E8"),
    ],
)  # fmt: skip
def test_doubles_print_as_java_prints_them(value: float, text: str) -> None:
    assert printing.text(value, pa.float64()) == text
    assert printing.text_column(pa.array([value])).to_pylist() == [text]


def test_a_throttle_lets_its_burst_through_then_refuses() -> None:
    throttle = Throttle(start=Quota(0.001, 2))
    for _ in range(2):
        throttle.check("StartQueryExecution")
    with pytest.raises(Exception, match="Rate exceeded"):
        throttle.check("StartQueryExecution")
    throttle.check("ListWorkGroups")
    throttle.refuse_next("ListWorkGroups", 1)
    with pytest.raises(Exception, match="Rate exceeded"):
        throttle.check("ListWorkGroups")
    throttle.check("ListWorkGroups")
