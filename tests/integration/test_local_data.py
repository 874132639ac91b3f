"""The demo's real data in the stack: complete, typed, described, and the same after every load."""

from __future__ import annotations

import io
from collections import Counter
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from stupiddb_kernel.local import flights as data
from stupiddb_kernel.local import mariadb, nycflights, postgres
from stupiddb_kernel.local.stack import Stack

_ROWS = 336_776


def _objects(stack: Stack, bucket: str) -> dict[str, tuple[int, str]]:
    pages = stack.client("s3").get_paginator("list_objects_v2").paginate(Bucket=bucket)
    return {each["Key"]: (each["Size"], each["ETag"]) for page in pages for each in page.get("Contents", ())}


def _partitions(stack: Stack) -> list[dict[str, Any]]:
    pages = (
        stack.client("glue")
        .get_paginator("get_partitions")
        .paginate(DatabaseName="analytics", TableName="flights")
    )
    return [partition for page in pages for partition in page["Partitions"]]


def _read(stack: Stack, key: str, bucket: str = "stupiddb-analytics") -> pa.Table:
    return pq.read_table(io.BytesIO(stack.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()))


@pytest.fixture(scope="module")
def table(flights: Stack) -> dict[str, Any]:
    return flights.client("glue").get_table(DatabaseName="analytics", Name="flights")["Table"]


@pytest.fixture(scope="module")
def events() -> pa.Table:
    return nycflights.flights()


def test_every_flight_of_2013_is_an_event(events: pa.Table) -> None:
    assert events.num_rows == _ROWS
    assert events.schema == nycflights.EVENTS
    assert Counter(events["event_type"].to_pylist()) == {"Departed": 328_521, "Cancelled": 8_255}
    assert len(set(events["dt"].to_pylist())) == 365
    assert pc.all(
        pc.equal(pc.is_null(events["dep_time"]), pc.equal(events["event_type"], "Cancelled"))
    ).as_py()


def test_times_are_utc_and_dates_are_new_yorks(events: pa.Table) -> None:
    """05:15 on New Year's day in New York is 10:15 UTC; in July it would be 09:15."""
    first = events.filter(
        pc.and_(pc.equal(events["tailnum"], "N14228"), pc.equal(events["dt"], "2013-01-01"))
    )
    row = first.slice(0, 1).to_pylist()[0]

    assert row["sched_dep_time"] == 515
    assert row["ts"] == datetime(2013, 1, 1, 10, 15)
    assert row["time_hour"] == datetime(2013, 1, 1, 10)
    july = events.filter(pc.equal(events["dt"], "2013-07-04")).slice(0, 1).to_pylist()[0]
    assert (july["ts"] - datetime(2013, 7, 4, july["hour"], july["minute"])).total_seconds() == 4 * 3600


def test_event_type_and_date_are_in_the_path(flights: Stack) -> None:
    objects = _objects(flights, "stupiddb-analytics")

    assert len(objects) == 365 + 358  # on seven days nothing was cancelled
    assert "events/Departed/dt=2013-01-01/part-00000.parquet" in objects
    assert all(key.split("/")[1] in ("Departed", "Cancelled") for key in objects)


def test_files_hold_the_rows_of_their_path(flights: Stack) -> None:
    one = _read(flights, "events/Departed/dt=2013-02-08/part-00000.parquet")

    assert one.num_rows == 458  # of 930: a snow storm
    assert set(zip(one["month"].to_pylist(), one["day"].to_pylist(), strict=True)) == {(2, 8)}
    assert one["dep_time"].null_count == 0
    assert one.column_names == [name for name in nycflights.EVENTS.names if name not in ("event_type", "dt")]


def test_the_glue_table_describes_every_column(table: dict[str, Any]) -> None:
    columns = {column["Name"]: column for column in table["StorageDescriptor"]["Columns"]}

    assert [key["Name"] for key in table["PartitionKeys"]] == ["event_type", "dt"]
    assert columns["carrier"]["Type"] == "string"
    assert columns["dep_delay"]["Type"] == "int"
    assert columns["ts"]["Type"] == "timestamp"
    assert all(column["Comment"] for column in [*columns.values(), *table["PartitionKeys"]])
    assert "UTC" in columns["time_hour"]["Comment"]


def test_the_glue_table_knows_its_size(flights: Stack, table: dict[str, Any]) -> None:
    sizes = [size for size, _ in _objects(flights, "stupiddb-analytics").values()]

    assert table["Parameters"]["recordCount"] == str(_ROWS)
    assert table["Parameters"]["totalSize"] == str(sum(sizes))
    assert table["Parameters"]["objectCount"] == str(len(sizes))


