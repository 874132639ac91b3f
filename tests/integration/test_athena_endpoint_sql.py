"""Athena SQL on the endpoint: queries, DDL, UNLOAD, CTAS, INSERT, views, and the words of its errors."""

from __future__ import annotations

import gzip
import io
import json
import uuid
from datetime import datetime
from decimal import Decimal

import pyarrow as pa
import pyarrow.orc as orc
import pyarrow.parquet as pq
import pytest

from stupiddb_kernel.local.stack import Stack
from tests.integration.athena_lab import Lab, Ran

SEED = """
CREATE EXTERNAL TABLE IF NOT EXISTS seed_events (
    memberCode STRING,
    eventName STRING,
    platform STRING,
    currency STRING,
    rGroup STRING,
    `@timestamp` STRING
    -- ... other fields
)
PARTITIONED BY (event_type STRING, dt STRING)
STORED AS PARQUET
LOCATION '{location}'
TBLPROPERTIES ('parquet.compression'='SNAPPY');
"""


@pytest.fixture(scope="module")
def lab(stack: Stack) -> Lab:
    lab = Lab(stack)
    for kind in ("Login", "API Error"):
        for day in ("2024-10-01", "2024-12-31"):
            rows = pa.table(
                {
                    "memberCode": [f"m{i % 3}" for i in range(6)],
                    "eventName": [kind] * 6,
                    "platform": ["web", "ios", "web", None, "web", "ios"],
                    "@timestamp": [f"{day}T0{i}:00:00.000Z" for i in range(6)],
                }
            )
            lab.put(f"seed/event_type={kind}/dt={day}/0.parquet", rows)
    lab.run(SEED.format(location=f"s3://{lab.bucket}/seed/"))
    lab.run("MSCK REPAIR TABLE seed_events")
    lab.put(
        "typed/0.parquet",
        pa.table(
            {
                "i": pa.array([1, 2, 3], pa.int32()),
                "ti": pa.array([1, None, -1], pa.int8()),
                "r": pa.array([1.5, 0.1, None], pa.float32()),
                "d": pa.array([1e10, 0.1, float("nan")]),
                "b": [True, False, None],
                "dec": pa.array([Decimal("1.50"), Decimal("-0.01"), None], pa.decimal128(10, 2)),
                "s": ["a", 'quo"te', "comma, and\nline"],
                "bin": [b"ab", None, b""],
                "day": pa.array([1, None, 3], pa.date32()),
                "ts": pa.array(
                    [datetime(2013, 1, 1, 10), None, datetime(1969, 12, 31, 23, 59, 59)], pa.timestamp("us")
                ),
                "arr": [[1, 2], None, []],
                "m": pa.array([[("k", 1.0)], None, []], pa.map_(pa.string(), pa.float64())),
                "st": [{"x": 1, "y": "q"}, None, {"x": None, "y": None}],
            }
        ),
    )
    lab.table(
        "typed",
        "i int, ti tinyint, r float, d double, b boolean, dec decimal(10,2), s string, bin binary, day date, "
        "ts timestamp, arr array<bigint>, m map<string,double>, st struct<x:bigint,y:string>",
    )
    return lab


def one(lab: Lab, expression: str, source: str = "") -> str | None:
    """The text of one expression."""
    return lab.run(f"SELECT {expression} AS x {source}").rows[0][0]


def test_the_seeds_table_and_its_query(lab: Lab) -> None:
    found = lab.run(
        """
        SELECT date_trunc('day', from_iso8601_timestamp("@timestamp")) AS day, count(*) AS error_count
        FROM seed_events
        WHERE event_type = 'API Error' AND "@timestamp" BETWEEN '2024-10-01' AND '2024-12-31'
        GROUP BY 1 ORDER BY 1
        """
    )
    assert found.rows == [("2024-10-01 00:00:00.000 UTC", "6")]
    assert lab.run("SHOW PARTITIONS seed_events").rows[0] == ("event_type=API Error/dt=2024-10-01",)
    assert lab.run("select MEMBERCODE, Platform from SEED_EVENTS where Event_Type='Login' limit 1").rows


