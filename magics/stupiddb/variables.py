"""The user's variables as bound values: what ``:name`` takes from the namespace, and of which types.

Types are kept: a Decimal stays one, a date stays one. What holds many values becomes a list: Python's
collections, numpy and pandas, Arrow, polars, and an Ibis column, which is run for its values.
"""

from __future__ import annotations

import ast
import datetime as dt
import sys
import uuid
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from stupiddb_kernel.errors import UsageError, nearest

MAXIMUM_VALUES = 1_000_000
"""The most values that are taken from a column; more belong into a join."""
_SCALARS = (bool, int, float, Decimal, str, bytes, dt.datetime, dt.date, dt.time, uuid.UUID)
_ALLOWED = (
    "None, bool, int, float, Decimal, str, bytes, date, time, datetime, UUID, or a list or column of one"
)


def parameters(
    sql: str, dialect: str, given: Mapping[str, Any], names: Mapping[str, Any]
) -> dict[str, object]:
    """The values for every ``:name`` in ``sql``: from ``given`` first, else from the user's ``names``.

    Raises UsageError for a name nobody defined, a value that can't be bound, and one given but not used.
    """
    from stupiddb_kernel.sources import binding

    found = binding.placeholders(sql, dialect)
    values: dict[str, object] = {}
    for name in dict.fromkeys(placeholder.name for placeholder in found):
        if name in given:
            values[name] = bindable(name, given[name])
        elif name in names:
            values[name] = bindable(name, names[name])
        else:
            raise _undefined(name, [*given, *(known for known in names if not known.startswith("_"))])
    unused = {name: value for name, value in given.items() if name not in values}
    binding.check(found, {**values, **unused})
    return values


def given_parameters(
    expressions: Sequence[str], pairs: Sequence[str], names: Mapping[str, Any]
) -> dict[str, Any]:
    """The values of ``--params expression`` (a mapping) and ``--param name=value``, the latter winning.

    A pair's value is a Python literal where it reads as one, else text. Raises UsageError.
    """
    values: dict[str, Any] = {}
    for expression in expressions:
        try:
            mapping = eval(expression, dict(names))  # noqa: S307 - the user's own Python in the user's own cell
        except Exception as error:
            raise UsageError(f"--params {expression}: {type(error).__name__}: {error}") from error
        if not isinstance(mapping, Mapping) or not all(isinstance(key, str) for key in mapping):
            raise UsageError(
                f"--params {expression}: found {type(mapping).__name__}",
                hint="give a dict from names to values, such as {'codes': [1, 2]}",
            )
        values.update(mapping)
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals or not name.isidentifier():
            raise UsageError(f"--param {pair}: not name=value", hint="write --param tier=gold")
        try:
            values[name] = ast.literal_eval(text)
        except (ValueError, SyntaxError):
            values[name] = text
    return values


def bindable(name: str, value: Any) -> object:
    """``value`` as a source takes it: a plain scalar or a list of them. Raises UsageError."""
    if value is None or _is_missing(value):
        return None
    if isinstance(value, Mapping):
        raise _refused(name, value)
    items = _items(name, value)
    if items is None:
        return _scalar(name, value)
    return [None if item is None or _is_missing(item) else _scalar(name, item) for item in items]


def _items(name: str, value: Any) -> Iterable[Any] | None:
    """The values in something that holds many; None for a scalar."""
    if isinstance(value, list | tuple | range):
        return value
    if isinstance(value, set | frozenset):
        try:
            return sorted(value)  # one order, so that a cached result is found again
        except TypeError:
            return list(value)
    module = type(value).__module__.partition(".")[0]
    if module == "ibis":
        return _ibis_items(name, value)
    if module == "numpy" and hasattr(value, "ndim") and value.ndim:
        return _numpy_items(name, value)
    if module == "pandas" and hasattr(value, "columns"):
        return _items(name, value[_only(name, list(value.columns))])
    if module == "pandas" and hasattr(value, "dtype") and hasattr(value, "to_numpy"):
        import pyarrow as pa

        return _arrow_items(name, value, lambda: pa.Array.from_pandas(value))
    if module == "polars" and hasattr(value, "get_columns"):
        return _items(name, value[_only(name, value.columns)])
    if module == "polars" and hasattr(value, "to_list"):
        items: list[Any] = value.to_list()
        return items
    if module == "pyarrow" and hasattr(value, "column_names"):
        return _items(name, value[_only(name, value.column_names)])
    if module == "pyarrow" and hasattr(value, "to_pylist"):
        return _arrow_items(name, value, lambda: value)
    return None


