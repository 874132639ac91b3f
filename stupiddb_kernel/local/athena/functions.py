"""Athena's functions: which are known, and how DuckDB computes those that differ.

A function that is not in :data:`KNOWN` is refused, so no function of DuckDB's own (``read_csv``,
``getvariable``, ``query`` …) can be reached. Most names and meanings agree or are translated by sqlglot;
for the rest there is a macro (:data:`MACROS`, chosen by argument type where Trino overloads) or a rewrite
of the expression (:data:`REWRITES`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from stupiddb_kernel.local.athena.errors import QueryError

if TYPE_CHECKING:
    from sqlglot import exp

_KNOWN = """
abs acos all_match any_match any_value approx_distinct approx_percentile arbitrary array_agg
array_distinct array_except array_intersect array_join array_max array_min array_position
array_remove array_sort array_union arrays_overlap asin atan atan2 avg bit_count bitwise_and
bitwise_and_agg bitwise_left_shift bitwise_not bitwise_or bitwise_or_agg bitwise_right_shift
bitwise_xor bool_and bool_or cardinality cast cbrt ceil ceiling chr coalesce codepoint concat
concat_ws contains corr cos cosh count count_if covar_pop covar_samp cume_dist current_date
current_time current_timestamp date date_add date_diff date_format date_parse date_trunc day
day_of_month day_of_week day_of_year degrees dense_rank dow doy e element_at every exp extract
filter first_value flatten floor format format_datetime from_base64 from_hex from_iso8601_date
from_iso8601_timestamp from_unixtime from_utf8 geometric_mean greatest grouping hamming_distance
histogram hour if infinity is_finite is_infinite is_nan json_array_contains json_array_length
json_extract json_extract_scalar json_format json_parse kurtosis lag last_day_of_month last_value
lead least length levenshtein_distance listagg ln localtime localtimestamp log log10 log2 lower lpad
ltrim map map_agg map_concat map_entries map_filter map_from_entries map_keys map_values max max_by
md5 millisecond min min_by minute mod month nan none_match normalize now nth_value ntile nullif
parse_datetime percent_rank pi position pow power quarter radians rand random rank reduce
regexp_count regexp_extract regexp_extract_all regexp_like regexp_replace regexp_split
regr_intercept regr_slope repeat replace reverse round row row_number rpad rtrim second sequence
set_agg sha1 sha256 sign sin sinh skewness slice split split_part sqrt starts_with stddev stddev_pop
stddev_samp strpos substr substring sum tan tanh to_base64 to_hex to_iso8601 to_unixtime to_utf8
transform transform_keys transform_values translate trim truncate try try_cast typeof unnest upper
url_decode url_encode url_extract_fragment url_extract_host url_extract_parameter url_extract_path
url_extract_port url_extract_protocol url_extract_query uuid var_pop var_samp variance week
week_of_year width_bucket year year_of_week yow zip
"""
KNOWN = frozenset(_KNOWN.split())
"""Function names Athena has and this stand-in computes, in lower case."""

_URL = "^([A-Za-z][A-Za-z0-9+.-]*):(?://(?:[^/?#@]*@)?([^/?#:]*)(?::([0-9]+))?)?([^?#]*)(?:[?]([^#]*))?(?:#(.*))?$"
_TYPE_NAMES = {"INTEGER[]": "array(integer)", "HUGEINT": "bigint", "FLOAT": "real", "BLOB": "varbinary"}

MACROS: tuple[str, ...] = tuple(
    f"CREATE TEMP MACRO {definition}"
    for definition in (
        "trino_nonzero(b) AS CASE WHEN b = 0 AND typeof(b) NOT IN ('DOUBLE', 'FLOAT')"
        " THEN error('DIVISION_BY_ZERO: Division by zero') ELSE b END",
        "trino_date_trunc(unit, x DATE) AS CAST(date_trunc(unit, x) AS DATE),"
        " (unit, x TIMESTAMP) AS date_trunc(unit, x),"
        " (unit, x TIMESTAMPTZ) AS date_trunc(unit, x)",
        "trino_plus(x DATE, i) AS CAST(x + i AS DATE), (x TIMESTAMP, i) AS x + i,"
        " (x TIMESTAMPTZ, i) AS x + i, (x TIME, i) AS x + i, (x INTERVAL, i) AS x + i",
        "trino_length(s VARCHAR) AS length(s), (s BLOB) AS octet_length(s)",
        "trino_to_iso8601(x DATE) AS strftime(x, '%Y-%m-%d'),"
        " (x TIMESTAMP) AS strftime(x, '%Y-%m-%dT%H:%M:%S.%g'),"
        " (x TIMESTAMPTZ) AS strftime(x, '%Y-%m-%dT%H:%M:%S.%g') || 'Z'",
        "trino_sequence(a DATE, b DATE, i) AS CAST(generate_series(a, b, i) AS DATE[]),"
        " (a DATE, b DATE) AS CAST(generate_series(a, b, to_days(1)) AS DATE[]),"
        " (a TIMESTAMP, b TIMESTAMP, i) AS generate_series(a, b, i),"
        " (a BIGINT, b BIGINT, i) AS generate_series(a, b, i),"
        " (a BIGINT, b BIGINT) AS generate_series(a, b, CASE WHEN a <= b THEN 1 ELSE -1 END)",
        "trino_millisecond(x) AS millisecond(x) % 1000",
        "trino_infinity() AS CAST('Infinity' AS DOUBLE)",
        "trino_nan() AS CAST('NaN' AS DOUBLE)",
        "trino_e() AS exp(CAST(1 AS DOUBLE))",
        "trino_is_finite(x) AS isfinite(CAST(x AS DOUBLE))",
        "trino_is_infinite(x) AS isinf(CAST(x AS DOUBLE))",
        "trino_width_bucket(x, low, high, n) AS CASE WHEN x < low THEN 0 WHEN x >= high THEN n + 1"
        " ELSE CAST(floor((CAST(x AS DOUBLE) - low) * n / (CAST(high AS DOUBLE) - low)) AS BIGINT) + 1 END",
        "trino_codepoint(s) AS unicode(s)",
        "trino_random(a, b) AS CAST(floor(random() * (b - a)) AS BIGINT) + a,"
        " (n) AS CAST(floor(random() * n) AS BIGINT)",
        "trino_split_part(s, d, n) AS CASE WHEN n <= len(string_split(s, d)) THEN split_part(s, d, n) END",
        "trino_regexp_extract(s, p, g) AS CASE WHEN regexp_matches(s, p) THEN regexp_extract(s, p, g) END",
        "trino_regexp_split(s, p) AS string_split_regex(s, p)",
        "trino_regexp_count(s, p) AS len(regexp_extract_all(s, p))",
        "trino_array_distinct(a) AS list_filter(a, lambda x, i: list_position(a, x) = i)",
        "trino_array_union(a, b) AS list_filter(list_concat(a, b),"
        " lambda x, i: list_position(list_concat(a, b), x) = i)",
        "trino_array_remove(a, y) AS list_filter(a, lambda x: x IS DISTINCT FROM y)",
        "trino_arrays_overlap(a, b) AS list_has_any(a, b)",
        "trino_zip(a, b) AS list_zip(a, b), (a, b, c) AS list_zip(a, b, c)",
        "trino_repeat(x, n) AS list_transform(range(n), lambda i: x)",
        "trino_hamming_distance(a, b) AS mismatches(a, b)",
        "trino_normalize(s) AS nfc_normalize(s)",
        f"trino_url_part(u, n) AS CASE WHEN regexp_matches(u, '{_URL}')"
        f" THEN CASE n WHEN 1 THEN regexp_extract(u, '{_URL}', 1) WHEN 2 THEN regexp_extract(u, '{_URL}', 2)"
        f" WHEN 3 THEN nullif(regexp_extract(u, '{_URL}', 3), '') WHEN 4 THEN regexp_extract(u, '{_URL}', 4)"
        f" WHEN 5 THEN regexp_extract(u, '{_URL}', 5) ELSE regexp_extract(u, '{_URL}', 6) END END",
        "trino_url_parameter(u, n) AS CASE WHEN regexp_matches(u, '[?&]' || regexp_escape(n) || '=')"
        " THEN url_decode(regexp_extract(u, '[?&]' || regexp_escape(n) || '=([^&#]*)', 1)) END",
        "trino_array_join(a, d) AS"
        " array_to_string(list_filter(CAST(a AS VARCHAR[]), lambda x: x IS NOT NULL), d),"
        " (a, d, n) AS array_to_string(list_transform(CAST(a AS VARCHAR[]), lambda x: coalesce(x, n)), d)",
        "trino_typeof(x) AS CASE typeof(x) "
        + " ".join(f"WHEN '{duck}' THEN '{trino}'" for duck, trino in _TYPE_NAMES.items())
        + " ELSE lower(typeof(x)) END",
    )
)

_JODA = {
    "yyyy": "%Y",
    "yy": "%y",
    "MM": "%m",
    "MMM": "%b",
    "MMMM": "%B",
    "dd": "%d",
    "HH": "%H",
    "hh": "%I",
    "mm": "%M",
    "ss": "%S",
    "SSS": "%g",
    "EEE": "%a",
    "EEEE": "%A",
    "a": "%p",
    "DDD": "%j",
    "Z": "%z",
}
_UNITS = {
    "millisecond": "to_milliseconds",
    "second": "to_seconds",
    "minute": "to_minutes",
    "hour": "to_hours",
    "day": "to_days",
    "week": "to_weeks",
    "month": "to_months",
    "quarter": "to_quarters",
    "year": "to_years",
}
_SAME_AS = {
    "EVERY": "bool_and",
    "SET_AGG": "trino_set_agg",
    "BITWISE_AND_AGG": "bit_and",
    "BITWISE_OR_AGG": "bit_or",
    "FORMAT": "printf",
    "JSON_ARRAY_CONTAINS": "json_contains",
    "FROM_HEX": "from_hex",
}
"""Functions that only have another name."""


def call(name: str, *arguments: Any) -> exp.Expr:
    """A call of a DuckDB function or macro by name."""
    from sqlglot import exp

    return exp.Anonymous(this=name, expressions=[exp.convert(argument) for argument in arguments])


def unknown(name: str) -> QueryError:
    """Athena's error for a function it does not have; the place is found by the caller."""
    return QueryError("FUNCTION_NOT_FOUND", f"Function '{name.lower()}' not registered")


