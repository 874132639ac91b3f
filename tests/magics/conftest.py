"""Shells and kernels that the extension is loaded into."""

from __future__ import annotations

import atexit
import contextlib
import io
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from IPython.core.displaypub import CapturingDisplayPublisher
from IPython.core.interactiveshell import InteractiveShell
from jupyter_client.manager import KernelManager
from traitlets.config import Config

ROOT = Path(__file__).parents[2]
KERNELSPECS = ROOT / "magics" / "share" / "jupyter"


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test in a folder of its own, with no configuration but what it writes there."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in ("STUPIDDB_CONFIG", "STUPIDDB_DEMO", "DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)


@dataclass
class Cell:
    """What running a cell in a shell gave."""

    error: BaseException | None
    text: str
    outputs: list[dict[str, Any]]

    @property
    def html(self) -> str:
        return "\n".join(output["data"].get("text/html", "") for output in self.outputs)

    @property
    def plain(self) -> str:
        return "\n".join(output["data"].get("text/plain", "") for output in self.outputs)


class Shell:
    """An IPython shell with the extension loaded."""

    def __init__(self) -> None:
        self.ip = InteractiveShell(config=Config({"HistoryManager": {"enabled": False}}))
        self.ip.colors = "nocolor"

    def run(self, code: str) -> Cell:
        self.ip.display_pub = CapturingDisplayPublisher()
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            result = self.ip.run_cell(code, store_history=True)
        error = result.error_in_exec or result.error_before_exec
        return Cell(error, printed.getvalue(), self.ip.display_pub.outputs)

    def __getitem__(self, name: str) -> Any:
        return self.ip.user_ns[name]

    def __setitem__(self, name: str, value: object) -> None:
        self.ip.user_ns[name] = value


@pytest.fixture
def bare() -> Iterator[Shell]:
    """A shell without the extension."""
    shell = Shell()
    yield shell
    shell.ip.extension_manager.unload_extension("stupiddb")
    atexit.unregister(shell.ip.atexit_operations)
    shell.ip.atexit_operations()


@pytest.fixture
def shell(bare: Shell) -> Shell:
    """A shell with the extension loaded and nothing configured: the local store is there."""
    bare.ip.extension_manager.load_extension("stupiddb")
    return bare


@dataclass
class Run:
    """What running a cell in a kernel gave."""

    status: str
    reply: dict[str, Any]
    messages: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0.0

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [message["content"] for message in self.messages if message["msg_type"] == kind]

    @property
    def outputs(self) -> list[dict[str, Any]]:
        """The MIME bundles a reader sees in the end: updates in place of what they update."""
        shown: dict[str, dict[str, Any]] = {}
        for index, message in enumerate(self.messages):
            content = message["content"]
            if message["msg_type"] in ("display_data", "execute_result", "update_display_data"):
                shown[content.get("transient", {}).get("display_id") or str(index)] = content["data"]
        return list(shown.values())

    @property
    def stream(self) -> str:
        return "".join(content["text"] for content in self.of("stream"))


class Kernel:
    """A real kernel behind its real protocol."""

    def __init__(self, name: str = "stupiddb", *, live: bool = False) -> None:
        self.manager = KernelManager(kernel_name=name)
        self.manager.start_kernel()
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=60)
        self.live = live

    def start(self, code: str) -> str:
        """Begin a cell; ``live`` clients can be asked for input, as people's can."""
        started: str = self.client.execute(code, allow_stdin=self.live)
        return started

    def run(self, code: str, timeout: float = 60) -> Run:
        begun = time.perf_counter()
        return self.finish(self.start(code), timeout, begun)

    def finish(self, started: str, timeout: float = 60, begun: float = 0.0) -> Run:
        messages = []
        while True:
            message = self.client.get_iopub_msg(timeout=timeout)
            if message["parent_header"].get("msg_id") != started:
                continue
            if message["msg_type"] == "status" and message["content"]["execution_state"] == "idle":
                break
            messages.append(message)
        seconds = time.perf_counter() - begun
        reply = self._reply(started, timeout)
        return Run(reply["status"], reply, messages, seconds)

    def complete(self, code: str) -> list[str]:
        """The completions at the ``|`` in ``code``, as whole texts of the line's last piece."""
        return [completion["text"] for completion in self.completions(code)]

    def completions(self, code: str) -> list[dict[str, Any]]:
        position = code.index("|")
        message = self.client.complete(code.replace("|", "", 1), position)
        reply = self._reply(message, 20)
        found: list[dict[str, Any]] = reply["metadata"]["_jupyter_types_experimental"]
        return found

    def completed(self, code: str, choice: str) -> str:
        """The text of the cell after choosing a completion at the ``|``."""
        found = next(item for item in self.completions(code) if item["text"] == choice)
        text = code.replace("|", "", 1)
        return str(text[: found["start"]] + found["text"] + text[found["end"] :])

    def interrupt(self) -> None:
        self.manager.interrupt_kernel()

    def close(self) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)

    def _reply(self, request: str, timeout: float) -> dict[str, Any]:
        while True:
            reply = self.client.get_shell_msg(timeout=timeout)
            if reply["parent_header"].get("msg_id") == request:
                content: dict[str, Any] = reply["content"]
                return content


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    """The kernel ``stupiddb`` from its kernelspec, shared by the tests of a module."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JUPYTER_PATH", str(KERNELSPECS))
        patch.delenv("STUPIDDB_CONFIG", raising=False)
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        patch.chdir(tmp_path_factory.mktemp("kernel"))
        running = Kernel()
    try:
        yield running
    finally:
        running.close()
