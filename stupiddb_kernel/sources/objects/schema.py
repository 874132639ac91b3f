"""One schema for many files: union by name, promotions that can't change a value, named conflicts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pyarrow as pa

from stupiddb_kernel.errors import SourceError
from stupiddb_kernel.sources.objects.footer import Footer

_SIGNED = (pa.int8(), pa.int16(), pa.int32(), pa.int64())
_INTEGER_DIGITS = {8: 3, 16: 5, 32: 10, 64: 20}
_UNITS = ("s", "ms", "us", "ns")
_EXACT_IN_DOUBLE = 32  # integers up to this many bits
_SHOWN = 5


class SchemaConflict(SourceError):
    """Files of one table give a column types that no type holds exactly."""


def unify(footers: Sequence[Footer], *, source: str, table: str) -> pa.Schema:
    """The union of the files' columns, in order of first appearance.

    Raises SchemaConflict that names every column in conflict with its types and files.
    """
    fields: dict[str, pa.Field] = {}
    folded: dict[str, str] = {}
    conflicts: list[str] = []
    seen: dict[str, dict[str, str]] = {}
    counts: dict[str, int] = {}
    for footer in footers:
        names = set()
        for field in footer.schema:
            field = field.with_type(plain(field.type))
            name = field.name
            if name in names:
                conflicts.append(f"column {name!r} stands twice in {footer.object.key}")
            names.add(name)
            twin = folded.setdefault(name.casefold(), name)
            if twin != name:
                first = next(iter(seen[twin].values()))
                conflicts.append(
                    f"columns {twin!r} (in {first}) and {name!r} (in {footer.object.key}) "
                    "differ only in upper and lower case"
                )
                continue
            seen.setdefault(name, {}).setdefault(str(field.type), footer.object.key)
            counts[name] = counts.get(name, 0) + 1
            known = fields.get(name)
            promoted = field.type if known is None else promote(known.type, field.type)
            if promoted is None:
                continue
            nullable = field.nullable or (known is not None and known.nullable)
            fields[name] = pa.field(name, promoted, nullable)
        if len(conflicts) > _SHOWN:
            break
    conflicts += [
        f"column {name!r} is " + ", ".join(f"{kind} in {key}" for kind, key in types.items())
        for name, types in seen.items()
        if len(types) > 1 and _promote_all(footers, name) is None
    ]
    if conflicts:
        lines = "".join(f"\n  - {conflict}" for conflict in dict.fromkeys(conflicts[:_SHOWN]))
        raise SchemaConflict(
            f"the files of {table} don't fit together:{lines}",
            source=source,
            hint="rewrite the files that differ, or keep them apart with another prefix or pattern",
        )
    return pa.schema(
        [
            field if counts[name] == len(footers) else field.with_nullable(True)
            for name, field in fields.items()
        ]
    )


def _promote_all(footers: Iterable[Footer], name: str) -> pa.DataType | None:
    result: pa.DataType | None = pa.null()
    for footer in footers:
        index = footer.schema.get_field_index(name)
        if index >= 0 and result is not None:
            result = promote(result, plain(footer.schema.field(index).type))
    return result


def plain(kind: pa.DataType) -> pa.DataType:
    """The type without what is only an encoding: dictionaries, large and view variants."""
    types = pa.types
    if types.is_dictionary(kind):
        return plain(kind.value_type)
    if types.is_large_string(kind) or types.is_string_view(kind):
        return pa.string()
    if types.is_large_binary(kind) or types.is_binary_view(kind):
        return pa.binary()
    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        return pa.list_(_plain_field(kind.value_field))
    if types.is_struct(kind):
        return pa.struct([_plain_field(field) for field in kind])
    if types.is_map(kind):
        return pa.map_(plain(kind.key_type), _plain_field(kind.item_field))
    return kind


def _plain_field(field: pa.Field) -> pa.Field:
    return pa.field(field.name, plain(field.type), field.nullable)


def promote(left: pa.DataType, right: pa.DataType) -> pa.DataType | None:
    """The smallest type that holds every value of both exactly; None if there is none."""
    types = pa.types
    if left.equals(right):
        return left
    if types.is_null(left) or types.is_null(right):
        return right if types.is_null(left) else left
    if types.is_integer(left) and types.is_integer(right):
        return _integer(left, right)
    if types.is_floating(left) and types.is_floating(right):
        return left if left.bit_width >= right.bit_width else right
    for whole, other in ((left, right), (right, left)):
        if types.is_integer(whole) and types.is_floating(other):
            exact = whole.bit_width <= _EXACT_IN_DOUBLE
            return pa.float64() if exact else None
        if types.is_integer(whole) and types.is_decimal(other):
            return _decimal(_INTEGER_DIGITS[whole.bit_width], 0, other.precision, other.scale)
    if types.is_decimal(left) and types.is_decimal(right):
        return _decimal(left.precision, left.scale, right.precision, right.scale)
    if types.is_timestamp(left) and types.is_timestamp(right):
        return _timestamp(left, right)
    if types.is_time(left) and types.is_time(right):
        unit = _finer(left.unit, right.unit)
        return pa.time32(unit) if unit in ("s", "ms") else pa.time64(unit)
    binary = (types.is_binary, types.is_fixed_size_binary)
    if any(test(left) for test in binary) and any(test(right) for test in binary):
        return pa.binary()
    return _nested(left, right)


def _integer(left: pa.DataType, right: pa.DataType) -> pa.DataType | None:
    signed = [pa.types.is_signed_integer(left), pa.types.is_signed_integer(right)]
    if signed[0] == signed[1]:
        return left if left.bit_width >= right.bit_width else right
    one, other = (left, right) if signed[0] else (right, left)
    bits = max(one.bit_width, other.bit_width * 2)
    return next((kind for kind in _SIGNED if kind.bit_width >= bits), None)


def _decimal(precision: int, scale: int, other_precision: int, other_scale: int) -> pa.DataType | None:
    fraction = max(scale, other_scale)
    digits = max(precision - scale, other_precision - other_scale) + fraction
    if digits > 38:
        return None
    return pa.decimal128(digits, fraction)


def _timestamp(left: pa.DataType, right: pa.DataType) -> pa.DataType | None:
    if (left.tz is None) != (right.tz is None):
        return None
    zone = left.tz if left.tz == right.tz else "UTC"
    return pa.timestamp(_finer(left.unit, right.unit), zone)


def _finer(left: str, right: str) -> str:
    return max(left, right, key=_UNITS.index)


def _nested(left: pa.DataType, right: pa.DataType) -> pa.DataType | None:
    types = pa.types
    if types.is_list(left) and types.is_list(right):
        item = promote(left.value_type, right.value_type)
        return None if item is None else pa.list_(item)
    if types.is_map(left) and types.is_map(right):
        key, value = promote(left.key_type, right.key_type), promote(left.item_type, right.item_type)
        return None if key is None or value is None else pa.map_(key, value)
    if types.is_struct(left) and types.is_struct(right):
        fields = {field.name: field for field in left}
        for field in right:
            known = fields.get(field.name)
            kind = field.type if known is None else promote(known.type, field.type)
            if kind is None:
                return None
            fields[field.name] = pa.field(field.name, kind)
        return pa.struct([field.with_nullable(True) for field in fields.values()])
    return None