def joda(pattern: exp.Expr) -> exp.Expr:
    """A Joda pattern such as ``yyyy-MM-dd'T'HH:mm`` as strftime's.

    Raises:
        QueryError: the pattern is no literal, or has letters this stand-in does not know.
    """
    import re

    from sqlglot import exp

    if not (isinstance(pattern, exp.Literal) and pattern.is_string):
        raise QueryError("NOT_SUPPORTED", "Datetime patterns must be literals here")
    out = []
    for match in re.finditer(r"'[^']*'|([A-Za-z])\1*|[^A-Za-z']", pattern.this):
        part = match.group(0)
        if part.startswith("'"):
            out.append(part[1:-1] or "'")
        elif part[0].isalpha():
            if part not in _JODA:
                raise QueryError("INVALID_FUNCTION_ARGUMENT", f"Unsupported datetime pattern letters: {part}")
            out.append(_JODA[part])
        else:
            out.append(part.replace("%", "%%"))
    return exp.Literal.string("".join(out))


def _one(name: str) -> Callable[[list[Any]], exp.Expr]:
    return lambda arguments: call(name, *arguments)


def _match(all_of: str, when_empty: bool) -> Callable[[list[Any]], exp.Expr]:
    def rewrite(arguments: list[Any]) -> exp.Expr:
        from sqlglot import exp

        array, condition = arguments
        found = call(all_of, call("list_transform", array.copy(), condition))
        return exp.Case(
            ifs=[
                exp.If(
                    this=exp.EQ(this=call("len", array), expression=exp.convert(0)),
                    true=exp.convert(when_empty),
                )
            ],
            default=found,
        )

    return rewrite


