"""What every source promises: one body a behaviour, run against every store."""

from __future__ import annotations

import _thread
import math
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from stupiddb_kernel.errors import (
    QueryCancelled,
    QueryFailed,
    QueryTimeout,
    StupiddbError,
    UnknownName,
    UsageError,
)
from stupiddb_kernel.sources.base import ReadOptions
from tests.contract.conftest import BIG, ITEMS, Store

# A statement that would run for hours on any of them.
ENDLESS = "SELECT count(*) AS n FROM {0} a CROSS JOIN {0} b CROSS JOIN {0} c WHERE a.id + b.id + c.id < 0"


def rows(
    store: Store, sql: str, parameters: dict[str, Any] | None = None, **options: Any
) -> list[dict[str, Any]]:
    return store.source.query(sql, parameters, ReadOptions(**options)).to_arrow().to_pylist()


def test_names_its_databases_sorted(store: Store) -> None:
    databases = store.source.databases()
    assert store.database in databases
    assert databases == sorted(databases)


def test_refuses_an_unknown_database_with_the_nearest(store: Store) -> None:
    with pytest.raises(UnknownName) as caught:
        store.source.tables(store.database + "x")
    assert store.database in str(caught.value)


def test_lists_tables_with_columns_and_types(store: Store) -> None:
    tables = {table.name.table: table for table in store.source.tables(store.database)}
    assert {"items", "nothing", "numbers"} <= set(tables)
    types = {column.name: column.type.lstrip("!") for column in tables["items"].columns}
    assert list(types)[: ITEMS.num_columns] == ITEMS.column_names
    assert types["id"] == "int64"
    assert types["name"] == "string"
    assert types["price"] == "decimal(10, 2)"
    assert types["score"] == "float64"
    assert types["day"] == "date"
    assert types["at"].startswith("timestamp")


def test_knows_how_many_rows_a_table_has(store: Store) -> None:
    statistics = store.source.statistics(store.table("numbers"))
    assert statistics.rows is not None
    assert statistics.rows == BIG if statistics.exact else math.isclose(statistics.rows, BIG, rel_tol=0.2)


def test_delivers_exact_values(store: Store) -> None:
    found = store.source.query(f"SELECT * FROM {store.sql('items')} ORDER BY id").to_arrow()
    found = found.select(ITEMS.column_names)
    for name in ITEMS.column_names:
        expected = ITEMS.column(name).to_pylist()
        assert found.column(name).to_pylist() == expected, name


def test_keeps_the_schema_of_an_empty_result(store: Store) -> None:
    found = store.source.query(f"SELECT id, name, price, day FROM {store.sql('nothing')}").to_arrow()
    assert found.num_rows == 0
    assert found.schema.names == ["id", "name", "price", "day"]
    assert pa.types.is_integer(found.schema.field("id").type)
    assert pa.types.is_decimal(found.schema.field("price").type)
    assert pa.types.is_date(found.schema.field("day").type)


def test_streams_all_rows_once(store: Store) -> None:
    result = store.source.query(
        f"SELECT id, text FROM {store.sql('numbers')}", options=ReadOptions(batch_rows=10_000)
    )
    seen = 0
    total = 0
    for batch in result:
        seen += batch.num_rows
        total += pc.sum(batch.column(0)).as_py()
    assert seen == BIG
    assert total == BIG * (BIG - 1) // 2
    assert result.stats.rows == BIG
    assert result.stats.elapsed is not None


@pytest.mark.parametrize("limit", [0, 1, 7, BIG + 1])
def test_delivers_no_more_than_the_limit(store: Store, limit: int) -> None:
    found = rows(store, f"SELECT id FROM {store.sql('numbers')}", limit=limit)
    assert len(found) == min(limit, BIG)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("id", 2),
        ("name", 'it\'s; -- "quoted"'),
        ("name", "größe 😀"),
        ("price", Decimal("99999999.99")),
        ("score", -1e300),
        ("day", date(1969, 12, 31)),
        ("at", datetime(1969, 12, 31, 23, 59, 59, 123000)),
    ],
    ids=str,
)
def test_binds_values_with_their_type(store: Store, column: str, value: object) -> None:
    quote = "`" if store.source.dialect == "mysql" else '"'
    sql = f"SELECT count(*) AS n FROM {store.sql('items')} WHERE {quote}{column}{quote} = :value"
    assert rows(store, sql, {"value": value}) == [{"n": 1}]


@pytest.mark.parametrize(
    ("ids", "found"),
    [([1, 3, 99], 2), ([], 0), (list(range(5000)), 4)],
    ids=lambda value: str(value) if isinstance(value, int) else f"{len(value)} items",
)
def test_binds_a_list_in_an_in_list(store: Store, ids: list[int], found: int) -> None:
    sql = f"SELECT count(*) AS n FROM {store.sql('items')} WHERE id IN (:ids)"
    assert rows(store, sql, {"ids": ids}) == [{"n": found}]


def test_binds_none_as_null(store: Store) -> None:
    sql = f"SELECT count(*) AS n FROM {store.sql('items')} WHERE coalesce(:value, name) IS NULL"
    assert rows(store, sql, {"value": None}) == [{"n": 1}]


