"""Keywords and functions of each dialect, as they are offered while SQL is typed.

The everyday ones: from the stores' own reference pages, left out what no query of an analyst needs.
"""

from __future__ import annotations

_KEYWORDS = """
    SELECT FROM WHERE GROUP BY ORDER HAVING LIMIT OFFSET DISTINCT AS ON USING JOIN LEFT RIGHT INNER
    FULL OUTER CROSS NATURAL UNION ALL INTERSECT EXCEPT WITH RECURSIVE AND OR NOT IN IS NULL LIKE
    BETWEEN EXISTS ANY CASE WHEN THEN ELSE END CAST INTERVAL DATE TIMESTAMP TRUE FALSE ASC DESC
    NULLS FIRST LAST OVER PARTITION WINDOW ROWS RANGE PRECEDING FOLLOWING CURRENT ROW UNBOUNDED
    FILTER VALUES EXPLAIN ANALYZE SHOW DESCRIBE EXTRACT
    """
KEYWORDS = tuple(_KEYWORDS.split())
_MORE_KEYWORDS = {
    "duckdb": """
    QUALIFY SAMPLE SUMMARIZE PIVOT UNPIVOT EXCLUDE REPLACE COLUMNS ASOF SEMI ANTI POSITIONAL ILIKE
    LATERAL UNNEST TRY_CAST GROUPING SETS ROLLUP CUBE USING SAMPLE
    """,
    "postgres": """
    ILIKE LATERAL FETCH ARRAY SIMILAR TABLESAMPLE GROUPING SETS ROLLUP CUBE MATERIALIZED COLLATE AT
    TIME ZONE
    """,
    "mysql": """
    STRAIGHT_JOIN REGEXP RLIKE DIV MOD XOR FORCE INDEX USE IGNORE SEPARATOR BINARY COLLATE ROLLUP
    """,
    "trino": """
    UNNEST ORDINALITY TRY_CAST TABLESAMPLE BERNOULLI SYSTEM LATERAL GROUPING SETS ROLLUP CUBE ARRAY
    MAP ROW FETCH AT TIME ZONE MSCK REPAIR TABLE UNLOAD ESCAPE
    """,
    "redshift": """
    ILIKE TOP QUALIFY SIMILAR PIVOT UNPIVOT GROUPING SETS ROLLUP CUBE SUPER
    """,
}

_FUNCTIONS = """
    count sum avg min max coalesce nullif abs ceil floor round power sqrt exp ln log mod sign
    greatest least lower upper length trim ltrim rtrim substring replace concat reverse position
    row_number rank dense_rank percent_rank ntile lag lead first_value last_value nth_value
    current_date current_timestamp now stddev variance
    """
_MORE_FUNCTIONS = {
    "duckdb": """
    approx_count_distinct arg_max arg_min array_agg bool_and bool_or date_diff date_part date_trunc
    dayname epoch epoch_ms first json_extract json_extract_string last left list list_contains
    list_distinct list_filter list_sort list_transform make_date map_keys map_values median mode
    monthname printf quantile_cont quantile_disc range regexp_extract regexp_matches regexp_replace
    right round_even split_part starts_with strftime string_agg string_split strptime struct_extract
    struct_pack time_bucket to_timestamp try_strptime unnest year month day hour minute
    generate_series histogram
    """,
    "postgres": """
    age array_agg array_length bool_and bool_or btrim cardinality date_bin date_part date_trunc
    extract format generate_series initcap json_agg json_build_object jsonb_agg jsonb_array_elements
    jsonb_build_object jsonb_extract_path jsonb_object_keys jsonb_path_query left lpad make_date
    mode percentile_cont percentile_disc regexp_match regexp_matches regexp_replace right rpad
    split_part starts_with string_agg string_to_array strpos to_char to_date to_number to_timestamp
    translate unnest width_bucket
    """,
    "mysql": """
    char_length concat_ws convert curdate curtime date_add date_format date_sub datediff dayname
    dayofmonth dayofweek dayofyear field find_in_set format from_unixtime group_concat hour if
    ifnull instr json_arrayagg json_extract json_objectagg json_unquote last_day left locate lpad
    minute month monthname quarter regexp_replace regexp_substr right rpad second str_to_date
    substring_index timediff timestampadd timestampdiff unix_timestamp week year
    """,
    "trino": """
    approx_distinct approx_percentile arbitrary array_agg array_distinct array_join bool_and bool_or
    cardinality contains count_if date_add date_diff date_format date_parse date_trunc day_of_week
    element_at every filter flatten format format_datetime from_iso8601_timestamp from_unixtime
    histogram hour if json_extract json_extract_scalar json_parse json_size lpad map_agg map_keys
    map_values max_by min_by minute month parse_datetime reduce regexp_extract regexp_extract_all
    regexp_like regexp_replace rpad sequence slice split split_part strpos to_iso8601 to_unixtime
    transform try typeof unnest url_extract_host url_extract_path week width_bucket year zip_with
    """,
    "redshift": """
    approximate bool_and bool_or btrim charindex convert_timezone date_add date_diff date_part
    date_trunc dateadd datediff decode getdate initcap json_extract_path_text json_parse last_day
    left len listagg lpad median nvl nvl2 percentile_cont ratio_to_report regexp_count
    regexp_replace regexp_substr right rpad split_part strpos sysdate to_char to_date to_number
    trunc
    """,
}
_SAME = {"athena": "trino"}


def keywords(dialect: str) -> tuple[str, ...]:
    """Keywords in capitals, sorted."""
    return tuple(sorted({*KEYWORDS, *_MORE_KEYWORDS.get(_SAME.get(dialect, dialect), "").split()}))


def functions(dialect: str) -> tuple[str, ...]:
    """Names of functions in small letters, sorted."""
    return tuple(sorted({*_FUNCTIONS.split(), *_MORE_FUNCTIONS.get(_SAME.get(dialect, dialect), "").split()}))