def _none_match(arguments: list[Any]) -> exp.Expr:
    from sqlglot import exp

    return exp.Not(this=exp.Paren(this=_match("list_bool_or", False)(arguments)))


def _entries(build: Callable[[Any, Any], Any]) -> Callable[[list[Any]], exp.Expr]:
    """A map function whose lambda gets key and value: done on the list of entries."""

    def rewrite(arguments: list[Any]) -> exp.Expr:
        from sqlglot import exp

        mapped, function = arguments
        if not (isinstance(function, exp.Lambda) and len(function.expressions) == 2):
            raise QueryError("INVALID_FUNCTION_ARGUMENT", "A lambda of two arguments is expected")
        names = {function.expressions[0].name.lower(): "key", function.expressions[1].name.lower(): "value"}

        def replace(node: exp.Expr) -> exp.Expr:
            if isinstance(node, (exp.Column, exp.Identifier)) and node.name.lower() in names:
                field = names[node.name.lower()]
                return exp.Dot(this=exp.to_identifier("trino_entry"), expression=exp.to_identifier(field))
            return node

        body = function.this.transform(replace)
        return call("map_from_entries", build(call("map_entries", mapped), body))

    return rewrite


def _over_entries(body: Any) -> exp.Expr:
    from sqlglot import exp

    return exp.Lambda(this=body, expressions=[exp.to_identifier("trino_entry")])


