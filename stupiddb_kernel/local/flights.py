"""The demo's real data in the stack: flights in S3 and Glue, reference tables in Aurora, weather in RDS."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet

from stupiddb_kernel.errors import LocalStackError
from stupiddb_kernel.local import nycflights, references
from stupiddb_kernel.local.configuration import ANALYTICS_BUCKET, ARCHIVE_BUCKET, GLUE_DATABASE
from stupiddb_kernel.local.furnishing import translated

if TYPE_CHECKING:
    from stupiddb_kernel.local.stack import Stack

TABLE = "flights"
PREFIX = "events/"
PARTITION_KEYS = ("event_type", "dt")
RECENT_FROM = "2013-12-02"
"""The last 30 days of 2013 start here."""

_GLUE_TYPES = {pa.int32(): "int", pa.string(): "string", pa.timestamp("ms"): "timestamp"}
_GLUE_BATCH = 100
"""Glue takes at most so many partitions a call."""
_PARQUET = {
    "InputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
    "OutputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat",
    "SerdeInfo": {
        "SerializationLibrary": "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe",
        "Parameters": {"serialization.format": "1"},
    },
}


@dataclass(frozen=True)
class _Partition:
    """One file of flights: one event type on one day."""

    event_type: str
    day: str
    rows: int
    bytes: int

    @property
    def prefix(self) -> str:
        return f"{PREFIX}{self.event_type}/dt={self.day}/"


def load(stack: Stack, progress: Callable[[str], None] = lambda _: None) -> None:
    """Put the data into every service that runs; loading twice leaves what loading once does.

    Flights become ``s3://stupiddb-analytics/events/<event_type>/dt=<date>/part-00000.parquet`` and the
    Glue table ``analytics.flights``; airlines, airports and planes go to Aurora, weather to RDS and, month
    by month, to ``s3://stupiddb-archive/historical/weather/``. Raises LocalStackError.
    """
    work: list[Callable[[], str]] = []
    if "aws" in stack.services:
        work += [lambda: _load_flights(stack), lambda: _load_history(stack)]
    if "postgres" in stack.services:
        work.append(lambda: references.load_aviation(stack.postgres))
    if "mariadb" in stack.services:
        work.append(lambda: references.load_weather(stack.mysql))
    with ThreadPoolExecutor(max_workers=max(1, len(work)), thread_name_prefix="load") as pool:
        for future in as_completed([pool.submit(each) for each in work]):
            progress(future.result())


def recent_flights() -> pa.RecordBatchReader:
    """The last 30 days of flights as events, in the package's order, for the local store."""

    def batches() -> Iterator[pa.RecordBatch]:
        for batch in nycflights.flight_batches():
            recent = batch.filter(pc.greater_equal(batch["dt"], RECENT_FROM))
            if recent.num_rows:
                yield recent

    return pa.RecordBatchReader.from_batches(nycflights.EVENTS, batches())


def _load_flights(stack: Stack) -> str:
    flights = nycflights.flights()
    s3 = stack.client("s3")
    with translated("loading the flights"):
        with ThreadPoolExecutor(4, "upload") as pool:
            partitions = list(pool.map(lambda part: _upload(s3, *part), _split(flights)))
        _remove_others(s3, {f"{partition.prefix}part-00000.parquet" for partition in partitions})
        _register(stack.client("glue"), partitions)
    size = sum(partition.bytes for partition in partitions)
    return (
        f"{flights.num_rows:,} flights in {len(partitions)} Parquet files ({size / 1e6:.1f} MB) "
        f"in s3://{ANALYTICS_BUCKET}/{PREFIX}, in Glue as {GLUE_DATABASE}.{TABLE}"
    )


def _split(flights: pa.Table) -> Iterator[tuple[str, str, pa.Table]]:
    """Event type, date and rows of each partition; ``flights`` is sorted by both."""
    counts = flights.group_by(list(PARTITION_KEYS), use_threads=False).aggregate([([], "count_all")])
    start = 0
    for event_type, day, count in zip(
        *(counts[name].to_pylist() for name in counts.column_names), strict=True
    ):
        yield event_type, day, flights.slice(start, count).drop_columns(list(PARTITION_KEYS))
        start += count


