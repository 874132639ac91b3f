"""The line of a magic: flags, their values, and the rest untouched."""

from __future__ import annotations

import pytest
from stupiddb.flags import parse, read_count, read_duration, read_size, usage
from stupiddb.magics.source import FLAGS

from stupiddb_kernel.errors import UsageError


def test_flags_end_where_sql_begins() -> None:
    line = parse("""--limit 10 --as=pandas SELECT '--limit 3', "a b" -- it's fine""", FLAGS, "local")
    assert line.flags == {"limit": 10, "as": "pandas"}
    assert line.rest == """SELECT '--limit 3', "a b" -- it's fine"""


@pytest.mark.parametrize(
    ("typed", "flags"),
    [
        ("", {}),
        ("--out hist", {"out": "hist"}),
        ("--explain", {"dry_run": True}),
        ("-q", {"no_display": True}),
        ("--max-scan 5GB", {"max_scan": 5_000_000_000}),
        ("--max-scan '5 GiB'", {"max_scan": 5 * 1024**3}),
        ("--timeout 5m", {"timeout": 300.0}),
        ("--limit 1_000", {"limit": 1000}),
        ("--param a=1 --param b='x y'", {"param": ["a=1", "b='x y'"]}),
        ("--params {'a': [1, 2], 'b': ')'}", {"params": ["{'a': [1, 2], 'b': ')'}"]}),
        ("--AS pandas".lower(), {"as": "pandas"}),
        ("--as PANDAS", {"as": "pandas"}),
    ],
)
def test_flags_have_values_of_their_type(typed: str, flags: dict[str, object]) -> None:
    assert parse(typed, FLAGS, "athena") == parse(f"{typed} ", FLAGS, "athena")
    assert parse(typed, FLAGS, "athena").flags == flags


def test_flags_stop_at_sql_and_a_comment_is_sql() -> None:
    assert parse("--limit 3 -- as it was", FLAGS, "local").rest == "-- as it was"
    assert parse("--limit 3 SELECT 1 --limit 4", FLAGS, "local").rest == "SELECT 1 --limit 4"


@pytest.mark.parametrize(
    ("typed", "message", "hint"),
    [
        ("--limt 3", "%athena has no flag --limt", "did you mean --limit?"),
        ("--maxscan 3GB", "no flag --maxscan", "did you mean --max-scan?"),
        ("--dry", "no flag --dry", "did you mean --dry-run?"),
        ("-x", "no flag -x", "known: "),
        ("--limit", "--limit of %athena needs a value", "allowed: a whole number"),
        ("--limit -3", "found '-3'", "0 or more"),
        ("--limit ten", "found 'ten'", "whole number"),
        ("--as panda", "found 'panda'", "did you mean 'pandas'? allowed: ibis|arrow|pandas|polars"),
        ("--max-scan 5 GB", "", None),
        ("--max-scan 5XB", "found '5XB'", "such as 5GB"),
        ("--max-scan 0", "at least 1 byte", "such as 5GB"),
        ("--timeout 0s", "more than 0", "such as 90s"),
        ("--dry-run=yes", "takes no value", "write --dry-run alone"),
        ("--limit 1 --limit 2", "given twice", "give it once"),
        ("--out 2x", "found '2x'", "a Python name"),
        ("--out class", "found 'class'", "a Python name"),
        ("--params {'a': 1", "is not closed", "add }"),
        ("--param 'a", "is not closed", "add '"),
    ],
)
def test_what_is_typed_wrong_is_named_with_what_is_allowed(
    typed: str, message: str, hint: str | None
) -> None:
    if hint is None:
        assert parse(typed, FLAGS, "athena").rest == "GB"  # a size has no space outside quotes
        return
    with pytest.raises(UsageError) as caught:
        parse(typed, FLAGS, "athena")
    assert message in caught.value.message
    assert hint in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1", 1),
        ("10B", 10),
        ("5kb", 5000),
        ("1.5MB", 1_500_000),
        ("2TiB", 2 * 1024**4),
        (".5 GB", 500_000_000),
    ],
)
def test_sizes(text: str, size: int) -> None:
    assert read_size(text) == size


@pytest.mark.parametrize(
    ("text", "seconds"), [("30", 30), ("500ms", 0.5), ("90s", 90), ("1.5h", 5400), ("2min", 120)]
)
def test_durations(text: str, seconds: float) -> None:
    assert read_duration(text) == seconds


@pytest.mark.parametrize("text", ["1e3", "-1", "1.5", "", "١٢x"])
def test_counts_are_whole(text: str) -> None:
    with pytest.raises(ValueError, match="whole"):
        read_count(text)


def test_every_flag_is_in_the_help_with_a_sentence() -> None:
    text = usage(FLAGS)
    for flag in FLAGS:
        assert flag.name in text
        assert len(flag.help) > 10
        assert (flag.read is None) == (flag.metavar == "")