def test_every_type_prints_as_athena_prints_it(lab: Lab) -> None:
    ran = lab.run("SELECT * FROM typed ORDER BY i")
    assert [c["Type"] for c in ran.columns] == [
        "integer", "tinyint", "float", "double", "boolean", "decimal", "varchar", "varbinary", "date",
        "timestamp", "array", "map", "row",
    ]  # fmt: skip
    assert ran.rows == [
        ("1", "1", "1.5", "1.0E10", "true", "1.50", "a", "61 62", "1970-01-02", "2013-01-01 10:00:00.000",
         "[1, 2]", "{k=1.0}", "{x=1, y=q}"),
        ("2", None, "0.1", "0.1", "false", "-0.01", 'quo"te', None, None, None, None, None, None),
        ("3", "-1", None, "NaN", None, None, "comma, and\nline", "", "1970-01-04", "1969-12-31 23:59:59.000",
         "[]", "{}", "{x=null, y=null}"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        ("7 / 2", "3"),
        ("-7 / 2", "-3"),
        ("7 % -3", "1"),
        ("7e0 / 2", "3.5"),
        ("1.5", "1.5"),
        ("1e7", "1.0E7"),
        ("0.001e0", "0.001"),
        ("1e-4", "1.0E-4"),
        ("date_trunc('month', date '2013-05-17')", "2013-05-01"),
        ("date_trunc('hour', timestamp '2013-05-17 10:11:12.123')", "2013-05-17 10:00:00.000"),
        ("date '2013-01-31' + interval '1' month", "2013-02-28"),
        ("timestamp '2013-01-01 00:00:00' - interval '90' minute", "2012-12-31 22:30:00.000"),
        ("date_add('day', -1, date '2013-01-01')", "2012-12-31"),
        ("date_diff('day', timestamp '2013-01-01 23:00:00', timestamp '2013-01-02 22:00:00')", "0"),
        ("date_diff('month', date '2013-01-15', date '2013-03-14')", "1"),
        ("date_parse('2013-05-06 07:08', '%Y-%m-%d %H:%i')", "2013-05-06 07:08:00.000"),
        ("date_format(timestamp '2013-05-06 07:08:09', '%Y/%m/%d %H:%i:%s')", "2013/05/06 07:08:09"),
        ("format_datetime(timestamp '2013-05-06 07:08:09', 'yyyy-MM-dd HH:mm')", "2013-05-06 07:08"),
        ("from_iso8601_timestamp('2013-05-06T07:08:09Z')", "2013-05-06 07:08:09.000 UTC"),
        ("to_iso8601(date '2013-05-06')", "2013-05-06"),
        ("from_unixtime(0)", "1970-01-01 00:00:00.000 UTC"),
        ("to_unixtime(timestamp '1970-01-01 00:00:01')", "1.0"),
        ("year(date '2013-05-06')", "2013"),
        ("day_of_week(date '2013-05-06')", "1"),
        ("millisecond(timestamp '2013-05-06 07:08:09.123')", "123"),
        ("extract(quarter FROM date '2013-05-06')", "2"),
        ("split_part('a,b', ',', 3)", None),
        ("regexp_extract('abc', 'z')", None),
        ("regexp_replace('abc', '(b)', '<$1>')", "a<b>c"),
        ("regexp_like('abc', '^a.c$')", "true"),
        ("array_join(ARRAY[1, NULL, 3], '-')", "1-3"),
        ("array_join(ARRAY[1, NULL, 3], '-', '?')", "1-?-3"),
        ("array_distinct(ARRAY[3, 1, 3])", "[3, 1]"),
        ("transform(ARRAY[1, 2], x -> x * 2)", "[2, 4]"),
        ("filter(ARRAY[1, 2, 3], x -> x > 1)", "[2, 3]"),
        ("reduce(ARRAY[1, 2, 3], 0, (s, x) -> s + x, s -> s * 10)", "60"),
        ("any_match(ARRAY[1, 2], x -> x = 2)", "true"),
        ("all_match(ARRAY[], x -> x = 2)", "true"),
        ("none_match(ARRAY[1], x -> x = 2)", "true"),
        ("element_at(ARRAY[1], 5)", None),
        ("cardinality(MAP(ARRAY['a'], ARRAY[1]))", "1"),
        ("transform_values(MAP(ARRAY['a'], ARRAY[1]), (k, v) -> v + 1)", "{a=2}"),
        ("map_filter(MAP(ARRAY['a', 'b'], ARRAY[1, 2]), (k, v) -> v > 1)", "{b=2}"),
        ("ROW(1, 'a')", "{field0=1, field1=a}"),
        ("CAST(ROW(1, 'a') AS ROW(x integer, y varchar))", "{x=1, y=a}"),
        ("sequence(1, 3)", "[1, 2, 3]"),
        (
            "sequence(date '2013-01-01', date '2013-01-03', interval '1' day)",
            "[2013-01-01, 2013-01-02, 2013-01-03]",
        ),
        ("json_extract_scalar('{\"a\":{\"b\":5}}', '$.a.b')", "5"),
        ("url_extract_host('http://u@a.b:80/c?d=1')", "a.b"),
        ("to_hex(md5(to_utf8('x')))", "9DD4E461268C8034F5C8564E155C67A6"),
        ("length(x'0102')", "2"),
        ("try(1 / 0)", None),
        ("try_cast('x' AS integer)", None),
        ("coalesce(NULL, 5)", "5"),
        ("if(1 > 2, 'a', 'b')", "b"),
        ("typeof(1)", "integer"),
        ("current_catalog", "awsdatacatalog"),
        ("concat('a', 'b') || 'c'", "abc"),
        ("CASE WHEN NULL THEN 1 ELSE 2 END", "2"),
        ("interval '1' day", "1 00:00:00.000"),
        ("infinity()", "Infinity"),
    ],
)
def test_expressions_mean_what_they_mean_on_athena(lab: Lab, expression: str, text: str | None) -> None:
    assert one(lab, expression) == text


