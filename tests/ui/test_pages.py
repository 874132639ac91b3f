"""Pages of a table as the kernel makes them: exact texts, stable order, values that are bound, refusals."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from decimal import Decimal

import duckdb
import ibis
import pyarrow as pa
import pytest
from ibis.backends.duckdb import Backend
from stupiddb.widgets import ResultTable
from stupiddb.widgets.pages import Filter, Pages, Query, Sort, hold
from stupiddb.widgets.requests import Cancelled, Ticket
from stupiddb.widgets.snippets import select
from stupiddb.widgets.values import kind_of_duckdb, kind_of_ibis, text_of_edge, text_of_python

from stupiddb_kernel.config.settings import Settings
from stupiddb_kernel.errors import StupiddbError, UsageError
from stupiddb_kernel.session import Session
from stupiddb_kernel.sources.base import Column, Table, TableName
from tests.ui import sample


@pytest.fixture(scope="module")
def con() -> Backend:
    connected = ibis.duckdb.connect()
    connected.raw_sql(sample.EXACT)
    connected.raw_sql(
        """
        CREATE TABLE people AS SELECT range AS id, ['b', 'A', NULL, '', 'a%_c'][range % 5 + 1] AS name,
          (range % 4)::DECIMAL(10, 2) / 8 AS share, range % 3 = 0 AS active,
          TIMESTAMPTZ '2013-01-01 00:00:00+00' + to_hours(range) AS seen, range AS "od""d name"
        FROM range(1000)
        """
    )
    return connected


@pytest.fixture(scope="module")
def people(con: Backend) -> ResultTable:
    return ResultTable(con.table("people"))


def column(table: ResultTable, name: str) -> int:
    return [each["name"] for each in table.columns].index(name)


def ids(table: ResultTable, query: Query, offset: int = 0, limit: int = 1000) -> list[int]:
    return [int(row[0] or -1) for row in table._pages.page(query, offset, limit)["rows"]]


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("name", ["name", "share", "active", "seen"])
def test_pages_of_a_sorted_table_are_the_sorted_table_with_nulls_last(
    con: Backend, people: ResultTable, name: str, descending: bool
) -> None:
    query = Query(sort=(Sort(column=column(people, name), descending=descending),))
    pages = [each for offset in range(0, 1000, 170) for each in ids(people, query, offset, 170)]
    order = f'"{name}" {"DESC" if descending else "ASC"} NULLS LAST, rowid'
    assert pages == [row[0] for row in con.raw_sql(f"SELECT id FROM people ORDER BY {order}").fetchall()]


@pytest.mark.parametrize(
    ("name", "operator", "value", "condition"),
    [
        ("name", "contains", "a", "name ILIKE '%a%'"),
        ("name", "contains", "%_", "name = 'a%_c'"),
        ("name", "=", "' OR 1=1 --", "false"),
        ("name", "=", "", "name = ''"),
        ("name", "!=", "b", "name <> 'b'"),
        ("name", "null", "", "name IS NULL"),
        ("name", "not null", "", "name IS NOT NULL"),
        ("id", ">=", "990", "id >= 990"),
        ("id", "<", "2.5", "id < 2.5"),
        ("id", "=", " 7 ", "id = 7"),
        ("share", "=", "0.125", "share = 0.125"),
        ("share", "<=", "0.12500000001", "share <= 0.125"),
        ("active", "=", "TRUE", "active"),
        ("seen", "<", "2013-01-01 05:00:00", "id < 5"),
        ("seen", "=", "2013-01-01 05:00:00+02", "id = 3"),
        ("seen", ">", "2013-02-10", "id > 960"),
        ('od"d name', "=", "12", "id = 12"),
    ],
)
def test_a_filter_means_what_its_sql_means(
    con: Backend, people: ResultTable, name: str, operator: str, value: str, condition: str
) -> None:
    filters = (Filter(column=column(people, name), operator=operator, value=value),)  # type: ignore[arg-type]
    expected = con.raw_sql(f"SELECT id FROM people WHERE {condition} ORDER BY rowid").fetchall()
    assert ids(people, Query(filters=filters)) == [row[0] for row in expected]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("bigint", "9223372036854775807"),
        ("ubigint", "18446744073709551615"),
        ("hugeint", "170141183460469231731687303715884105727"),
        ("decimal", "12345678901234567890.123456789"),
        ("double", "0.30000000000000004"),
        ("nan", "NaN"),
        ("infinite", "-Infinity"),
        ("single", "0.1"),
        ("moment", "2013-01-01 03:00:00.123456+00"),
        ("nanoseconds", "2013-01-01 05:00:00.123456789"),
        ("far", "12000-06-30"),
        ("clock", "05:00:00.5"),
        ("zoned", "05:00:00+02"),
        ("span", "1 month 2 days 00:00:03.5"),
        ("bytes", "0x00FFDEAD"),
        ("uuid", "550e8400-e29b-41d4-a716-446655440000"),
        ("list", "[1, NULL, 9007199254740993]"),
    ],
)
@pytest.mark.parametrize("computed", [False, True], ids=["stored", "computed"])
def test_what_is_shown_can_be_typed_to_find_it(con: Backend, computed: bool, name: str, value: str) -> None:
    expression = con.table("exact")
    table = ResultTable(expression.mutate(more=1) if computed else expression)
    at = column(table, name)
    assert table.first_page["rows"][0][at] == value
    found = table._pages.page(Query(filters=(Filter(column=at, operator="=", value=value),)), 0, 10)
    assert found["total"] == 1


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("bigint", "twelve", "'twelve' is not a number"),
        ("decimal", "1e60", "more digits"),
        ("decimal", "NaN", "not a number that this column can hold"),
        ("far", "31.12.2013", "can't be read as date"),
        ("moment", "yesterday", "can't be read as timestamp"),
        ("uuid", "1234", "can't be read as uuid"),
        ("bytes", "xyz", "is not a binary value"),
    ],
)
def test_a_text_that_is_no_value_of_the_column_is_refused(
    con: Backend, name: str, value: str, message: str
) -> None:
    table = ResultTable(con.table("exact"))
    query = Query(filters=(Filter(column=column(table, name), operator="=", value=value),))
    with pytest.raises(UsageError, match=message):
        table._pages.page(query, 0, 10)


def test_a_computed_expression_is_one_snapshot_whatever_happens_to_its_tables() -> None:
    con = ibis.duckdb.connect()
    con.raw_sql("CREATE TABLE t AS SELECT range AS n FROM range(10)")
    table = ResultTable(con.table("t").mutate(twice=ibis._.n * 2))
    con.raw_sql("DROP TABLE t")
    assert table._pages.page(Query(), 9, 1)["rows"] == [["9", "18"]]


def test_answers_of_a_session_are_read_where_they_lie_and_go_on_with_ibis() -> None:
    with Session(Settings()) as session:
        answer = session.query("local", "SELECT range AS n, range % 7 AS k FROM range(10_000)")
        held = ResultTable(answer)
        last = Query(sort=(Sort(column=1, descending=True), Sort(column=0, descending=True)))
        assert held._pages.page(last, 0, 1)["rows"] == [["9995", "6"]]
        grouped = ResultTable(answer.expression.group_by("k").agg(n=ibis._.count()))
        assert grouped._pages.page(last, 0, 1)["rows"] == [["3", "1429"]]
        assert (held.rows, grouped.rows) == (10_000, 7)


def test_closing_a_widget_gives_its_rows_back() -> None:
    con = ibis.duckdb.connect()
    table = ResultTable(ibis.memtable({"a": [1]}).mutate(b=2))
    table = ResultTable(con.sql("SELECT 1 AS x"))
    held = "SELECT count(*) FROM duckdb_tables() WHERE database_name = 'stupiddb_shown'"
    assert con.raw_sql(held).fetchall() == [(1,)]
    table.close()
    assert con.raw_sql(held).fetchall() == [(0,)]


def test_a_column_called_rowid_does_not_disturb_the_order() -> None:
    con = ibis.duckdb.connect()
    con.raw_sql("CREATE TABLE t AS SELECT 100 - range AS rowid, range AS n FROM range(100)")
    table = ResultTable(con.table("t"))
    page = table._pages.page(Query(sort=(Sort(column=1, descending=True),)), 0, 2)
    assert page["rows"] == [["1", "99"], ["2", "98"]]


def test_a_table_expression_elsewhere_is_refused_with_what_to_do(con: Backend) -> None:
    with pytest.raises(UsageError, match="not a StringColumn"):
        ResultTable(con.table("people").name)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="in one place"):
        ResultTable(ibis.table({"a": "int64"}, name="nowhere"))


def test_more_cells_than_a_clipboard_takes_are_refused(people: ResultTable) -> None:
    with pytest.raises(UsageError, match="too many for the clipboard") as refused:
        people._pages.copy(Query(), (0, 400_000), (0, 5), header=False)
    assert "to_parquet" in (refused.value.hint or "")


def test_a_closed_connection_says_that_the_result_is_gone() -> None:
    con = ibis.duckdb.connect()
    con.raw_sql("CREATE TABLE t AS SELECT 1 AS a")
    table = ResultTable(con.table("t"))
    con.con.close()
    with pytest.raises(StupiddbError, match="the result is gone"):
        table._pages.page(Query(), 0, 1)


def test_a_question_nobody_waits_for_is_stopped_in_duckdb() -> None:
    con = ibis.duckdb.connect()
    con.raw_sql("CREATE TABLE t AS SELECT range AS n, md5(range::VARCHAR) AS hash FROM range(3_000_000)")
    pages, ticket = ResultTable(con.table("t"))._pages, Ticket()
    threading.Timer(0.1, ticket.cancel).start()
    started = time.monotonic()
    conditions = tuple(Filter(column=1, operator="contains", value=str(n)) for n in range(40))
    with pytest.raises(Cancelled):
        pages.page(Query(sort=(Sort(column=1),), filters=conditions), 0, 10, ticket)
    assert time.monotonic() - started < 5


def test_a_page_goes_its_own_way_beside_a_cell_that_computes() -> None:
    con = ibis.duckdb.connect()
    con.raw_sql("CREATE TABLE t AS SELECT range AS n FROM range(1000)")
    pages = ResultTable(con.table("t"))._pages

    def compute() -> None:
        with suppress(duckdb.InterruptException):
            con.raw_sql("SELECT count(*) FROM range(100000) a, range(20000) b WHERE (a.range ^ b.range) = 3")

    computing = threading.Thread(target=compute)
    computing.start()
    assert pages.page(Query(sort=(Sort(column=0, descending=True),)), 0, 1)["rows"] == [["999"]]
    still_computing = computing.is_alive()
    con.con.interrupt()
    computing.join()
    assert still_computing


def test_arrow_rows_of_types_that_duckdb_does_not_know_are_held_as_text() -> None:
    wide = pa.array([Decimal("12345678901234567890123456789012345678901234567890.5")], pa.decimal256(60, 1))
    pages: Pages = hold(pa.table({"wide": wide, "same": [2**63 - 1]}))
    assert pages.page(Query(), 0, 1)["rows"] == [
        ["12345678901234567890123456789012345678901234567890.5", "9223372036854775807"]
    ]
    assert [(c.label, c.kind) for c in pages.columns] == [("decimal(60, 1)", "string"), ("int64", "integer")]


def test_kinds_are_the_same_by_ibis_and_by_duckdb_names(con: Backend) -> None:
    table = ResultTable(con.table("exact"))
    types = [row[1] for row in con.raw_sql("DESCRIBE exact").fetchall()]
    by_ibis = [kind_of_ibis(each["type"]) for each in table.columns]
    by_duckdb = [kind_of_duckdb(each) for each in types]
    # Ibis has no integer of 128 bits and calls it a decimal
    assert ["integer" if kind == "decimal" else kind for kind in by_ibis] == [
        "integer" if kind == "decimal" else kind for kind in by_duckdb
    ]


def test_values_and_edges_of_a_profile_are_texts() -> None:
    values = [None, True, b"\x00\xff", float("nan"), 3.0, 10**30, Decimal("1.50")]
    assert [text_of_python(value) for value in values] == [
        None,
        "true",
        "0x00FF",
        "NaN",
        "3",
        "1000000000000000000000000000000",
        "1.50",
    ]
    assert text_of_edge(1_356_998_400.0, "timestamp") == "2013-01-01 00:00:00"
    assert text_of_edge(1_356_998_400.0, "date") == "2013-01-01"
    assert text_of_edge(0.5, "float") == "0.5"


def test_a_select_quotes_what_must_be_quoted_and_asks_for_a_partition() -> None:
    sources = sample.session().sources
    columns = (
        Column("order", "string", "varchar"),
        Column("Mixed Case", "string", "varchar"),
        Column("dt", "date", "date", partition=True),
    )
    table = Table(TableName("athena", "my db", "events"), columns)
    assert select(table, sources["athena"]).splitlines() == [
        "%%athena --database 'my db'",
        'SELECT "order", "Mixed Case", dt',
        "FROM events",
        "WHERE dt = '…'",
        "LIMIT 100",
    ]
