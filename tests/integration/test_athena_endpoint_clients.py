"""Clients that know nothing of the stand-in but its endpoint: PyAthena, its SQLAlchemy dialect, ibis."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from stupiddb_kernel.local.stack import Stack
from tests.integration.athena_lab import Lab


@pytest.fixture(scope="module")
def lab(stack: Stack) -> Lab:
    lab = Lab(stack)
    for day, shift in (("2013-01-01", 0), ("2013-01-02", 1500)):
        rows = pa.table(
            {
                "id": pa.array(range(shift, shift + 1500), pa.int64()),
                "name": [None if i % 5 == 0 else f"n{i % 7}" for i in range(1500)],
                "price": pa.array([Decimal(i) / 4 for i in range(1500)], pa.decimal128(10, 2)),
                "at": pa.array([datetime(2013, 1, 1, i % 24) for i in range(1500)], pa.timestamp("us")),
            }
        )
        lab.put(f"sales/dt={day}/0.parquet", rows)
    lab.table("sales", "id bigint, name string, price decimal(10,2), at timestamp", "dt string")
    return lab


@pytest.fixture
def environment(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in stack.environment().items():
        if name.startswith("AWS_"):
            monkeypatch.setenv(name, value)


@pytest.fixture
def connection(lab: Lab, environment: None) -> Iterator[Any]:
    import pyathena

    with pyathena.connect(s3_staging_dir=lab.results, schema_name=lab.database, poll_interval=0.05) as made:
        yield made


def test_the_default_cursor_pages_converts_and_describes(connection: Any) -> None:
    cursor = connection.cursor()
    cursor.execute("SELECT id, name, price, at, CAST(dt AS date) AS day FROM sales ORDER BY id")
    rows = cursor.fetchall()
    assert len(rows) == 3000
    assert rows[0] == (0, None, Decimal("0.00"), datetime(2013, 1, 1), date(2013, 1, 1))
    assert rows[2999][0] == 2999
    assert [column[:2] for column in cursor.description] == [
        ("id", "bigint"), ("name", "varchar"), ("price", "decimal"), ("at", "timestamp"), ("day", "date"),
    ]  # fmt: skip
    assert cursor.data_scanned_in_bytes > 0
    assert cursor.output_location.endswith(".csv")


def test_parameters_of_both_styles(connection: Any) -> None:
    cursor = connection.cursor()
    cursor.execute(
        "SELECT count(*) FROM sales WHERE name = %(name)s AND id < %(top)d", {"name": "n1", "top": 100}
    )
    assert cursor.fetchone()[0] == 12
    cursor.execute(
        "SELECT count(*) FROM sales WHERE name = ? AND id < ?", ["'n1'", "100"], paramstyle="qmark"
    )
    assert cursor.fetchone()[0] == 12


def test_the_dict_cursor(connection: Any) -> None:
    from pyathena.cursor import DictCursor

    cursor = connection.cursor(DictCursor)
    assert cursor.execute("SELECT id, name FROM sales WHERE id = 1").fetchone() == {"id": 1, "name": "n1"}


@pytest.fixture
def arrow_reads_here(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """ArrowCursor makes its S3 filesystem without an endpoint: hand it one."""
    from pyarrow import fs
    from pyathena.arrow import result_set

    def filesystem(self: Any) -> Any:
        keys = stack.environment()
        return fs.S3FileSystem(
            access_key=keys["AWS_ACCESS_KEY_ID"],
            secret_key=keys["AWS_SECRET_ACCESS_KEY"],
            endpoint_override=stack.aws_endpoint,
            region=keys["AWS_DEFAULT_REGION"],
        )

    monkeypatch.setattr(result_set.AthenaArrowResultSetMetadataReader, "_create_s3_file_system", filesystem)


@pytest.mark.parametrize("unload", [False, True])
def test_the_arrow_cursor_reads_csv_and_unload(connection: Any, arrow_reads_here: None, unload: bool) -> None:
    from pyathena.arrow.cursor import ArrowCursor

    cursor = connection.cursor(ArrowCursor, unload=unload)
    found = cursor.execute("SELECT id, name, price, at FROM sales ORDER BY id").as_arrow()
    assert found.num_rows == 3000
    assert found.schema.field("id").type == pa.int64()
    if unload:
        assert found.schema.field("price").type == pa.decimal128(10, 2)
        assert found.sort_by("id")["price"][3].as_py() == Decimal("0.75")
    assert found.sort_by("id")["at"][1].as_py() == datetime(2013, 1, 1, 1)
    assert found.sort_by("id")["name"].null_count in (0, 600)  # PyAthena reads NULL in a CSV as ""


@pytest.mark.parametrize("unload", [False, True])
def test_the_pandas_cursor(connection: Any, unload: bool) -> None:
    from pyathena.pandas.cursor import PandasCursor

    cursor = connection.cursor(PandasCursor, unload=unload)
    frame = cursor.execute("SELECT id, name, at FROM sales").as_pandas().sort_values("id")
    assert frame["id"].tolist() == list(range(3000))
    assert int(frame["name"].isna().sum()) == 600
    assert frame["at"].iloc[1] == datetime(2013, 1, 1, 1)


def test_failures_and_cancelling_reach_the_client(connection: Any) -> None:
    import pyathena

    cursor = connection.cursor()
    with pytest.raises(pyathena.error.OperationalError, match="COLUMN_NOT_FOUND: line 1:8"):
        cursor.execute("SELECT nope FROM sales")
    with pytest.raises(pyathena.error.DatabaseError, match="mismatched input"):
        cursor.execute("SELEC 1")


def test_ddl_and_writing_through_a_cursor(connection: Any, lab: Lab) -> None:
    cursor = connection.cursor()
    cursor.execute(f"CREATE TABLE made WITH (external_location = 's3://{lab.bucket}/made/') AS SELECT 1 AS a")
    cursor.execute("INSERT INTO made VALUES (2), (3)")
    assert cursor.rowcount == 2
    assert cursor.execute("SELECT a FROM made ORDER BY a").fetchall() == [(1,), (2,), (3,)]
    assert ("made",) in cursor.execute("SHOW TABLES").fetchall()
    assert cursor.execute("SHOW PARTITIONS sales").fetchall() == [("dt=2013-01-01",), ("dt=2013-01-02",)]
    cursor.execute("DROP TABLE made")


def test_sqlalchemy_reflects_and_queries(lab: Lab, environment: None) -> None:
    from urllib.parse import quote_plus

    import sqlalchemy as sa

    host = "athena.us-east-1.amazonaws.com"
    url = f"awsathena+rest://@{host}/{lab.database}?s3_staging_dir={quote_plus(lab.results)}"
    region = lab.athena.meta.region_name
    engine = sa.create_engine(url.replace("us-east-1", region) + "&poll_interval=0.05")
    with warnings.catch_warnings(), engine.connect() as connection:
        warnings.simplefilter("ignore")
        inspector = sa.inspect(connection)
        assert lab.database in inspector.get_schema_names()
        assert inspector.get_table_names() == ["sales"]
        columns = {column["name"]: column["type"] for column in inspector.get_columns("sales")}
        assert isinstance(columns["price"], sa.types.DECIMAL)
        assert list(columns) == ["id", "name", "price", "at", "dt"]
        assert not inspector.has_table("nope")
        sales = sa.Table("sales", sa.MetaData(), autoload_with=connection)
        statement = (
            sa.select(sales.c.dt, sa.func.count().label("n"), sa.func.max(sales.c.price))
            .where(sales.c.name == "n1", sales.c.id < sa.bindparam("top"))
            .group_by(sales.c.dt)
            .order_by(sales.c.dt)
            .limit(5)
        )
        rows = connection.execute(statement, {"top": 1700}).all()
        assert rows == [("2013-01-01", 172, Decimal("374.75")), ("2013-01-02", 23, Decimal("49.25"))]
    engine.dispose()


@pytest.fixture
def backend(lab: Lab, environment: None, arrow_reads_here: None) -> Iterator[Any]:
    import ibis

    made = ibis.athena.connect(
        s3_staging_dir=lab.results,
        schema_name=lab.database,
        region_name=lab.athena.meta.region_name,
        poll_interval=0.05,
    )
    yield made
    made.disconnect()


def test_ibis_lists_and_queries(backend: Any, lab: Lab) -> None:
    import ibis

    assert backend.current_catalog == "awsdatacatalog"
    assert backend.current_database == lab.database
    assert "AwsDataCatalog" in backend.list_catalogs()
    assert lab.database in backend.list_databases()
    assert "sales" in backend.list_tables()
    sales = backend.table("sales")
    assert sales.schema()["price"] == ibis.dtype("decimal(10, 2)")
    found = (
        sales.filter(sales.dt == "2013-01-01", sales.name.notnull())
        .mutate(hour=sales.at.hour())
        .group_by("name")
        .agg(n=lambda t: t.count(), top=lambda t: t.price.max(), hours=lambda t: t.hour.nunique())
        .order_by("name")
        .to_pyarrow()
    )
    assert found["name"].to_pylist() == [f"n{i}" for i in range(7)]
    assert sum(found["n"].to_pylist()) == 1200
    assert found.schema.field("top").type == pa.decimal128(10, 2)


def test_ibis_joins_windows_and_reads_schemas_of_sql(backend: Any) -> None:
    import ibis

    sales = backend.table("sales")
    days = sales.group_by("dt").agg(first=sales.id.min())
    joined = sales.join(days, "dt").mutate(
        rank=ibis.row_number().over(group_by="dt", order_by=ibis.desc("id"))
    )
    found = joined.filter(joined["rank"] == 0).select("dt", "id", "first").order_by("dt").to_pyarrow()
    assert found.to_pylist() == [
        {"dt": "2013-01-01", "id": 1499, "first": 0},
        {"dt": "2013-01-02", "id": 2999, "first": 1500},
    ]
    raw = backend.sql("SELECT dt, avg(price) AS mean FROM sales GROUP BY dt")
    assert raw.schema()["mean"] == ibis.dtype("float64")
    assert raw.count().to_pyarrow().as_py() == 2


def test_ibis_makes_and_drops_tables_and_databases(backend: Any, lab: Lab) -> None:
    sales = backend.table("sales")
    made = backend.create_table("few", sales.filter(sales.id < 3).select("id", "price"))
    assert sorted(made.to_pyarrow()["id"].to_pylist()) == [0, 1, 2]
    assert "few" in backend.list_tables()
    backend.drop_table("few")
    assert "few" not in backend.list_tables()
    backend.create_database(f"{lab.database}_b")
    assert f"{lab.database}_b" in backend.list_databases()
    backend.drop_database(f"{lab.database}_b")