@pytest.mark.parametrize(
    ("sql", "rows"),
    [
        ("SELECT i, sum(i) OVER (ORDER BY i) AS s, lag(i) OVER (ORDER BY i) AS l FROM typed ORDER BY i",
         [("1", "1", None), ("2", "3", "1"), ("3", "6", "2")]),
        ("SELECT b, count(*) AS c FROM typed GROUP BY b ORDER BY b",
         [("false", "1"), ("true", "1"), (None, "1")]),
        ("SELECT b FROM typed ORDER BY b DESC", [("true",), ("false",), (None,)]),
        ("SELECT t.i, u.v FROM typed t CROSS JOIN UNNEST(arr) AS u(v) ORDER BY 2", [("1", "1"), ("1", "2")]),
        ("SELECT t.i, u.k, u.v FROM typed t CROSS JOIN UNNEST(m) AS u(k, v)", [("1", "k", "1.0")]),
        ("SELECT a, b, n FROM UNNEST(ARRAY[1, 2], ARRAY['x']) WITH ORDINALITY AS t(a, b, n) ORDER BY n",
         [("1", "x", "1"), ("2", None, "2")]),
        ("WITH a AS (SELECT i FROM typed WHERE i < 3), typed AS (SELECT 9 AS i) SELECT * FROM a, typed "
         "ORDER BY 1",
         [("1", "9"), ("2", "9")]),
        ("SELECT i FROM typed WHERE i = 1 UNION ALL SELECT 5 UNION SELECT 5 ORDER BY 1", [("1",), ("5",)]),
        ("SELECT i FROM typed INTERSECT SELECT 2", [("2",)]),
        ("SELECT x.st.y AS y, st.x FROM typed AS x WHERE i = 1", [("q", "1")]),
        ("SELECT i FROM typed t WHERE EXISTS (SELECT 1 FROM typed u WHERE u.i = t.i + 2)", [("1",)]),
        ("SELECT i, (SELECT max(i) FROM typed) AS m FROM typed WHERE i = (SELECT min(i) FROM typed)",
         [("1", "3")]),
        ("SELECT approx_distinct(i) AS a, approx_percentile(i, 0.5) AS p, max_by(s, i) AS m FROM typed "
         "WHERE i < 3",
         [("2", "2", 'quo"te')]),
        ("SELECT count(*) FILTER (WHERE i > 1) AS c, count_if(b) AS f, array_agg(i ORDER BY i DESC) AS g "
         "FROM typed",
         [("2", "1", "[3, 2, 1]")]),
        ("SELECT 1, 'a', 2 AS named", [("1", "a", "2")]),
        ("VALUES (1, 'a'), (2, 'b')", [("1", "a"), ("2", "b")]),
        ("(SELECT 1 AS a) UNION ALL (SELECT 2) ORDER BY a DESC LIMIT 1", [("2",)]),
        ("TABLE seed_events LIMIT 0", []),
        ("SELECT i FROM typed ORDER BY i OFFSET 1 LIMIT 1", [("2",)]),
        ("SELECT i FROM typed ORDER BY i FETCH FIRST 1 ROW ONLY", [("1",)]),
        ("SELECT i, count(*) AS c FROM typed GROUP BY ROLLUP (i) HAVING count(*) > 1", [(None, "3")]),
        ("SELECT s FROM typed WHERE s LIKE 'quo%' OR s = 'it''s' -- a 'comment'\n/* another */;",
         [('quo"te',)]),
    ],
)  # fmt: skip
def test_queries(lab: Lab, sql: str, rows: list[tuple[str | None, ...]]) -> None:
    assert lab.run(sql).rows == rows


