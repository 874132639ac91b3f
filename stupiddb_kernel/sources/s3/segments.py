"""External segments: files in S3 that are known by what their footers say, without being imported."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

from stupiddb_kernel.sources.objects.footer import Footer
from stupiddb_kernel.sources.objects.listing import Object


@dataclass(frozen=True, slots=True)
class SegmentColumn:
    """Bounds, nulls and compressed bytes of one column of one file; None is unknown."""

    type: str
    bytes: int
    nulls: int | None
    minimum: Any
    maximum: Any


@dataclass(frozen=True, slots=True)
class Segment:
    """One file: where it is, which version of it, what is in it, and what its path says."""

    bucket: str
    key: str
    etag: str
    size: int
    rows: int
    row_groups: int
    partition: Mapping[str, str | None]
    columns: Mapping[str, SegmentColumn]

    @classmethod
    def of(cls, footer: Footer, partition: Mapping[str, str | None]) -> Segment:
        """The segment that a footer describes."""
        columns = {
            name: SegmentColumn(
                str(footer.schema.field(name).type),
                column.bytes,
                column.nulls,
                column.minimum,
                column.maximum,
            )
            for name, column in footer.columns.items()
        }
        target = footer.object
        return cls(
            target.bucket,
            target.key,
            target.etag,
            target.size,
            footer.rows,
            footer.row_groups,
            dict(partition),
            columns,
        )

    @property
    def object(self) -> Object:
        """The file, in the version that was registered."""
        return Object(self.bucket, self.key, self.size, self.etag)

    def to_json(self) -> str:
        """As text that can be stored; ``from_json`` gives back an equal segment."""
        return json.dumps(asdict(self), default=_encode, separators=(",", ":"), allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> Segment:
        """Read what ``to_json`` wrote."""
        data = json.loads(text, object_hook=_decode)
        data["columns"] = {name: SegmentColumn(**column) for name, column in data["columns"].items()}
        return cls(**data)


_TYPES: dict[str, Any] = {
    "datetime": datetime.fromisoformat,
    "date": date.fromisoformat,
    "time": time.fromisoformat,
    "decimal": Decimal,
    "bytes": base64.b64decode,
}


def _encode(value: object) -> dict[str, str]:
    if isinstance(value, datetime):
        return {"$datetime": value.isoformat()}
    if isinstance(value, date):
        return {"$date": value.isoformat()}
    if isinstance(value, time):
        return {"$time": value.isoformat()}
    if isinstance(value, Decimal):
        return {"$decimal": str(value)}
    if isinstance(value, bytes):
        return {"$bytes": base64.b64encode(value).decode()}
    raise TypeError(f"a bound of type {type(value).__name__} can't be stored")


def _decode(data: dict[str, Any]) -> Any:
    if len(data) == 1:
        name, value = next(iter(data.items()))
        if name.startswith("$") and name[1:] in _TYPES and isinstance(value, str):
            return _TYPES[name[1:]](value)
    return data