def test_every_partition_points_at_its_files(flights: Stack) -> None:
    partitions = _partitions(flights)
    objects = _objects(flights, "stupiddb-analytics")

    assert len(partitions) == len(objects)
    for partition in partitions:
        event_type, day = partition["Values"]
        location = partition["StorageDescriptor"]["Location"]
        assert location == f"s3://stupiddb-analytics/events/{event_type}/dt={day}/"
        size, _ = objects[location.removeprefix("s3://stupiddb-analytics/") + "part-00000.parquet"]
        assert partition["Parameters"]["totalSize"] == str(size)
    assert sum(int(partition["Parameters"]["recordCount"]) for partition in partitions) == _ROWS


def test_aurora_holds_the_reference_tables(flights: Stack) -> None:
    with postgres.connect(flights.postgres) as connection:
        counts = {
            name: connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0]
            for name in ("airlines", "airports", "planes")
        }
        plane = connection.execute(
            "SELECT year, manufacturer, seats, speed FROM planes WHERE tailnum = 'N14228'"
        ).fetchone()
        analysed = connection.execute(
            "SELECT count(*) FROM pg_class"
            " WHERE relname IN ('airlines', 'airports', 'planes') AND reltuples > 0"
        ).fetchone()
        undescribed = connection.execute(
            "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
            " AND obj_description(oid) IS NULL"
        ).fetchall()

    assert counts == {"airlines": 16, "airports": 1_458, "planes": 3_322}
    assert plane == (1999, "BOEING", 149, None)
    assert analysed == (3,)
    assert undescribed == []


def test_updates_in_aurora_move_the_sync_key(flights: Stack) -> None:
    with postgres.connect(flights.postgres) as connection, connection.transaction(force_rollback=True):
        before, after = (
            connection.execute(sql).fetchone()[0]
            for sql in (
                "SELECT updated_at FROM planes WHERE tailnum = 'N14228'",
                "UPDATE planes SET seats = 150 WHERE tailnum = 'N14228' RETURNING updated_at",
            )
        )

    assert before < after


def test_rds_holds_the_weather(flights: Stack) -> None:
    with mariadb.connect(flights.mysql) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(*), count(wind_gust), min(time_hour), max(time_hour) FROM weather")
        assert cursor.fetchone() == (
            26_115,
            5_337,
            datetime(2013, 1, 1, 6),
            datetime(2013, 12, 30, 23),
        )
        cursor.execute(
            "SELECT temp, wind_speed, wind_gust FROM weather"
            " WHERE origin = 'EWR' AND time_hour = '2013-01-01 06:00:00'"
        )
        assert cursor.fetchone() == (39.02, 10.357019999999999, None)
        cursor.execute("SHOW TABLES")
        assert cursor.fetchall() == (("weather",),)


def test_weather_joins_flights_on_airport_and_hour(flights: Stack, events: pa.Table) -> None:
    with mariadb.connect(flights.mysql) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT origin, time_hour FROM weather")
        known = set(cursor.fetchall())
    events = nycflights.flights()

    matched = sum(
        pair in known
        for pair in zip(events["origin"].to_pylist(), events["time_hour"].to_pylist(), strict=True)
    )

    assert matched / _ROWS > 0.99


def test_the_archive_holds_the_weather_by_month(flights: Stack) -> None:
    keys = [key for key in _objects(flights, "stupiddb-archive") if key.startswith("historical/")]

    assert keys == [f"historical/weather/2013-{month:02}.parquet" for month in range(1, 13)]
    assert sum(_read(flights, key, "stupiddb-archive").num_rows for key in keys) == 26_115


def test_loading_again_changes_nothing(flights: Stack) -> None:
    def state() -> tuple[object, ...]:
        with (
            postgres.connect(flights.postgres) as pg,
            mariadb.connect(flights.mysql) as my,
            my.cursor() as cursor,
        ):
            rows = [
                pg.execute(f"SELECT * FROM {name} ORDER BY 1").fetchall() for name in ("airports", "planes")
            ]
            cursor.execute("SELECT * FROM weather ORDER BY origin, time_hour")
            return (
                _objects(flights, "stupiddb-analytics"),
                _objects(flights, "stupiddb-archive"),
                sorted((partition["Values"], partition["Parameters"]) for partition in _partitions(flights)),
                rows,
                cursor.fetchall(),
            )

    before = state()
    flights.client("s3").put_object(
        Bucket="stupiddb-analytics", Key="events/Departed/dt=2013-01-01/stray.parquet", Body=b"stray"
    )
    messages: list[str] = []
    data.load(flights, messages.append)

    assert state() == before
    assert len(messages) == 4


def test_recent_flights_are_the_last_thirty_days() -> None:
    recent = data.recent_flights().read_all()

    assert recent.schema == nycflights.EVENTS
    assert recent.num_rows == 27_148
    days = sorted(set(recent["dt"].to_pylist()))
    assert (days[0], days[-1], len(days)) == ("2013-12-02", "2013-12-31", 30)


def test_only_the_services_that_run_are_loaded(tmp_path: Any) -> None:
    messages: list[str] = []
    with Stack.start(tmp_path / "stack", services=("postgres",)) as stack:
        data.load(stack, messages.append)

    assert messages == ["16 airlines, 1,458 airports, 3,322 planes in Aurora (aviation)"]