def test_unnamed_columns_are_numbered_by_position(lab: Lab) -> None:
    ran = lab.run("SELECT i, count(*), max(s), i + 1 AS n, 'x' FROM typed GROUP BY i")
    assert [column["Name"] for column in ran.columns] == ["i", "_col1", "_col2", "n", "_col4"]


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        ("SELECT nope FROM typed", "COLUMN_NOT_FOUND: line 1:8: Column 'nope' cannot be resolved"),
        ("SELECT i,\n  t.nope\nFROM typed t", "COLUMN_NOT_FOUND: line 2:5: Column 'nope' cannot be resolved"),
        ("SELECT x.i FROM typed", "COLUMN_NOT_FOUND: line 1:8: Column 'x' cannot be resolved"),
        (
            "SELECT 1 FROM nope",
            "TABLE_NOT_FOUND: line 1:15: Table 'awsdatacatalog.{database}.nope' does not exist",
        ),
        ("SELECT 1 FROM no_db.t", "SCHEMA_NOT_FOUND: line 1:15: Schema 'no_db' does not exist"),
        ("SELECT 1 FROM hive.a.t", "CATALOG_NOT_FOUND: line 1:15: Catalog 'hive' does not exist"),
        ("SELECT foo(i) FROM typed", "FUNCTION_NOT_FOUND: line 1:8: Function 'foo' not registered"),
        ("SELECT i, count(*) FROM typed", "EXPRESSION_NOT_AGGREGATE: line 1:8: 'i' must be an aggregate"),
        ("SELECT a.i FROM typed a JOIN typed b ON a.i = b.i WHERE i = 1", "AMBIGUOUS_NAME: "),
        ("SELECT 1 / (i - i) FROM typed", "DIVISION_BY_ZERO: Division by zero"),
        ("SELECT cast(s AS integer) FROM typed", "INVALID_CAST_ARGUMENT: "),
        ("SELECT cast(300 AS tinyint) + i FROM typed", "INVALID_CAST_ARGUMENT|NUMERIC_VALUE_OUT_OF_RANGE"),
        ("SELECT date_trunc('day', s) FROM typed", "FUNCTION_NOT_FOUND: "),
        ("SELECT (SELECT i FROM typed) AS x", "SUBQUERY_MULTIPLE_ROWS: "),
        ("SELECT ? AS x", "INVALID_PARAMETER_USAGE: "),
    ],
)
def test_errors_speak_athenas_words(lab: Lab, sql: str, reason: str) -> None:
    found = lab.fail(sql)
    assert any(found.startswith(option.format(database=lab.database)) for option in reason.split("|")), found


def unload(lab: Lab, query: str, **properties: str) -> tuple[Ran, list[str]]:
    """Run an UNLOAD and read its manifest."""
    target = f"s3://{lab.bucket}/unload/{uuid.uuid4().hex}/"
    given = ", ".join(f"{name} = {value}" for name, value in properties.items())
    ran = lab.run(f"UNLOAD ({query}) TO '{target}' WITH ({given})")
    names = lab.read(ran.manifest).decode().split()
    assert all(name.startswith(target) for name in names)
    return ran, names


def test_unload_writes_parquet_with_exact_types(lab: Lab) -> None:
    ran, names = unload(lab, "SELECT * FROM typed ORDER BY i", format="'PARQUET'", compression="'SNAPPY'")
    assert ran.manifest == f"{lab.results}{ran.id}-manifest.csv"
    assert (ran.execution["StatementType"], ran.execution["SubstatementType"], ran.rows) == (
        "DML",
        "UNLOAD",
        [],
    )
    data = lab.read(names[0])
    footer = pq.read_metadata(io.BytesIO(data))
    assert footer.row_group(0).column(0).compression == "SNAPPY"
    assert footer.schema.column(9).physical_type == "INT96"
    table = pq.ParquetFile(io.BytesIO(data), coerce_int96_timestamp_unit="us").read()
    assert table["dec"].to_pylist() == [Decimal("1.50"), Decimal("-0.01"), None]
    assert table["ts"].to_pylist()[2] == datetime(1969, 12, 31, 23, 59, 59)
    assert table["st"].to_pylist()[0] == {"x": 1, "y": "q"}


def test_unload_refuses_a_target_with_data(lab: Lab) -> None:
    _, names = unload(lab, "SELECT 1 AS x", format="'PARQUET'")
    target = names[0].rsplit("/", 1)[0]
    reason = lab.fail(f"UNLOAD (SELECT 1 AS x) TO '{target}' WITH (format = 'PARQUET')")
    assert reason.startswith(
        f"HIVE_PATH_ALREADY_EXISTS: Target directory for table already exists: {target}/"
    )


