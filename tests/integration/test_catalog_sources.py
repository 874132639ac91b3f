"""The catalog over real stores with the demo's real data: Athena, PostgreSQL, MariaDB, S3 and DuckDB."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from stupiddb_kernel.catalog.doctor import diagnose
from stupiddb_kernel.session import Session
from stupiddb_kernel.sources.base import TableName

if TYPE_CHECKING:
    from stupiddb_kernel.local.stack import Stack

NAMES = ["athena", "aurora", "rds", "s3", "local"]


@pytest.fixture(scope="module")
def configuration(flights: Stack, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The stack's own configuration, with a cache and a store of this test, and a source that is down."""
    folder = tmp_path_factory.mktemp("catalog")
    text = flights.configuration().partition("[store]")[0]
    file = folder / "stupiddb.toml"
    file.write_text(
        f"""{text}
[sources.gone]
kind = "postgres"
host = "127.0.0.1"
port = 9
database = "nothing"
username = "nobody"
password_env = "AURORA_PASSWORD"
[store]
path = "local.duckdb"
[catalog]
cache_directory = "cache"
deadline_seconds = 60
"""
    )
    return file


@pytest.fixture(scope="module")
def session(flights: Stack, configuration: Path) -> Iterator[Session]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in flights.environment().items():
            patch.setenv(name, value)
        with Session(configuration) as opened:
            yield opened


def test_all_sources_are_one_tree(session: Session) -> None:
    nodes = {node.name: node for node in session.catalog.sources()}
    assert list(nodes) == ["athena", "aurora", "rds", "s3", "gone", "local"]
    assert {nodes[name].state for name in NAMES} == {"ok"}
    assert nodes["gone"].state == "unreachable"
    assert "127.0.0.1" in (nodes["gone"].error or "")
    catalog = session.catalog
    assert "flights" in [table.name.table for table in catalog.tables("athena", "analytics")]
    aviation = [table.name.table for table in catalog.tables("aurora", "aviation")]
    assert {"airlines", "airports", "planes"} <= set(aviation)
    assert "weather" in [table.name.table for table in catalog.tables("rds", "weather")]


def test_tables_have_columns_types_and_sizes(session: Session) -> None:
    flights = session.catalog.table("athena.analytics.flights")
    assert {"event_type", "dt"} <= {column.name for column in flights.columns if column.partition}
    weather = session.catalog.table("rds.weather.weather")
    assert weather.columns
    assert weather.statistics.rows is not None
    assert 20_000 < weather.statistics.rows < 35_000, "26,115 rows; InnoDB estimates"
    planes = session.catalog.statistics(TableName("aurora", "aviation", "planes"))
    assert planes.rows is not None
    assert planes.as_of is not None


def test_names_and_search_go_over_all_stores(session: Session) -> None:
    assert session.catalog.resolve("planes") == TableName("aurora", "aviation", "planes")
    assert "aurora.aviation.airports" in [hit.path for hit in session.catalog.search("airprots")]
    found = [hit.path for hit in session.catalog.search("tailnum")]
    assert any(path.startswith("aurora.aviation.planes") for path in found)


def test_a_profile_says_what_columns_hold(session: Session) -> None:
    profile = session.catalog.profile(TableName("aurora", "aviation", "airlines"))
    carrier = next(column for column in profile.columns if column.name == "carrier")
    assert profile.sampled_rows == 16
    assert carrier.basis
    assert (carrier.minimum, carrier.maximum) == ("9E", "YV")


def test_the_external_sources_document_is_what_is_really_there(session: Session) -> None:
    document = session.external_sources()
    found: dict[str, Any] = document["external_sources"]
    assert json.loads(json.dumps(document)) == document
    assert found["athena"]["database"] == "analytics"
    assert "flights" in found["athena"]["tables"]
    assert found["athena"]["estimated_data_gb"] > 0
    assert found["aurora"]["database"] == "aviation"
    assert found["aurora"]["last_sync"] is None
    assert found["rds"]["tables"] == ["weather"]
    assert found["s3_sources"][0]["file_count"] > 0
    assert found["s3_sources"][0]["total_size_gb"] > 0
    assert found["gone"]["tables"] == []
    assert "127.0.0.1" in found["gone"]["error"]


def test_doctor_finds_the_one_that_is_down(session: Session) -> None:
    failed = {name for name, check in diagnose(session.sources) if not check.ok}
    assert failed == {"gone"}


def test_a_new_process_has_the_tree_without_the_stores(session: Session, configuration: Path) -> None:
    session.catalog.sources()
    code = """
import sys
from stupiddb_kernel.session import Session
with Session(sys.argv[1]) as session:
    tables = session.catalog.tables("aurora", "aviation")
    print(sorted(table.name.table for table in tables), "psycopg" in sys.modules, "boto3" in sys.modules)
"""
    run = subprocess.run(
        [sys.executable, "-c", code, str(configuration)], capture_output=True, text=True, check=True
    )
    assert "'planes'" in run.stdout
    assert run.stdout.strip().endswith("False False"), "no driver was needed"
