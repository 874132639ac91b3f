"""One JupyterLab, one browser, one notebook and its kernel for all UI tests."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

from tests.ui import browser as chromium

ROOT = Path(__file__).parents[2]
_START_SECONDS = 60.0
SETUP = """\
import ibis
from stupiddb.widgets import CatalogTree, ResultTable
from tests.ui import sample
session = sample.session()
session.catalog.sources()
con = ibis.duckdb.connect()
con.raw_sql(sample.LARGE)
con.raw_sql(sample.EXACT)"""


class Lab:
    """A JupyterLab server of its own on loopback: its folders, configuration and token are private."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "notebooks"
        self.folder.mkdir()
        self.token = secrets.token_hex(16)
        self.log = folder / "lab.log"
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        private = {
            name: str(folder / name.lower())
            for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")
        }
        private |= {
            "JUPYTERLAB_SETTINGS_DIR": str(folder / "settings"),
            "JUPYTERLAB_WORKSPACES_DIR": str(folder / "workspaces"),
            "PYTHONPATH": str(ROOT),
        }
        notification = folder / "settings" / "@jupyterlab" / "apputils-extension"
        notification.mkdir(parents=True)
        (notification / "notification.jupyterlab-settings").write_text(
            '{"fetchNews": "false", "checkForUpdates": false}'
        )
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "jupyterlab",
                    "--no-browser",
                    "--allow-root",
                    "--expose-app-in-browser",
                    "--ServerApp.ip=127.0.0.1",
                    f"--ServerApp.port={self.port}",
                    "--ServerApp.port_retries=0",
                    f"--ServerApp.root_dir={self.folder}",
                    f"--IdentityProvider.token={self.token}",
                ],
                env={**os.environ, **private},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self._wait()

    def _wait(self) -> None:
        until = time.monotonic() + _START_SECONDS
        while time.monotonic() < until and self._process.poll() is None:
            try:
                urllib.request.urlopen(
                    f"http://127.0.0.1:{self.port}/api?token={self.token}", timeout=2
                ).close()
                return
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                time.sleep(0.1)
        self.stop()
        raise RuntimeError(f"JupyterLab did not start:\n{self.log.read_text(errors='replace')[-3000:]}")

    def notebook(self, name: str, cells: list[str]) -> str:
        """Write a notebook; its address."""
        written = nbformat.v4.new_notebook(
            cells=[nbformat.v4.new_code_cell(cell) for cell in cells],
            metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
        )
        nbformat.write(written, self.folder / name)
        return f"http://127.0.0.1:{self.port}/doc/tree/{name}?token={self.token}&reset"

    def stop(self) -> None:
        """End the server, which ends its kernels."""
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class Notebook:
    """A notebook open in the browser, its kernel running."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.errors: list[str] = []
        page.on("pageerror", lambda error: self.errors.append(str(error)))

    def run_all(self) -> None:
        """Run every cell as soon as there is a kernel; does not wait for the end."""
        self.page.wait_for_function("window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel")
        self.page.evaluate("window.jupyterapp.commands.execute('notebook:run-all-cells')")

    def start(self, code: str) -> None:
        """Put code into the last cell and start it; does not wait."""
        self.page.evaluate(
            """(code) => {
                const { commands, shell } = window.jupyterapp;
                const { content } = shell.currentWidget;
                content.activeCellIndex = content.widgets.length - 1;
                content.activeCell.model.sharedModel.setSource(code);
                commands.execute('notebook:run-cell');
            }""",
            code,
        )

    def run(self, code: str) -> None:
        """Execute code in the kernel, outside of any cell, to its end. Raises what it raised."""
        error = self.page.evaluate(
            """async (code) => {
                const { kernel } = window.jupyterapp.shell.currentWidget.sessionContext.session;
                const { content } = await kernel.requestExecute({ code }).done;
                return content.status === 'ok' ? null : `${content.ename}: ${content.evalue}`;
            }""",
            code,
        )
        assert error is None, error

    def show(self, code: str) -> Locator:
        """Show a widget in the last cell, in place of what was there; its root element."""
        self.page.evaluate("document.querySelectorAll('.sdb').forEach(old => (old.dataset.old = 'true'))")
        self.start(code)
        shown = self.page.locator(".sdb:not([data-old])")
        expect(shown.first).to_be_visible(timeout=30_000)
        return shown

    def picture(self, root: Locator, path: Path) -> None:
        """Leave a screenshot of a widget for people to look at."""
        root.scroll_into_view_if_needed()
        root.screenshot(path=path, animations="disabled")

    @property
    def cell_count(self) -> int:
        """How many cells the notebook has: shortcuts that got through add or remove some."""
        return int(self.page.evaluate("window.jupyterapp.shell.currentWidget.content.widgets.length"))

    def theme(self, name: str) -> None:
        """Switch JupyterLab's theme."""
        self.page.evaluate(
            "name => window.jupyterapp.commands.execute('apputils:change-theme', {theme: name})", name
        )
        light = "false" if "Dark" in name else "true"
        self.page.wait_for_function(f"document.body.dataset.jpThemeLight === '{light}'")


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    running = Lab(tmp_path_factory.mktemp("lab"))
    yield running
    running.stop()


@pytest.fixture(scope="session")
def chrome() -> Iterator[Browser]:
    found = chromium.find()
    expect.set_options(timeout=15_000)
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(
            executable_path=str(found.path),
            args=list(chromium.FLAGS),
            env={**os.environ, **found.environment},
        )
        yield running
        running.close()


@pytest.fixture(scope="session")
def screenshots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where pictures of the widgets are left for people to look at."""
    return tmp_path_factory.mktemp("screenshots")


@pytest.fixture(scope="session")
def notebook(lab: Lab, chrome: Browser) -> Iterator[Notebook]:
    """The notebook all tests share: its first cell makes what they show, its last shows it."""
    context = chrome.new_context(viewport={"width": 1280, "height": 900})
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = context.new_page()
    page.set_default_timeout(20_000)
    notebook = Notebook(page)
    page.goto(lab.notebook("widgets.ipynb", [SETUP, ""]))
    notebook.run_all()
    yield notebook
    context.close()