def test_unload_into_partitions(lab: Lab) -> None:
    _, names = unload(
        lab, "SELECT memberCode, dt FROM seed_events", format="'PARQUET'", partitioned_by="ARRAY['dt']"
    )
    folders = sorted({name.rsplit("/", 2)[1] for name in names})
    assert folders == ["dt=2024-10-01", "dt=2024-12-31"]
    assert pq.read_schema(io.BytesIO(lab.read(names[0]))).names == ["membercode"]


def test_unload_other_formats(lab: Lab) -> None:
    query = "SELECT i, s, ts FROM typed WHERE i < 3 ORDER BY i"
    _, names = unload(lab, query, format="'JSON'")
    lines = gzip.decompress(lab.read(names[0])).decode().splitlines()
    assert [json.loads(line) for line in lines] == [
        {"i": 1, "s": "a", "ts": "2013-01-01 10:00:00.000"},
        {"i": 2, "s": 'quo"te'},
    ]
    _, names = unload(lab, query, format="'TEXTFILE'", field_delimiter="','", compression="'NONE'")
    assert lab.read(names[0]) == b'1,a,2013-01-01 10:00:00.000\n2,quo"te,\\N\n'
    _, names = unload(lab, query, format="'ORC'")
    assert orc.ORCFile(io.BytesIO(lab.read(names[0]))).read()["i"].to_pylist() == [1, 2]


def test_unload_of_nothing_leaves_an_empty_manifest(lab: Lab) -> None:
    _, names = unload(lab, "SELECT i FROM typed WHERE i > 99", format="'PARQUET'")
    assert names == []


@pytest.mark.parametrize(
    ("query", "properties", "reason"),
    [
        ("SELECT 1 AS x", "format = 'AVRO'", "NOT_SUPPORTED"),
        ("SELECT 1 AS x", "format = 'XML'", "INVALID_TABLE_PROPERTY"),
        ("SELECT 1 AS x", "format = 'PARQUET', compression = 'RAR'", "INVALID_TABLE_PROPERTY"),
        ("SELECT 1 AS x", "format = 'PARQUET', color = 'red'", "INVALID_PROPERTY_DEFINITION"),
        ("SELECT 1 AS x", "compression = 'GZIP'", "INVALID_PROPERTY_DEFINITION"),
        ("SELECT count(*) FROM typed", "format = 'PARQUET'", "MISSING_COLUMN_NAME"),
        ("SELECT 1 AS x, 2 AS X", "format = 'PARQUET'", "DUPLICATE_COLUMN_NAME"),
        ("SELECT now() AS x", "format = 'PARQUET'",
         "NOT_SUPPORTED: Unsupported Hive type: timestamp(3) with time zone"),
        ("SELECT 1 AS x, 2 AS y", "format = 'PARQUET', partitioned_by = ARRAY['x']",
         "HIVE_COLUMN_ORDER_MISMATCH"),
        ("SELECT n, n AS p FROM UNNEST(sequence(1, 101)) AS t(n)",
         "format = 'PARQUET', partitioned_by = ARRAY['p']",
         "HIVE_TOO_MANY_OPEN_PARTITIONS"),
    ],
)  # fmt: skip
def test_unload_refuses_what_athena_refuses_and_leaves_nothing(
    lab: Lab, query: str, properties: str, reason: str
) -> None:
    key = f"refused/{uuid.uuid4().hex}/"
    found = lab.fail(f"UNLOAD ({query}) TO 's3://{lab.bucket}/{key}' WITH ({properties})")
    assert found.startswith(reason)
    assert lab.s3.list_objects_v2(Bucket=lab.bucket, Prefix=key)["KeyCount"] == 0


def test_create_table_as_makes_a_partitioned_table(lab: Lab) -> None:
    ran = lab.run(
        f"CREATE TABLE copied WITH (format = 'PARQUET', write_compression = 'ZSTD', "
        f"external_location = 's3://{lab.bucket}/copied/', partitioned_by = ARRAY['event_type', 'dt']) "
        "AS SELECT memberCode, platform, event_type, dt FROM seed_events"
    )
    assert ran.execution["SubstatementType"] == "CREATE_TABLE_AS_SELECT"
    assert len(lab.read(ran.manifest).split()) == 4 or b"API Error" in lab.read(ran.manifest)
    same = "SELECT event_type, dt, memberCode, platform FROM {} ORDER BY 1, 2, 3, 4"
    assert lab.run(same.format("copied")).rows == lab.run(same.format("seed_events")).rows
    assert len(lab.run("SHOW PARTITIONS copied").rows) == 4
    assert lab.fail("CREATE TABLE copied AS SELECT 1 AS x").startswith("TABLE_ALREADY_EXISTS")
    lab.run("CREATE TABLE IF NOT EXISTS copied AS SELECT 1 AS x")
    lab.run("DROP TABLE copied")
    assert lab.s3.list_objects_v2(Bucket=lab.bucket, Prefix="copied/")["KeyCount"] == 4
    again = f"CREATE TABLE copied WITH (external_location = 's3://{lab.bucket}/copied/') AS SELECT 1 AS x"
    assert lab.fail(again).startswith("HIVE_PATH_ALREADY_EXISTS")