def _upload(s3: Any, event_type: str, day: str, rows: pa.Table) -> _Partition:
    body = _parquet(rows)
    partition = _Partition(event_type, day, rows.num_rows, len(body))
    s3.put_object(Bucket=ANALYTICS_BUCKET, Key=f"{partition.prefix}part-00000.parquet", Body=body)
    return partition


def _parquet(rows: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    parquet.write_table(rows, sink, compression="snappy")
    return sink.getvalue().to_pybytes()  # type: ignore[no-any-return]


def _remove_others(s3: Any, wanted: set[str]) -> None:
    """Remove what else is in the flights' prefixes, so that every load leaves the same rows."""
    for event_type in {key.split("/")[1] for key in wanted}:
        pages = s3.get_paginator("list_objects_v2").paginate(
            Bucket=ANALYTICS_BUCKET, Prefix=f"{PREFIX}{event_type}/"
        )
        for page in pages:
            for each in page.get("Contents", ()):
                if each["Key"] not in wanted:
                    s3.delete_object(Bucket=ANALYTICS_BUCKET, Key=each["Key"])


def _register(glue: Any, partitions: list[_Partition]) -> None:
    """A new Glue table over the files; the partitions carry their locations, as the layout is not Hive's."""
    if any(each["Name"] == TABLE for each in glue.get_tables(DatabaseName=GLUE_DATABASE)["TableList"]):
        glue.delete_table(DatabaseName=GLUE_DATABASE, Name=TABLE)
    columns = [_column(field) for field in nycflights.EVENTS if field.name not in PARTITION_KEYS]
    glue.create_table(
        DatabaseName=GLUE_DATABASE,
        TableInput={
            "Name": TABLE,
            "Description": "Flights that left New York City in 2013; one row a scheduled departure",
            "TableType": "EXTERNAL_TABLE",
            "PartitionKeys": [_column(nycflights.EVENTS.field(name)) for name in PARTITION_KEYS],
            "Parameters": {
                "EXTERNAL": "TRUE",
                "classification": "parquet",
                "parquet.compression": "SNAPPY",
                **_statistics(partitions),
            },
            "StorageDescriptor": {
                "Columns": columns,
                "Location": f"s3://{ANALYTICS_BUCKET}/{PREFIX}",
                **_PARQUET,
            },
        },
    )
    inputs = [
        {
            "Values": [partition.event_type, partition.day],
            "Parameters": _statistics([partition]),
            "StorageDescriptor": {
                "Columns": columns,
                "Location": f"s3://{ANALYTICS_BUCKET}/{partition.prefix}",
                **_PARQUET,
            },
        }
        for partition in partitions
    ]
    for start in range(0, len(inputs), _GLUE_BATCH):
        answer = glue.batch_create_partition(
            DatabaseName=GLUE_DATABASE,
            TableName=TABLE,
            PartitionInputList=inputs[start : start + _GLUE_BATCH],
        )
        if answer.get("Errors"):
            raise LocalStackError(f"Glue refused partitions of {TABLE}: {answer['Errors'][:3]}")


def _column(field: pa.Field) -> dict[str, str]:
    return {
        "Name": field.name,
        "Type": _GLUE_TYPES[field.type],
        "Comment": nycflights.COMMENTS[field.name],
    }


def _statistics(partitions: list[_Partition]) -> dict[str, str]:
    """Row, byte and file counts under the names that Glue's crawlers and Hive give them."""
    rows = str(sum(partition.rows for partition in partitions))
    size = str(sum(partition.bytes for partition in partitions))
    files = str(len(partitions))
    return {
        "recordCount": rows, "numRows": rows, "totalSize": size, "sizeKey": size,
        "objectCount": files, "numFiles": files,
    }  # fmt: skip


def _load_history(stack: Stack) -> str:
    weather = nycflights.table("weather")
    s3 = stack.client("s3")
    months = sorted(set(weather["month"].to_pylist()))
    with translated("archiving the weather"):
        for month in months:
            s3.put_object(
                Bucket=ARCHIVE_BUCKET,
                Key=f"historical/weather/2013-{month:02}.parquet",
                Body=_parquet(weather.filter(pc.equal(weather["month"], month))),
            )
    return (
        f"{weather.num_rows:,} hours of weather in {len(months)} files in s3://{ARCHIVE_BUCKET}/historical/"
    )
