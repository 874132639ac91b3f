"""The main job, as the README's first command runs it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def clean_environment() -> dict[str, str]:
    """This process's environment without what points at AWS or a configuration."""
    unwanted = re.compile(r"AWS_|STUPIDDB_|AURORA_|RDS_|REDSHIFT_|S3_|DATABASE_")
    return {name: value for name, value in os.environ.items() if not unwanted.match(name)}


def stupiddb(*words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from stupiddb_kernel.cli import main; main()", *words],
        cwd=folder,
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )


def servers() -> set[str]:
    """Command lines of the running processes that belong to an embedded stack."""
    found = set()
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = entry.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if "stupiddb_kernel.local" in line or "stupiddb-demo-" in line:
            found.add(f"{entry.parent.name} {line}")
    return found


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[subprocess.CompletedProcess[str], Path, set[str]]:
    """One run of ``stupiddb demo``: its output, its folder, and the servers that were there before."""
    folder = tmp_path_factory.mktemp("demo")
    before = servers()
    return stupiddb("demo", folder=folder), folder / "stupiddb-out", before


def test_runs_the_tour_and_says_where_it_is(
    demo: tuple[subprocess.CompletedProcess[str], Path, set[str]],
) -> None:
    done, folder, _ = demo
    assert done.returncode == 0, done.stderr[-3000:]
    assert "stupiddb-out/tour.ipynb" in done.stdout
    assert "stupiddb-out/tour.html" in done.stdout
    assert sorted(entry.name for entry in folder.iterdir()) == ["tour.html", "tour.ipynb"]
    assert len(done.stdout.splitlines()) < 25


def test_shows_figures_that_are_right(demo: tuple[subprocess.CompletedProcess[str], Path, set[str]]) -> None:
    """27,004 flights were planned for January, of which 521 never left."""
    _, folder, _ = demo
    document = json.loads((folder / "tour.ipynb").read_text())
    text = json.dumps([cell.get("outputs") for cell in document["cells"]])
    assert "26483" in text
    assert not [
        output
        for cell in document["cells"]
        for output in cell.get("outputs", [])
        if output["output_type"] == "error"
    ]


def test_the_report_needs_no_network(demo: tuple[subprocess.CompletedProcess[str], Path, set[str]]) -> None:
    _, folder, _ = demo
    html = (folder / "tour.html").read_text()
    assert not re.findall(r"""<(?:script|link|img)[^>]+(?:src|href)=["']?https?:""", html)
    assert html.count('<img alt="No description has been provided for this image"') == 2
    assert "KB scanned · $0.00005" in html  # the 10 MB that Athena bills at least


def test_leaves_no_secret_behind(demo: tuple[subprocess.CompletedProcess[str], Path, set[str]]) -> None:
    done, folder, _ = demo
    written = (
        (folder / "tour.ipynb").read_text() + (folder / "tour.html").read_text() + done.stdout + done.stderr
    )
    assert not re.findall(r"(?i)(?:password|secret_access_key)\W{1,4}[A-Za-z0-9_\-]{16,}", written)


def test_stops_what_it_started(demo: tuple[subprocess.CompletedProcess[str], Path, set[str]]) -> None:
    _, _, before = demo
    assert servers() - before == set()


def test_the_catalog_as_json_is_the_seeds_document(tmp_path: Path) -> None:
    """With nothing configured the demo stack is used, and standard output holds the document alone."""
    done = stupiddb("catalog", "--json", folder=tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "demo stack" in done.stderr
    sources = json.loads(done.stdout)["external_sources"]
    assert sources["athena"]["enabled"] is True
    assert sources["athena"]["database"] == "analytics"
    assert sources["athena"]["tables"] == ["flights"]
    assert sources["athena"]["estimated_data_gb"] > 0
    assert sources["aurora"]["tables"] == ["airlines", "airports", "planes"]
    assert sources["aurora"]["last_sync"] is None
    assert sources["rds"]["tables"] == ["weather"]
    events = next(each for each in sources["s3_sources"] if each["prefix"] == "events/")
    assert events["file_count"] == 723
    assert events["total_size_gb"] > 0


def test_the_doctor_finds_every_source_well(tmp_path: Path) -> None:
    done = stupiddb("doctor", folder=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    for source in ("athena", "aurora", "rds", "s3", "local"):
        assert re.search(rf"ok\s+{source}\s+reachable", done.stdout), done.stdout
    assert "FAIL" not in done.stdout


def test_a_fresh_clone_runs_the_readmes_first_command(tmp_path: Path, full: bool) -> None:
    """With --full only: it makes a whole environment of its own."""
    readme = (ROOT / "README.md").read_text()
    command = next(line for line in readme.splitlines() if line.endswith("run stupiddb demo"))
    if not full:
        assert command.startswith("python3 -m venv .uv && ")
        return
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=clone,
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert (clone / "stupiddb-out" / "tour.html").is_file()
    shutil.rmtree(clone)