def test_create_table_as_without_data_or_place(lab: Lab) -> None:
    ran = lab.run("CREATE TABLE shape AS SELECT i, st, dec FROM typed WITH NO DATA")
    assert lab.run("SELECT count(*) AS c FROM shape").rows == [("0",)]
    columns = lab.glue.get_table(DatabaseName=lab.database, Name="shape")["Table"]["StorageDescriptor"]
    assert columns["Location"] == f"{lab.results}tables/{ran.id}/"
    assert [c["Type"] for c in columns["Columns"]] == ["int", "struct<x:bigint,y:string>", "decimal(10,2)"]


@pytest.mark.parametrize(
    ("properties", "reason"),
    [
        ("bucketed_by = ARRAY['x'], bucket_count = 3", "NOT_SUPPORTED: Bucketed tables"),
        ("table_type = 'ICEBERG'", "NOT_SUPPORTED: table_type ICEBERG"),
        ("color = 'red'", "INVALID_TABLE_PROPERTY"),
        ("format = 'AVRO'", "NOT_SUPPORTED"),
    ],
)
def test_create_table_as_refuses_properties_it_does_not_do(lab: Lab, properties: str, reason: str) -> None:
    assert lab.fail(f"CREATE TABLE refused_table WITH ({properties}) AS SELECT 1 AS x").startswith(reason)


def test_insert_adds_rows_and_partitions(lab: Lab) -> None:
    lab.run(
        f"CREATE EXTERNAL TABLE target (id bigint, note string, at timestamp) PARTITIONED BY (p string) "
        f"STORED AS PARQUET LOCATION 's3://{lab.bucket}/target/'"
    )
    ran = lab.run(
        "INSERT INTO target VALUES (1, 'a', timestamp '2013-01-01 00:00:00', 'x/y'), (2, NULL, NULL, 'z')"
    )
    assert lab.athena.get_query_results(QueryExecutionId=ran.id)["UpdateCount"] == 2
    lab.run("INSERT INTO target (id, p) SELECT i, 'z' FROM typed")
    found = lab.run(
        "SELECT id, note, at, p FROM target WHERE p <> 'z' UNION ALL "
        "SELECT sum(id), NULL, NULL, 'z' FROM target WHERE p = 'z' ORDER BY 4"
    )
    assert found.rows == [("1", "a", "2013-01-01 00:00:00.000", "x/y"), ("8", None, None, "z")]
    assert sorted(lab.run("SHOW PARTITIONS target").rows) == [("p=x%2Fy",), ("p=z",)]
    assert lab.fail("INSERT INTO target VALUES (1)").startswith(
        "TYPE_MISMATCH: line 1:1: Insert query has mismatched column types"
    )
    assert lab.fail("INSERT INTO target VALUES ('a', 'b', NULL, 'c')").startswith("TYPE_MISMATCH")
    assert lab.fail("INSERT INTO target (nope) VALUES (1)").startswith("COLUMN_NOT_FOUND")
    assert lab.fail("INSERT INTO nope VALUES (1)").startswith("TABLE_NOT_FOUND")


def test_views_are_kept_expanded_and_guarded(lab: Lab) -> None:
    lab.run(
        "CREATE VIEW logins AS SELECT memberCode AS member, count(*) AS n FROM seed_events "
        "WHERE event_type = 'Login' GROUP BY 1"
    )
    lab.run("CREATE VIEW top_logins AS SELECT max(n) AS top FROM logins")
    assert lab.run("SELECT top FROM top_logins").rows == [("4",)]
    other = Lab(lab.stack)
    assert other.run(f"SELECT member FROM {lab.database}.logins ORDER BY 1 LIMIT 1").rows == [("m0",)]
    assert lab.fail("CREATE VIEW logins AS SELECT 1 AS x").startswith("TABLE_ALREADY_EXISTS")
    lab.run("CREATE OR REPLACE VIEW logins AS SELECT 'x' AS member, 9 AS n")
    assert lab.run("SELECT top FROM top_logins").rows == [("9",)]
    assert ("logins",) in lab.run("SHOW VIEWS").rows
    assert lab.run("SHOW CREATE VIEW logins").rows[1] == ("SELECT 'x' AS member, 9 AS n",)
    assert lab.fail("CREATE VIEW broken AS SELECT nope FROM typed").startswith("COLUMN_NOT_FOUND")
    assert lab.fail("CREATE VIEW unnamed AS SELECT count(*) FROM typed").startswith("MISSING_COLUMN_NAME")
    lab.run("CREATE OR REPLACE VIEW logins AS SELECT top AS n FROM top_logins")
    assert lab.fail("SELECT * FROM top_logins").startswith("INVALID_VIEW")
    lab.run("DROP VIEW logins")
    lab.run("DROP VIEW IF EXISTS logins")
    assert lab.fail("DROP TABLE top_logins").startswith("NOT_SUPPORTED")
    lab.run("DROP VIEW top_logins")


