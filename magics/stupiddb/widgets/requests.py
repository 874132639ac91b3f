"""Questions from a widget's front end, answered in threads so that nothing waits for the slowest.

The front end sends ``{view, id, op, args}``, ``{view, cancel: id}`` and ``{view, closed: true}``; it gets
``{view, id, ok}`` or ``{view, id, error: {message, hint}}``. ``view`` tells several views of one widget
apart. A question that was cancelled gets no answer.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from stupiddb_kernel.errors import StupiddbError

if TYPE_CHECKING:
    from ipywidgets import Widget

_AT_ONCE = 8


class Cancelled(Exception):
    """The front end does not wait for this answer any more."""


class Ticket:
    """One question under way: its handler says here how it can be stopped."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stops: list[Callable[[], None]] = []
        self._cancelled = False

    @property
    def cancelled(self) -> bool:
        """Whether nobody waits for the answer."""
        return self._cancelled

    def on_cancel(self, stop: Callable[[], None]) -> None:
        """Have ``stop`` called, from another thread, when the question is cancelled; at once if it was."""
        with self._lock:
            if not self._cancelled:
                self._stops.append(stop)
                return
        stop()

    def check(self) -> None:
        """Raise Cancelled if the question was cancelled."""
        if self._cancelled:
            raise Cancelled

    def cancel(self) -> None:
        """Stop the work; called once or more, from any thread."""
        with self._lock:
            stops, self._stops = self._stops, []
            self._cancelled = True
        for stop in stops:
            stop()


Handler = Callable[[dict[str, Any], Ticket], object]


class Requests:
    """Answers a widget's questions with ``handlers``, by name, at most eight at once."""

    def __init__(self, widget: Widget, handlers: Mapping[str, Handler]) -> None:
        self._widget = widget
        self._handlers = handlers
        self._tickets: dict[tuple[str, int], Ticket] = {}
        self._lock = threading.Lock()
        self._sending = threading.Lock()
        self._slots = threading.BoundedSemaphore(_AT_ONCE)
        widget.on_msg(self._receive)
        _leave_the_main_shell(widget)

    def close(self) -> None:
        """Cancel everything that is under way."""
        self._widget.on_msg(self._receive, remove=True)
        self._cancel_where(lambda _: True)

    def _receive(self, _widget: Widget, content: object, _buffers: object) -> None:
        if not isinstance(content, dict):
            return
        view, identity = str(content.get("view")), content.get("id")
        if content.get("closed"):
            self._cancel_where(lambda key: key[0] == view)
        elif "cancel" in content:
            self._cancel_where(lambda key: key == (view, content["cancel"]))
        elif isinstance(identity, int):
            ticket = Ticket()
            with self._lock:
                self._tickets[view, identity] = ticket
            args = content.get("args")
            threading.Thread(
                target=self._answer,
                args=(
                    view,
                    identity,
                    str(content.get("op")),
                    args if isinstance(args, dict) else {},
                    ticket,
                ),
                name=f"{type(self._widget).__name__} {content.get('op')}",
                daemon=True,
            ).start()

    def _answer(self, view: str, identity: int, op: str, args: dict[str, Any], ticket: Ticket) -> None:
        answer: dict[str, object] = {"view": view, "id": identity}
        try:
            with self._slots:
                ticket.check()
                handler = self._handlers.get(op)
                if handler is None:
                    raise StupiddbError(f"the widget does not know {op!r}", hint="reload the page")
                answer["ok"] = handler(args, ticket)
        except BaseException as error:  # noqa: BLE001 - drivers panic with a BaseException; shown in the widget
            answer["error"] = describe(error)
        finally:
            with self._lock:
                self._tickets.pop((view, identity), None)
        if not ticket.cancelled:
            self.push(answer)

    def push(self, message: dict[str, object]) -> None:
        """Send a message to every view of the widget; from any thread."""
        with self._sending:
            self._widget.send(message)

    def _cancel_where(self, chosen: Callable[[tuple[str, int]], bool]) -> None:
        with self._lock:
            tickets = [ticket for key, ticket in self._tickets.items() if chosen(key)]
        for ticket in tickets:
            ticket.cancel()


def describe(error: BaseException) -> dict[str, str | None]:
    """What went wrong as the front end shows it."""
    if isinstance(error, StupiddbError):
        return {"message": error.message, "hint": error.hint}
    if isinstance(error, ValidationError):
        return {"message": f"the widget sent what it should not: {error}", "hint": "reload the page"}
    return {"message": f"{type(error).__name__}: {error}", "hint": None}


def _leave_the_main_shell(widget: Widget) -> None:
    """Let questions be heard while a cell runs.

    JupyterLab sends a widget's messages over a subshell, so that they don't wait for a running cell.
    ipykernel 7.4 sends them back to the shell that made the widget, for widgets whose cell waits for an
    answer; ours never do, and their handlers are threads, so the front end's choice stands.
    """
    comm: Any = getattr(widget, "comm", None)
    if hasattr(comm, "_reply_subshell_for"):
        comm._reply_subshell_for = lambda _data, chosen: chosen