@pytest.mark.parametrize(
    "parameters", [{}, {"value": 1, "other": 2}, {"valve": 1}], ids=["missing", "unused", "misspelt"]
)
def test_refuses_parameters_that_do_not_fit(store: Store, parameters: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        store.source.query(f"SELECT id FROM {store.sql('items')} WHERE id = :value", parameters)


def test_never_takes_a_value_for_sql(store: Store) -> None:
    value = "x' OR '1'='1"
    sql = f"SELECT count(*) AS n FROM {store.sql('items')} WHERE name = :value"
    assert rows(store, sql, {"value": value}) == [{"n": 0}]


def test_points_at_an_unknown_column(store: Store) -> None:
    sql = f"SELECT id, nmae FROM {store.sql('items')}"
    with pytest.raises(QueryFailed) as caught:
        store.source.query(sql).to_arrow()
    assert "nmae" in str(caught.value)
    assert caught.value.sql == sql
    if caught.value.position is not None:
        assert sql[caught.value.position :].startswith("nmae")
    else:
        assert store.source.kind == "mysql"  # MySQL names the column, it has no offset to give


def test_reports_a_syntax_error(store: Store) -> None:
    with pytest.raises(QueryFailed):
        store.source.query("SELEC 1").to_arrow()


@pytest.mark.parametrize("sql", ["", "  -- nothing\n", "SELECT 1; SELECT 2", "SELECT 1; DROP TABLE items"])
def test_takes_exactly_one_statement(store: Store, sql: str) -> None:
    with pytest.raises(StupiddbError):
        store.source.query(sql).to_arrow()


def test_does_not_write(store: Store) -> None:
    if store.source.capabilities.writes:
        assert store.source.kind == "duckdb"  # the user's own store is the only one that a cell may change
        return
    with pytest.raises(StupiddbError):
        store.source.query(f"DELETE FROM {store.sql('items')} WHERE id = 1").to_arrow()
    assert rows(store, f"SELECT count(*) AS n FROM {store.sql('items')}") == [{"n": 4}]


def test_stops_a_statement_that_takes_too_long(store: Store) -> None:
    started = time.monotonic()
    with pytest.raises(QueryTimeout):
        rows(store, ENDLESS.format(store.sql("numbers")), timeout_seconds=1)
    assert time.monotonic() - started < 15


def test_is_stopped_by_ctrl_c(store: Store) -> None:
    """Whatever the driver is doing; nothing is left running, and the store takes the next statement."""
    timer = threading.Timer(1, _thread.interrupt_main)
    started = time.monotonic()
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        store.source.query(ENDLESS.format(store.sql("numbers"))).to_arrow()
    assert time.monotonic() - started < 15
    assert rows(store, f"SELECT count(*) AS n FROM {store.sql('items')}") == [{"n": 4}]


def test_is_cancelled_while_it_streams(store: Store) -> None:
    result = store.source.query(
        f"SELECT id, text FROM {store.sql('numbers')}", options=ReadOptions(batch_rows=1000)
    )
    batches = iter(result)
    next(batches)
    result.cancel()
    with pytest.raises(QueryCancelled):
        list(batches)


def test_can_be_closed_half_read(store: Store) -> None:
    for _ in range(8):  # more often than a pool is large
        result = store.source.query(
            f"SELECT id, text FROM {store.sql('numbers')}", options=ReadOptions(batch_rows=1000)
        )
        batches = iter(result)  # held: an iterator that is dropped closes the read by itself
        next(batches)
        result.close()
    assert rows(store, f"SELECT count(*) AS n FROM {store.sql('items')}") == [{"n": 4}]


def test_answers_several_threads_at_once(store: Store) -> None:
    sql = f"SELECT count(*) AS n FROM {store.sql('numbers')} WHERE id < :below"

    def ask(below: int) -> int:
        return int(rows(store, sql, {"below": below})[0]["n"])

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ask, range(0, 1600, 100))) == list(range(0, 1600, 100))


def test_previews_some_rows(store: Store) -> None:
    found = store.source.preview(store.table("numbers"), 5).to_arrow()
    assert found.num_rows == 5
    assert set(found.column_names) >= {"id", "text"}


def test_gives_tables_as_ibis_expressions(store: Store) -> None:
    table = store.source.table(store.table("items"))
    assert table.filter(table.price > Decimal("1.00")).count().execute() == 2


def test_refuses_an_unknown_table_with_the_nearest(store: Store) -> None:
    with pytest.raises(UnknownName) as caught:
        store.source.table(store.table("itmes"))
    assert "items" in str(caught.value)


def test_says_what_it_tried_and_that_it_works(store: Store) -> None:
    checks = store.source.check()
    assert {"reachable", "version"} <= {check.step for check in checks}
    assert [check for check in checks if not check.ok] == []


def test_connects_again_after_close(store: Store) -> None:
    store.source.close()
    if store.source.kind == "duckdb":  # a store without a file is empty when it opens again
        assert rows(store, "SELECT 1 AS n") == [{"n": 1}]
        return
    assert rows(store, f"SELECT count(*) AS n FROM {store.sql('items')}") == [{"n": 4}]


def test_bills_only_what_is_billed(store: Store) -> None:
    result = store.source.query(f"SELECT sum(id) AS n FROM {store.sql('numbers')}")
    result.to_arrow()
    if store.source.capabilities.billed_by_scan:
        assert result.stats.scanned
        assert result.stats.dollars
        assert result.stats.query_id
    else:
        assert result.stats.dollars is None


def test_shows_no_secret(store: Store, stack: Any) -> None:
    secrets = {stack.postgres.password, stack.mysql.password}
    shown = (
        repr(store.source)
        + repr(store.source.settings)
        + repr(vars(store.source))
        + str(store.source.check())
    )
    assert not [secret for secret in secrets if secret in shown]