def test_partitions_are_added_moved_and_dropped_where_they_lie(lab: Lab) -> None:
    for name in ("one", "two"):
        lab.put(f"loose/{name}/0.parquet", pa.table({"v": [name]}))
    lab.run(
        f"CREATE EXTERNAL TABLE loose (v string) PARTITIONED BY (p int) STORED AS PARQUET "
        f"LOCATION 's3://{lab.bucket}/elsewhere/'"
    )
    place = f"s3://{lab.bucket}/loose"
    lab.run(
        f"ALTER TABLE loose ADD PARTITION (p=1) LOCATION '{place}/one' "
        f"PARTITION (p=2) LOCATION '{place}/two/'"
    )
    assert lab.run("SELECT p, v FROM loose ORDER BY p").rows == [("1", "one"), ("2", "two")]
    assert lab.fail("ALTER TABLE loose ADD PARTITION (p=1)").startswith("ALREADY_EXISTS")
    lab.run("ALTER TABLE loose ADD IF NOT EXISTS PARTITION (p=1)")
    lab.run(f"ALTER TABLE loose PARTITION (p=1) SET LOCATION '{place}/two/'")
    assert lab.run("SELECT v FROM loose WHERE p < 2").rows == [("two",)]
    lab.run("ALTER TABLE loose DROP PARTITION (p=1), PARTITION (p=2)")
    assert lab.run("SELECT count(*) AS c FROM loose").rows == [("0",)]
    lab.run("ALTER TABLE loose DROP IF EXISTS PARTITION (p=1)")
    assert lab.fail("ALTER TABLE loose DROP PARTITION (p=1)").startswith("INVALID_PARTITION")
    assert lab.fail("ALTER TABLE loose ADD PARTITION (q=1)").startswith("INVALID_PARTITION")


def test_tables_are_described_changed_and_dropped(lab: Lab) -> None:
    lab.run(
        f"CREATE EXTERNAL TABLE plain (a int COMMENT 'first', `b c` array < struct < x : int > >) "
        f"STORED AS PARQUET LOCATION 's3://{lab.bucket}/plain/'"
    )
    described = [row[0].split("\t") for row in lab.run("DESCRIBE plain").rows if row[0]]
    assert [[cell.strip() for cell in row] for row in described] == [
        ["a", "int", "first"],
        ["b c", "array<struct<x:int>>", ""],
    ]
    lab.run("ALTER TABLE plain ADD COLUMNS (d date)")
    assert [row[0].strip() for row in lab.run("SHOW COLUMNS IN plain").rows if row[0]] == ["a", "b c", "d"]
    lab.run("ALTER TABLE plain SET TBLPROPERTIES ('owner'='me')")
    assert ("owner\tme",) in lab.run("SHOW TBLPROPERTIES plain").rows
    made = "\n".join(str(row[0]) for row in lab.run("SHOW CREATE TABLE plain").rows)
    assert "`d` date)" in made
    assert f"'s3://{lab.bucket}/plain/'" in made
    assert lab.fail(
        f"CREATE EXTERNAL TABLE plain (a int) STORED AS PARQUET LOCATION 's3://{lab.bucket}/x/'"
    ).startswith("TABLE_ALREADY_EXISTS")
    lab.run("DROP TABLE plain")
    lab.run("DROP TABLE IF EXISTS plain")
    assert lab.fail("DROP TABLE plain").startswith("TABLE_NOT_FOUND")


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        (
            "CREATE EXTERNAL TABLE t (a int, A string) STORED AS PARQUET LOCATION 's3://b/x/'",
            "DUPLICATE_COLUMN_NAME",
        ),
        ("CREATE EXTERNAL TABLE t (a money) STORED AS PARQUET LOCATION 's3://b/x/'", "HIVE_INVALID_METADATA"),
        ("CREATE EXTERNAL TABLE t (a int) STORED AS PARQUET LOCATION '/etc/'", "INVALID_TABLE_PROPERTY"),
        ("CREATE EXTERNAL TABLE t (a int) STORED AS PARQUET", "NOT_SUPPORTED"),
        ("CREATE EXTERNAL TABLE t (a int) STORED AS AVRO LOCATION 's3://b/x/'", "NOT_SUPPORTED"),
        ("CREATE TABLE t (a int)", "NOT_SUPPORTED: Table must be EXTERNAL"),
        ("MSCK REPAIR TABLE typed", "NOT_SUPPORTED"),
        ("SHOW PARTITIONS typed", "NOT_SUPPORTED"),
        ("SHOW TABLES IN nowhere", "SCHEMA_NOT_FOUND"),
        ("DESCRIBE nowhere", "TABLE_NOT_FOUND"),
        ("DROP DATABASE nowhere", "SCHEMA_NOT_FOUND"),
    ],
)
def test_ddl_refuses(lab: Lab, sql: str, reason: str) -> None:
    assert lab.fail(sql).startswith(reason)


