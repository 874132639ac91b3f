"""Listed Parquet files as one lazy pyarrow dataset, pruned by path and by row group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.dataset as ds
from pyarrow.fs import PyFileSystem

from stupiddb_kernel.sources.objects.file import ObjectHandler, ObjectReader
from stupiddb_kernel.sources.objects.footer import INT96_UNIT
from stupiddb_kernel.sources.objects.listing import Object

SPLIT_BYTES = 16 * 1024**2


@dataclass(frozen=True, slots=True)
class Part:
    """A file and what its path says: values of partition columns, all text, None for Hive's null."""

    object: Object
    values: Mapping[str, str | None]


def dataset(
    reader: ObjectReader,
    parts: Sequence[Part],
    schema: pa.Schema,
    row_groups: Mapping[Object, int] | None = None,
) -> ds.FileSystemDataset:
    """A dataset over ``parts`` with ``schema``, which has the partition columns among its fields.

    A scan opens only files whose path fits the filter, fetches only row groups whose statistics fit it
    and only the columns asked for. Where a file holds a column of the same name as a partition column,
    the path's value is given, as Hive and Athena do.

    Arrow keeps all it has fetched for a fragment until that fragment is done, so a large file of which
    ``row_groups`` says that it has several is cut into them: memory is then bounded by row groups.
    """
    filesystem = PyFileSystem(ObjectHandler(reader, (part.object for part in parts)))
    file_format = parquet_format()
    known = row_groups or {}

    def fragments(part: Part) -> list[ds.ParquetFileFragment]:
        whole = file_format.make_fragment(
            f"{part.object.bucket}/{part.object.key}",
            filesystem=filesystem,
            partition_expression=_guarantee(part.values),
            file_size=part.object.size,
        )
        if part.object.size < SPLIT_BYTES or known.get(part.object, 1) < 2:
            return [whole]
        pieces: list[ds.ParquetFileFragment] = whole.split_by_row_group()
        return pieces

    with ThreadPoolExecutor(8, thread_name_prefix="open s3") as pool:
        chosen = [fragment for found in pool.map(fragments, parts) for fragment in found]
    return ds.FileSystemDataset(chosen, schema, file_format, filesystem)


def parquet_format() -> ds.ParquetFileFormat:
    """How every Parquet file is read: exact INT96, ranges coalesced before decoding."""
    return ds.ParquetFileFormat(
        read_options=ds.ParquetReadOptions(coerce_int96_timestamp_unit=INT96_UNIT),
        default_fragment_scan_options=ds.ParquetFragmentScanOptions(pre_buffer=True),
    )


def _guarantee(values: Mapping[str, str | None]) -> ds.Expression | None:
    """What is true of every row of a file because of its path."""
    result: ds.Expression | None = None
    for name, value in values.items():
        one = ds.field(name).is_null() if value is None else ds.field(name) == ds.scalar(value)
        result = one if result is None else result & one
    return result
