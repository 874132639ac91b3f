"""Every command is documented, refuses what it does not know, and ends with a message, not a traceback."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from stupiddb_kernel.cli import stupiddb
from stupiddb_kernel.errors import UsageError
from stupiddb_kernel.sources.sizes import parse_size

README = Path(__file__).parents[2] / "README.md"


def commands(group: click.Group = stupiddb, prefix: str = "stupiddb") -> Iterator[tuple[str, click.Command]]:
    for name, command in group.commands.items():
        path = f"{prefix} {name}"
        if isinstance(command, click.Group):
            yield from commands(command, path)
        else:
            yield path, command


def run(*words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    code = "from stupiddb_kernel.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, *words],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize(
    ("path", "command"), commands(), ids=lambda value: value if isinstance(value, str) else ""
)
def test_every_command_and_option_is_explained(path: str, command: click.Command) -> None:
    assert command.help, path
    unexplained = [
        each.name
        for each in command.params
        if isinstance(each, click.Option) and not each.help and not isinstance(each.type, click.Choice)
    ]
    assert unexplained == [], path


@pytest.mark.parametrize("path", [path for path, _ in commands()])
def test_every_command_is_in_the_readme(path: str) -> None:
    assert path in README.read_text(encoding="utf-8")


def test_a_mistake_in_the_configuration_is_a_message(tmp_path: Path) -> None:
    (tmp_path / "stupiddb.toml").write_text("[aws.athena]\nregoin = 'x'\nmax_scan_bytes = -1\n")
    done = run("config", "check", folder=tmp_path)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "regoin" in done.stderr
    assert "max_scan_bytes" in done.stderr


def test_an_unknown_source_names_the_known_ones(tmp_path: Path) -> None:
    (tmp_path / "stupiddb.toml").write_text("[store]\npath = 'store.duckdb'\n")
    done = run("query", "lokal", "SELECT 1", "--config", "stupiddb.toml", folder=tmp_path)
    assert done.returncode == 1
    assert "'local'" in done.stderr


def test_queries_the_local_store_into_every_format(tmp_path: Path) -> None:
    (tmp_path / "stupiddb.toml").write_text("[store]\npath = 'store.duckdb'\n")
    sql = "SELECT range AS n, 'a,b' AS text FROM range(3) WHERE range >= :low"
    csv = run("query", "local", sql, "-p", "low=1", "--format", "csv", folder=tmp_path)
    assert csv.stdout == '"n","text"\n1,"a,b"\n2,"a,b"\n'
    assert "2 rows" in csv.stderr
    json = run("query", "local", sql, "-p", "low=2", "--format", "json", folder=tmp_path)
    assert json.stdout == '{"n": 2, "text": "a,b"}\n'
    parquet = run(
        "query", "local", sql, "-p", "low=0", "--format", "parquet", "-o", "n.parquet", folder=tmp_path
    )
    assert parquet.returncode == 0
    assert sorted(entry.name for entry in tmp_path.iterdir()) == [
        "n.parquet",
        "store.duckdb",
        "stupiddb.toml",
    ]


def test_a_failed_query_leaves_no_file(tmp_path: Path) -> None:
    (tmp_path / "stupiddb.toml").write_text("[store]\npath = 'store.duckdb'\n")
    (tmp_path / "out.csv").write_text("what was there")
    sql = "SELECT CAST('x' || range AS INTEGER) FROM range(300000)"
    done = run("query", "local", sql, "--format", "csv", "-o", "out.csv", folder=tmp_path)
    assert done.returncode == 1
    assert (tmp_path / "out.csv").read_text() == "what was there"
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize(
    ("text", "size"),
    [("5GB", 5 * 10**9), ("1.5 KiB", 1536), ("10", 10), ("1tb", 10**12), ("2 MiB", 2 * 1024**2), ("7b", 7)],
)
def test_reads_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "GB", "-1MB", "5XB", "1e9", "5 G B", "iB", "3iB", "0"])
def test_refuses_what_is_no_size(text: str) -> None:
    with pytest.raises(UsageError):
        parse_size(text)
