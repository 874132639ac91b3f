"""The embedded stack from inside a kernel: ``%stupiddb demo`` and cells on its stores."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.magics.conftest import KERNELSPECS, Kernel

ACTIVE = (
    "SELECT count(*) AS n FROM pg_stat_activity "
    "WHERE state = 'active' AND query LIKE '%pg_sleep%' AND pid <> pg_backend_pid()"
)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    """A kernel that has started the demo."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JUPYTER_PATH", str(KERNELSPECS))
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        for name in ("STUPIDDB_CONFIG", "STUPIDDB_DEMO"):
            patch.delenv(name, raising=False)
        patch.chdir(tmp_path_factory.mktemp("kernel"))
        running = Kernel()
    try:
        run = running.run("%stupiddb demo", timeout=280)
        assert run.status == "ok", run.reply
        yield running
    finally:
        running.close()


def _rows(kernel: Kernel, code: str) -> list[dict[str, object]]:
    """What a cell's value holds."""
    run = kernel.run(code)
    assert run.status == "ok", run.reply
    found: list[dict[str, object]] = eval(kernel.run("print(_.to_pyarrow().to_pylist())").stream)
    return found


def test_every_source_of_the_demo_has_a_magic(demo: Kernel) -> None:
    (status,) = demo.run("%stupiddb status").outputs
    for name in ("local", "athena", "aurora", "rds", "s3"):
        assert f"%%{name} " in status["text/plain"]
    assert "started by this kernel" in status["text/plain"]


@pytest.mark.parametrize("source", ["aurora", "rds", "athena", "local"])
def test_values_are_bound_on_every_store(demo: Kernel, source: str) -> None:
    demo.run("codes, text = ['UA', 'AA'], \"it's :not a parameter\"")
    cell = f"%%{source}\nSELECT :text AS t, CASE WHEN 'AA' IN (:codes) THEN 1 ELSE 0 END AS n, ':x' AS x"
    assert _rows(demo, cell) == [{"t": "it's :not a parameter", "n": 1, "x": ":x"}]


def test_an_array_is_bound_as_one(demo: Kernel) -> None:
    demo.run("import pandas as pd; codes = pd.Series(['UA', 'AA', 'UA'])")
    cell = "%%aurora\nSELECT count(*) AS n FROM airlines WHERE carrier = ANY(:codes)"
    assert _rows(demo, cell) == [{"n": 2}]


def test_the_keys_of_one_store_filter_another(demo: Kernel) -> None:
    assert (
        demo.run("%%aurora --no-display\nold << SELECT tailnum FROM planes WHERE year < 1960").status == "ok"
    )
    cell = "%%local\nSELECT count(*) > 0 AS found FROM old WHERE tailnum IN (:tails)"
    demo.run("tails = old.tailnum")
    assert _rows(demo, cell) == [{"found": True}]


def test_athena_says_what_it_scanned_and_what_that_costs(demo: Kernel) -> None:
    run = demo.run(
        "%%athena --max-scan 1GB\n"
        "SELECT max(dep_delay) AS worst FROM flights WHERE dt BETWEEN '2013-12-01' AND '2013-12-02'"
    )
    assert run.status == "ok", run.reply
    footer = run.outputs[0]["text/plain"].rpartition("\n")[2]
    assert " scanned · $0." in footer
    assert "athena · query " in footer


def test_athena_shows_a_plan_without_running(demo: Kernel) -> None:
    run = demo.run("%%athena --dry-run\nSELECT count(dep_delay) FROM flights WHERE dt = '2013-12-01'")
    assert run.status == "ok", run.reply
    shown = run.outputs[0]["text/plain"]
    assert shown.startswith("dry run on athena, nothing was run")
    assert "ARROW_SCAN" in shown or "TableScan" in shown


@pytest.mark.parametrize(
    ("code", "position"),
    [
        ("%%aurora\nSELECT tailnum,\n  missing\nFROM planes", "   2 │   missing\n     │   ^"),
        ("%%athena\nSELECT dep_delay,\n  missing\nFROM flights", "   2 │   missing\n     │   ^"),
    ],
)
def test_errors_of_the_store_mark_the_place(demo: Kernel, code: str, position: str) -> None:
    demo.run("%colors nocolor")
    run = demo.run(code)
    assert run.status == "error"
    text = "\n".join(run.of("error")[0]["traceback"])
    assert position in text
    assert "Traceback" not in text


def test_a_wrong_column_on_mysql_is_said(demo: Kernel) -> None:
    run = demo.run("%%rds\nSELECT missing FROM weather")
    assert run.reply["ename"] == "QueryFailed"
    assert "missing" in run.reply["evalue"]


def test_interrupting_leaves_nothing_running_in_the_store(demo: Kernel) -> None:
    begun = time.perf_counter()
    started = demo.start("%%aurora\nSELECT pg_sleep(25)")
    time.sleep(1.5)
    demo.interrupt()
    run = demo.finish(started, 20, begun)
    assert run.seconds < 8
    assert run.reply["ename"] == "QueryCancelled"
    assert _rows(demo, f"%%aurora\n{ACTIVE}") == [{"n": 0}]


def test_a_timeout_ends_the_statement(demo: Kernel) -> None:
    run = demo.run("%%aurora --timeout 1s\nSELECT pg_sleep(25)")
    assert run.reply["ename"] == "QueryTimeout"
    assert run.seconds < 8


@pytest.mark.parametrize(
    ("code", "choice"),
    [
        ("%%aurora\nSELECT p.tail| FROM planes p", "tailnum"),
        ("%%aurora\nSELECT * FROM pla|", "planes"),
        ("%%rds\nSELECT * FROM wea|", "weather"),
        ("%%athena\nSELECT e.dep| FROM flights e", "dep_delay"),
        ("%catalog aurora.aviation.pla|", "aurora.aviation.planes"),
    ],
)
def test_names_of_every_store_are_completed(demo: Kernel, code: str, choice: str) -> None:
    demo.run("%catalog")
    assert choice in demo.complete(code)


def test_the_catalog_shows_all_stores(demo: Kernel) -> None:
    (tree,) = demo.run("%catalog").outputs
    for name in ("planes", "weather", "flights", "airlines"):
        assert name in tree["text/plain"]


def test_close_stops_the_demo(demo: Kernel) -> None:
    demo.run("demo = get_ipython().stupiddb_extension.demo")
    pids, _, path = demo.run("print(list(demo.stack.pids().values()), demo.configuration)").stream.partition(
        "] "
    )
    assert demo.run("%stupiddb close").status == "ok"
    assert not Path(path.strip()).exists()
    for pid in map(int, pids.strip("[").split(", ")):
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    assert demo.run("%%local\nSELECT 1 AS one").status == "ok"
    refused = demo.run("%%aurora\nSELECT 1")
    assert refused.reply["ename"] == "ConfigurationError"
    assert "no source 'aurora' is configured" in refused.reply["evalue"]
