"""The notebook's variables as bound values: types are kept, collections are arrays."""

from __future__ import annotations

import datetime as dt
import enum
import uuid
from decimal import Decimal
from typing import Any

import ibis
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from stupiddb.variables import bindable, given_parameters, parameters

from stupiddb_kernel.errors import UsageError

DAY = dt.date(2013, 1, 1)
MOMENT = dt.datetime(2013, 1, 1, 12, 30, 0, 5, tzinfo=dt.UTC)


class Tier(enum.StrEnum):
    GOLD = "gold"


@pytest.mark.parametrize(
    ("value", "bound"),
    [
        *[(value, value) for value in (None, True, 3, 2.5, Decimal("1.10"), "x", b"x", DAY, MOMENT)],
        (dt.time(1, 2), dt.time(1, 2)),
        (uuid.UUID(int=1), uuid.UUID(int=1)),
        (bytearray(b"x"), b"x"),
        (np.int64(3), 3),
        (np.float32(0.5), 0.5),
        (np.bool_(True), True),
        (np.str_("x"), "x"),
        (np.array(7), 7),
        (np.datetime64("2013-01-01"), DAY),
        (np.datetime64("2013-01-01T00:00:00.000001000", "ns"), dt.datetime(2013, 1, 1, 0, 0, 0, 1)),
        (np.datetime64("NaT"), None),
        (pd.Timestamp(MOMENT), MOMENT),
        (pd.NaT, None),
        (pd.NA, None),
        (pa.scalar(Decimal("1.10")), Decimal("1.10")),
        (ibis.literal(4), 4),
        ([1, None, 2], [1, None, 2]),
        ((1, 2), [1, 2]),
        (range(3), [0, 1, 2]),
        ({"b", "a"}, ["a", "b"]),
        (frozenset([2, 1]), [1, 2]),
        ([], []),
        ([np.int64(1), pd.NA], [1, None]),
        (np.array([1, 2]), [1, 2]),
        (np.array(["2013-01-01"], dtype="datetime64[D]"), [DAY]),
        (pd.Series([1, None], dtype="Int64"), [1, None]),
        (pd.Series(["a", None]), ["a", None]),
        (pd.Series(["a", "b", "a"], dtype="category"), ["a", "b", "a"]),
        (pd.Series([pd.Timestamp("2013-01-01")]), [dt.datetime(2013, 1, 1)]),
        (pd.Index([1, 2]), [1, 2]),
        (pd.DataFrame({"a": [1, 2]}), [1, 2]),
        (pa.array([1, None]), [1, None]),
        (pa.chunked_array([[1], [2]]), [1, 2]),
        (pa.table({"a": [Decimal("1.1")]}), [Decimal("1.1")]),
        (ibis.memtable({"a": [2, 3]}).a, [2, 3]),
        (ibis.memtable({"a": [2, 3]}), [2, 3]),
        (ibis.memtable({"a": [2, 3]}).a.sum(), 5),
    ],
    ids=repr,
)
def test_values_keep_their_type_and_collections_become_lists(value: Any, bound: object) -> None:
    found = bindable("x", value)
    assert found == bound
    assert type(found) is type(bound)


def test_a_string_of_a_narrower_class_is_text() -> None:
    assert bindable("tier", Tier.GOLD) == "gold"


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"a": 1}, ":x is a dict"),
        (object(), ":x is a object"),
        (len, "can't be bound"),
        ([[1], [2]], ":x is a list"),
        (np.zeros((2, 2)), "2 dimensions"),
        (pd.DataFrame({"a": [1], "b": [2]}), "a table of 2 columns"),
        (ibis.memtable({"a": [1], "b": [2]}), "a table of 2 columns"),
        (pd.Timestamp("2013-01-01T00:00:00.000000001"), "nanoseconds"),
        (pd.Series([pd.Timestamp("2013-01-01T00:00:00.000000001")]), "can't be bound"),
        (dt.timedelta(1), "datetime.timedelta"),
    ],
    ids=repr,
)
def test_what_has_no_exact_meaning_is_refused(value: Any, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        bindable("x", value)
    assert message in caught.value.message


def test_placeholders_are_filled_from_flags_first_then_from_the_namespace() -> None:
    sql = "SELECT :a, x::int, y[:2], ':no' -- :no\n, :b"
    assert parameters(sql, "postgres", {"a": 1}, {"a": 9, "b": [2], "no": 3}) == {"a": 1, "b": [2]}


def test_an_unknown_name_suggests_a_variable() -> None:
    with pytest.raises(UsageError) as caught:
        parameters("SELECT :code", "postgres", {}, {"codes": [1], "_hidden": 1})
    assert caught.value.message == "no value for :code"
    assert "did you mean :codes?" in (caught.value.hint or "")


def test_a_value_that_is_given_but_not_used_is_refused() -> None:
    with pytest.raises(UsageError, match="no placeholder for the parameter b"):
        parameters("SELECT :a", "postgres", {"a": 1, "b": 2}, {})


def test_given_values_are_literals_or_text_and_dicts_are_evaluated() -> None:
    names = {"day": DAY}
    pairs = ["n=3", "tier=gold", "codes=[1, 2]", "text='3'", "empty=", "date=2013-01-01"]
    assert given_parameters(["{'day': day, 'n': 1}"], pairs, names) == {
        "day": DAY,
        "n": 3,
        "tier": "gold",
        "codes": [1, 2],
        "text": "3",
        "empty": "",
        "date": "2013-01-01",
    }


@pytest.mark.parametrize(
    ("expressions", "pairs", "message"),
    [
        (["{'a': missing}"], [], "NameError: name 'missing' is not defined"),
        (["[1]"], [], "found list"),
        (["{1: 2}"], [], "found dict"),
        ([], ["novalue"], "not name=value"),
    ],
)
def test_wrong_given_values_say_why(expressions: list[str], pairs: list[str], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        given_parameters(expressions, pairs, {})
    assert message in caught.value.message
