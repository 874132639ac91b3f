"""The extension in the real kernel ``stupiddb``, over the real protocol, and in executed notebooks."""

from __future__ import annotations

import json
import time

import nbformat
import papermill
import pytest
from jupyter_client.kernelspec import KernelSpecManager
from nbconvert import HTMLExporter

from tests.magics.conftest import KERNELSPECS, Kernel

SLOW = "SELECT count(*) AS n FROM range(20000000000) a WHERE hash(a.range) % 7 = 8"
WIDGET = "application/vnd.jupyter.widget-view+json"


def test_the_kernelspec_is_complete() -> None:
    folder = KERNELSPECS / "kernels" / "stupiddb"
    spec = json.loads((folder / "kernel.json").read_text())
    assert spec["argv"] == ["python", "-m", "stupiddb_kernel", "-f", "{connection_file}"]
    assert {path.name for path in folder.iterdir()} == {
        "kernel.json",
        "logo-32x32.png",
        "logo-64x64.png",
        "logo-svg.svg",
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JUPYTER_PATH", str(KERNELSPECS))
        assert KernelSpecManager().get_kernel_spec("stupiddb").display_name == "stupiddb"


def test_the_kernel_has_the_extension_loaded(kernel: Kernel) -> None:
    run = kernel.run("%%local\nSELECT 6 * 7 AS answer")
    assert run.status == "ok"
    (shown,) = run.outputs
    assert "42" in shown["text/plain"]
    assert '<td class="n">42</td>' in shown["text/html"]
    assert kernel.run("print(_.answer.sum().execute())").stream == "42\n"


def test_a_wrong_statement_fails_the_cell_and_shows_the_place(kernel: Kernel) -> None:
    run = kernel.run("%%local\nSELECT 1,\n  missing")
    assert run.status == "error"
    assert run.reply["ename"] == "QueryFailed"
    (error,) = run.of("error")
    text = "\n".join(error["traceback"])
    assert "missing" in text
    assert "^" in text
    assert "Traceback" not in text
    assert kernel.run("print('still here')").stream == "still here\n"


def test_python_errors_look_as_ever(kernel: Kernel) -> None:
    run = kernel.run("1 / 0")
    assert run.reply["ename"] == "ZeroDivisionError"
    assert "Traceback" in "\n".join(run.of("error")[0]["traceback"])


def test_interrupting_stops_the_statement_and_says_so(kernel: Kernel) -> None:
    kernel.run("%local SELECT 1")
    begun = time.perf_counter()
    started = kernel.start(f"%%local\n{SLOW}")
    time.sleep(1.5)
    kernel.interrupt()
    run = kernel.finish(started, 20, begun)
    assert run.seconds < 6
    assert run.status == "error"
    assert run.reply["ename"] == "QueryCancelled"
    assert "cancelled, nothing is left running in local" in run.reply["evalue"]
    assert kernel.run("%local SELECT 1 AS one").status == "ok"


def test_progress_is_shown_at_most_four_times_a_second_and_then_replaced(kernel: Kernel) -> None:
    begun = time.perf_counter()
    started = kernel.start(f"%%local\n{SLOW}")
    time.sleep(2.2)
    kernel.interrupt()
    run = kernel.finish(started, 20, begun)
    shown = run.of("display_data")
    updates = run.of("update_display_data")
    assert len(shown) == 1
    assert "local · " in shown[0]["data"]["text/plain"]
    assert 3 <= len(updates) <= run.seconds * 4 + 1
    (left,) = run.outputs
    assert left["text/plain"].startswith("local · ended after ")


def test_a_quick_statement_shows_no_progress(kernel: Kernel) -> None:
    kernel.run("%local SELECT 1")
    run = kernel.run("%%local\nSELECT 2 AS two")
    assert not run.of("update_display_data")
    assert len(run.of("display_data")) == 1


def test_the_result_takes_the_place_of_the_progress(kernel: Kernel) -> None:
    run = kernel.run("%%local\nSELECT count(*) AS n FROM range(400000000) a WHERE hash(a.range) % 7 <> 8")
    assert run.status == "ok"
    assert run.of("update_display_data"), "the statement was too quick for this test"
    (shown,) = run.outputs
    assert "400000000" in shown["text/plain"]
    assert "⏳" not in shown["text/html"]


def test_a_person_gets_a_widget_beside_the_table(kernel: Kernel) -> None:
    kernel.live = True
    try:
        run = kernel.run("%%local\nSELECT '<script>alert(1)</script>' AS evil")
    finally:
        kernel.live = False
    assert run.status == "ok"
    (shown,) = run.outputs
    assert {WIDGET, "text/html", "text/plain"} <= shown.keys()
    assert "<script>" not in shown["text/html"]


def test_a_batch_run_gets_the_table_alone(kernel: Kernel) -> None:
    (shown,) = kernel.run("%%local\nSELECT 1 AS one").outputs
    assert WIDGET not in shown


@pytest.fixture(scope="module")
def executed(tmp_path_factory: pytest.TempPathFactory) -> nbformat.NotebookNode:
    """A notebook that papermill ran until a cell failed."""
    folder = tmp_path_factory.mktemp("notebook")
    cells = (
        "%load_ext stupiddb",
        "%%local --out rows\nSELECT n, '<script>alert(1)</script>' AS evil FROM range(3) r(n)",
        "print(rows.n.sum().execute())",
        "%%local\nSELECT missing",
        "print('not reached')",
    )
    notebook = nbformat.v4.new_notebook()
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python", "language": "python"}
    notebook.cells = [nbformat.v4.new_code_cell(cell) for cell in cells]
    nbformat.write(notebook, folder / "in.ipynb")
    with pytest.raises(papermill.PapermillExecutionError) as caught:
        papermill.execute_notebook(folder / "in.ipynb", folder / "out.ipynb", progress_bar=False, cwd=folder)
    assert caught.value.ename == "QueryFailed"
    assert "missing" in caught.value.evalue
    return nbformat.read(folder / "out.ipynb", as_version=4)


def test_a_failing_cell_ends_the_run(executed: nbformat.NotebookNode) -> None:
    failed = next(cell for cell in executed.cells if cell.source.endswith("SELECT missing"))
    (output,) = [output for output in failed.outputs if output.output_type == "error"]
    assert "Traceback" not in "\n".join(output.traceback)
    assert executed.cells[-1].outputs == []


def test_an_executed_notebook_is_a_page_with_tables_that_needs_no_network(
    executed: nbformat.NotebookNode,
) -> None:
    page, _ = HTMLExporter().from_notebook_node(executed)
    assert '<table class="stupiddb-table">' in page
    assert "<script>alert(1)" not in page
    assert WIDGET not in str([cell.get("outputs") for cell in executed.cells])
    assert any(output.get("text") == "3\n" for cell in executed.cells for output in cell.get("outputs", []))
