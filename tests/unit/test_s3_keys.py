"""Keys that try to leave their prefix, patterns, and names of prefixes."""

from __future__ import annotations

import pytest

from stupiddb_kernel.config.settings import S3PrefixSettings
from stupiddb_kernel.errors import UsageError
from stupiddb_kernel.sources.objects.location import Location
from stupiddb_kernel.sources.s3.pattern import compile_pattern
from stupiddb_kernel.sources.s3.prefix import database_names

OUT = Location("bucket", "out/")

ESCAPES = [
    "",
    " ",
    ".",
    "..",
    "../x",
    "a/../../x",
    "a/..",
    "a/./b",
    "/x",
    "//x",
    "a//b",
    "a/",
    "\\x",
    "..\\x",
    "a\\..\\x",
    "s3://other/x",
    "https://host/x",
    "C:/x",
    "%2e%2e/x",
    "%2E%2E%2Fx",
    "a%2fb",
    "a/%252e%252e/x",
    "%252525252e%252525252e/x",
    "a%5cb",
    "a%00b",
    "a\x00b",
    "a\nb",
    "a\r\nb",
    "\u202egpj.x",
    "a\u200bb",
    "\ufeffx",
    "．．/x",
    "․․/x",
    "‥/x",
    "a／b",
    "a∕b",
    "a⁄b",
    "a＼b",
    "a/ ../x",
    "a/.. /x",
    " a/x",
    ".hidden/x",
    "_tmp/x",
    "~/x",
    "\ud800",
    "x" * 1100,
    "é" * 600,
]


@pytest.mark.parametrize("relative", ESCAPES)
def test_a_key_that_could_mean_anything_else_is_refused(relative: str) -> None:
    with pytest.raises(UsageError):
        OUT.key(relative)


@pytest.mark.parametrize(
    "relative",
    [
        "a.parquet",
        "2025/06/a b.parquet",
        "événements/día.parquet",
        "dt=2025-06-12/x.parquet",
        "a%20b",
        "日本/表",
    ],
)
def test_plain_names_stay_as_they_are(relative: str) -> None:
    assert OUT.key(relative) == "out/" + relative


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("s3://b/p", "s3://b/p/"),
        ("s3://b", "s3://b/"),
        ("s3a://b/p/q/", "s3://b/p/q/"),
        ("S3://b//p", "s3://b/p/"),
    ],
)
def test_locations_are_folders(uri: str, expected: str) -> None:
    assert str(Location.parse(uri)) == expected


@pytest.mark.parametrize("uri", ["b/p", "http://b/p", "s3://", "s3:///p", ""])
def test_what_is_no_location_is_refused(uri: str) -> None:
    with pytest.raises(UsageError, match="no S3 location"):
        Location.parse(uri)


@pytest.mark.parametrize(
    ("pattern", "taken", "left"),
    [
        (
            "**/*.parquet",
            ["a.parquet", "x/a.parquet", "x/y/a.parquet"],
            ["a.csv", "a.parquet.crc", "x/a.PARQUET"],
        ),
        ("*.parquet", ["a.parquet"], ["x/a.parquet"]),
        ("*/*.parquet", ["x/a.parquet"], ["a.parquet", "x/y/a.parquet"]),
        ("x/**", ["x/a", "x/y/b"], ["x", "y/x/a"]),
        ("**", ["a", "x/y"], []),
        ("**/x/*.pq", ["x/a.pq", "w/x/a.pq"], ["x/y/a.pq"]),
        ("dt=2025-0[1-3]-*/*", ["dt=2025-02-01/a"], ["dt=2025-04-01/a"]),
        ("[!a]*", ["b"], ["a1", "/x"]),
        ("**/*.{parquet,pq}", ["x/a.pq", "a.parquet"], ["a.csv"]),
        ("a?c", ["abc"], ["a/c", "ac"]),
        ("a+(b).parquet", ["a+(b).parquet"], ["aab.parquet"]),
    ],
)
def test_patterns_mean_what_globs_mean(pattern: str, taken: list[str], left: list[str]) -> None:
    regex = compile_pattern(pattern)
    assert [path for path in taken if not regex.fullmatch(path)] == []
    assert [path for path in left if regex.fullmatch(path)] == []


def test_a_bad_character_class_is_named() -> None:
    with pytest.raises(UsageError, match=r"\[z-a\]"):
        compile_pattern("x[z-a]")


def test_every_prefix_gets_a_name_of_its_own() -> None:
    sources = [
        S3PrefixSettings(bucket="one-bucket", prefix="events/"),
        S3PrefixSettings(bucket="two-bucket", prefix="events"),
        S3PrefixSettings(bucket="two-bucket", prefix="a/events"),
        S3PrefixSettings(bucket="whole-bucket"),
        S3PrefixSettings(bucket="whole-bucket", prefix="x/", name="named"),
    ]
    assert database_names(sources) == ["events", "two-bucket_events", "events_2", "whole-bucket", "named"]