def _ibis_items(name: str, value: Any) -> Iterable[Any] | None:
    import ibis.expr.types as ir

    if isinstance(value, ir.Table):
        value = value[_only(name, list(value.columns))]
    if not isinstance(value, ir.Column):
        return None
    found = value.as_table().limit(MAXIMUM_VALUES + 1).to_pyarrow().column(0)
    if len(found) > MAXIMUM_VALUES:
        raise UsageError(
            f":{name} is a column of more than {MAXIMUM_VALUES:,} values",
            hint="filter it or take its distinct values first, or join the tables instead",
        )
    return _arrow_items(name, value, lambda: found)


def _numpy_items(name: str, value: Any) -> Iterable[Any]:
    if value.ndim != 1:
        raise UsageError(f":{name} is an array of {value.ndim} dimensions", hint="give one dimension")
    if value.dtype.kind not in "Mm":
        items: list[Any] = value.tolist()
        return items
    import pyarrow as pa

    return _arrow_items(name, value, lambda: pa.array(value))


def _arrow_items(name: str, value: Any, convert: Any) -> list[Any]:
    """Python values of an Arrow array, times to the microsecond. Raises UsageError if they don't fit."""
    import pyarrow as pa

    try:
        array = convert()
        if pa.types.is_dictionary(array.type):
            array = array.cast(array.type.value_type)
        if pa.types.is_timestamp(array.type) and array.type.unit == "ns":
            array = array.cast(pa.timestamp("us", array.type.tz))
        elif pa.types.is_time64(array.type) and array.type.unit == "ns":
            array = array.cast(pa.time64("us"))
        items: list[Any] = array.to_pylist()
    except (pa.ArrowException, TypeError) as error:
        raise UsageError(f":{name} ({type(value).__name__}) can't be bound: {error}") from error
    return items


def _scalar(name: str, value: Any) -> object:
    module = type(value).__module__.partition(".")[0]
    if module == "ibis":
        import ibis.expr.types as ir

        if isinstance(value, ir.Scalar):
            return bindable(name, value.to_pyarrow().as_py())
    elif module == "numpy" and hasattr(value, "dtype"):
        if value.dtype.kind == "M":
            return _arrow_items(name, value, lambda: _as_arrow(value))[0]
        return _scalar(name, value.item())
    elif module == "pandas" and isinstance(value, dt.datetime):
        if getattr(value, "nanosecond", 0):
            raise UsageError(f":{name} has nanoseconds", hint="round it: value.round('us')")
        return value.to_pydatetime()  # type: ignore[attr-defined]
    elif module == "pyarrow" and hasattr(value, "as_py"):
        return bindable(name, value.as_py())
    elif isinstance(value, bytearray | memoryview):
        return bytes(value)
    elif isinstance(value, _SCALARS):
        return value
    raise _refused(name, value)


def _as_arrow(value: Any) -> Any:
    import numpy as np
    import pyarrow as pa

    return pa.array(np.array([value]))


def _is_missing(value: Any) -> bool:
    """Whether it is pandas' or numpy's word for no value; a float NaN is a value."""
    pandas = sys.modules.get("pandas")
    if pandas is not None and (value is pandas.NA or value is pandas.NaT):
        return True
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(value, numpy.datetime64) and bool(numpy.isnat(value))


def _only(name: str, columns: Sequence[Any]) -> Any:
    if len(columns) != 1:
        raise UsageError(
            f":{name} is a table of {len(columns)} columns",
            hint=f"bind one column: {name} = {name}[{columns[0]!r}]" if columns else "bind one column",
        )
    return columns[0]


def _refused(name: str, value: Any) -> UsageError:
    kind = f"{type(value).__module__}.{type(value).__qualname__}".removeprefix("builtins.")
    return UsageError(f":{name} is a {kind}, which can't be bound", hint=f"allowed: {_ALLOWED}")


def _undefined(name: str, known: Sequence[str]) -> UsageError:
    near = nearest(name, known, 1)
    meant = f"did you mean :{near[0]}? " if near else ""
    return UsageError(
        f"no value for :{name}", hint=f"{meant}set the variable {name}, or give --param {name}=…"
    )