def test_databases_come_and_go(lab: Lab) -> None:
    name = f"made_{uuid.uuid4().hex[:8]}"
    lab.run(f"CREATE DATABASE IF NOT EXISTS {name} COMMENT 'c' LOCATION 's3://{lab.bucket}/db/'")
    lab.run(f"CREATE SCHEMA IF NOT EXISTS {name}")
    assert lab.fail(f"CREATE DATABASE {name}").startswith("SCHEMA_ALREADY_EXISTS")
    assert lab.run(f"SHOW DATABASES LIKE '{name[:10]}%'").rows == [(name,)]
    lab.run(f"CREATE TABLE {name}.t AS SELECT 1 AS x")
    assert lab.run(f"SHOW TABLES IN {name}").rows == [("t",)]
    assert lab.fail(f"DROP DATABASE {name}").startswith("SCHEMA_NOT_EMPTY")
    lab.run(f"DROP DATABASE {name} CASCADE")
    lab.run(f"DROP DATABASE IF EXISTS {name}")


def test_information_schema_and_partitions_are_tables(lab: Lab) -> None:
    columns = lab.run(
        "SELECT column_name, data_type, extra_info FROM information_schema.columns "
        f"WHERE table_schema = '{lab.database}' AND table_name = 'seed_events' ORDER BY ordinal_position"
    )
    assert columns.rows[0] == ("membercode", "varchar", None)
    assert columns.rows[-1] == ("dt", "varchar", "partition key")
    found = lab.run('SELECT event_type, dt FROM "seed_events$partitions" ORDER BY 1, 2')
    assert found.rows[0] == ("API Error", "2024-10-01")
    tables = f"SELECT table_name FROM information_schema.tables WHERE table_schema = '{lab.database}'"
    assert ("typed",) in lab.run(tables).rows


def test_explain_shows_the_plan_and_analyze_runs_it(lab: Lab) -> None:
    plan = lab.run("EXPLAIN SELECT sum(i) FROM typed")
    assert plan.execution["StatementType"] == "UTILITY"
    assert "stand-in" in str(plan.rows[0][0])
    assert plan.scanned == 0
    assert lab.run("EXPLAIN ANALYZE SELECT sum(i) FROM typed").scanned > 0


def test_text_tables_can_be_made_but_not_read(lab: Lab) -> None:
    lab.run(
        f"CREATE EXTERNAL TABLE csv_table (a string) ROW FORMAT DELIMITED FIELDS TERMINATED BY ',' "
        f"LOCATION 's3://{lab.bucket}/csv/'"
    )
    assert lab.fail("SELECT * FROM csv_table").startswith("NOT_SUPPORTED: line 1:15: Table")


def test_one_moment_holds_for_a_whole_query(lab: Lab) -> None:
    found = lab.run(
        "SELECT count(DISTINCT t) AS c FROM (SELECT now() AS t FROM typed UNION ALL SELECT current_timestamp)"
    )
    assert found.rows == [("1",)]


def test_deep_and_long_statements_are_answered(lab: Lab) -> None:
    wide = ", ".join(str(i) for i in range(20_000))
    assert lab.run(f"SELECT count(*) AS c FROM typed WHERE i IN ({wide})").rows == [("3",)]
    deep = "(" * 3000 + "1" + ")" * 3000
    with pytest.raises(lab.athena.exceptions.InvalidRequestException, match="too large"):
        lab.start(f"SELECT {deep} AS x")
    assert lab.run("SELECT 1 AS x").rows == [("1",)]
