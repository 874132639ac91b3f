"""%catalog without a widget: the tree, a search, a table; and a source that can't be reached."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pytest
from stupiddb import TableName

from stupiddb_kernel.errors import UnknownName
from tests.magics.conftest import Shell

CONFIGURATION = """
[catalog]
deadline_seconds = 3
[aws.aurora]
engine = "postgresql"
host = "127.0.0.1"
port = 1
database = "crm"
username_env = "NO_USER"
password_env = "NO_PASSWORD"
connect_timeout_seconds = 2
"""


@pytest.fixture
def furnished(bare: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """A shell with tables in the local store and a source where nobody listens."""
    monkeypatch.setenv("NO_USER", "nobody")
    monkeypatch.setenv("NO_PASSWORD", "hunter2")
    (tmp_path / "stupiddb.toml").write_text(CONFIGURATION)
    bare.run("%load_ext stupiddb")
    local = bare.ip.stupiddb_extension.session.local
    flights = pa.table({"carrier": ["AA", "<b>"], "dep_delay": pa.array([1, None])})
    local.write(TableName("local", "main", "flights"), flights, comment="all flights of <2013>")
    local.write(TableName("local", "crm", "members"), pa.table({"member_code": ["m-1"]}))
    return bare


def test_the_tree_shows_what_is_there_and_what_can_not_be_reached(furnished: Shell) -> None:
    cell = furnished.run("%catalog")
    assert cell.error is None
    lines = cell.plain.split("\n")
    assert "local (duckdb)" in lines
    assert any(line.strip().startswith("flights") and "2 rows" in line for line in lines)
    unreachable = lines[lines.index("aurora (postgres)") + 1]
    assert "aurora" in unreachable
    assert "hunter2" not in cell.plain + cell.html
    assert "dep_delay int64" in cell.html


def test_a_search_finds_tables_columns_and_comments(furnished: Shell) -> None:
    cell = furnished.run("%catalog member")
    assert "local.crm.members" in cell.plain
    assert "local.crm.members.member_code" in cell.plain
    assert "<2013>" not in furnished.run("%catalog flights").html
    assert "0 matches for 'nothing like it at all'" in furnished.run("%catalog nothing like it at all").plain


@pytest.mark.parametrize("name", ["local.main.flights", "main.flights"])
def test_a_table_shows_its_columns_and_some_rows(furnished: Shell, name: str) -> None:
    cell = furnished.run(f"%catalog {name}")
    assert cell.error is None
    assert cell.plain.startswith("local.main.flights · table · 2 rows")
    assert "all flights of <2013>" in cell.plain
    assert "dep_delay  int64" in cell.plain
    assert "first 2 rows" in cell.plain
    assert "&lt;b&gt;" in cell.html
    assert "<b></td>" not in cell.html


def test_a_table_that_is_not_there_suggests_the_nearest(furnished: Shell) -> None:
    cell = furnished.run("%catalog local.main.flight")
    assert isinstance(cell.error, UnknownName)
    assert "local.main.flights" in cell.text


def test_the_document_is_json(furnished: Shell) -> None:
    document = json.loads(furnished.run("%catalog --json").plain)
    assert document["external_sources"]["aurora"]["database"] == "crm"


def test_refresh_sees_what_is_new(furnished: Shell) -> None:
    furnished.run("%catalog")
    local = furnished.ip.stupiddb_extension.session.local
    local.write(TableName("local", "main", "fresh"), pa.table({"a": [1]}))
    assert "fresh" in furnished.run("%catalog --refresh").plain