def _entry_field(name: str) -> exp.Expr:
    from sqlglot import exp

    return exp.Dot(this=exp.to_identifier("trino_entry"), expression=exp.to_identifier(name))


def _row_of(key: Any, value: Any) -> exp.Expr:
    return call("row", key, value)


_SAME_NAME = """
to_iso8601 millisecond infinity nan e is_finite is_infinite width_bucket codepoint regexp_split
regexp_count array_distinct array_union array_remove arrays_overlap zip repeat hamming_distance
normalize typeof split_part
"""
"""Functions that are a macro of the same name, with ``trino_`` in front."""

REWRITES: dict[str, Callable[[list[Any]], Any]] = {
    "ANY_MATCH": _match("list_bool_or", False),
    "ALL_MATCH": _match("list_bool_and", True),
    "NONE_MATCH": _none_match,
    "MAP_FILTER": _entries(lambda entries, body: call("list_filter", entries, _over_entries(body))),
    "TRANSFORM_VALUES": _entries(
        lambda entries, body: call(
            "list_transform", entries, _over_entries(_row_of(_entry_field("key"), body))
        )
    ),
    "TRANSFORM_KEYS": _entries(
        lambda entries, body: call(
            "list_transform", entries, _over_entries(_row_of(body, _entry_field("value")))
        )
    ),
    "FORMAT_DATETIME": lambda a: call("strftime", a[0], joda(a[1])),
    "ARRAY_JOIN": _one("trino_array_join"),
    "URL_EXTRACT_PROTOCOL": lambda a: call("trino_url_part", a[0], 1),
    "URL_EXTRACT_HOST": lambda a: call("trino_url_part", a[0], 2),
    "URL_EXTRACT_PORT": lambda a: call("trino_url_part", a[0], 3),
    "URL_EXTRACT_PATH": lambda a: call("trino_url_part", a[0], 4),
    "URL_EXTRACT_QUERY": lambda a: call("trino_url_part", a[0], 5),
    "URL_EXTRACT_FRAGMENT": lambda a: call("trino_url_part", a[0], 6),
    "URL_EXTRACT_PARAMETER": _one("trino_url_parameter"),
    **{name.upper(): _one(f"trino_{name}") for name in _SAME_NAME.split()},
    **{name: _one(other) for name, other in _SAME_AS.items() if name != "SET_AGG"},
    "SET_AGG": lambda a: call("list_distinct", call("list", *a)),
    "MAP_AGG": lambda a: call("map", call("list", a[0]), call("list", a[1])),
}
"""Functions that are computed otherwise, by upper-case name."""


def date_add(unit: str, count: Any, moment: Any) -> exp.Expr:
    """``date_add(unit, n, x)``, which keeps the type of ``x``.

    Raises:
        QueryError: no such unit.
    """
    maker = _UNITS.get(unit.lower())
    if maker is None:
        raise QueryError("INVALID_FUNCTION_ARGUMENT", f"'{unit.lower()}' is not a valid TIMESTAMP field")
    return call("trino_plus", moment, call(maker, count))
