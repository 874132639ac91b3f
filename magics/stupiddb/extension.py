"""The extension in one shell: what was added to it, the session behind it, how errors look.

This module alone changes the shell, and takes every change back on unload. It is what ``%load_ext
stupiddb`` pays for, so it imports no driver, no Arrow and no settings model: sources are known by
name only until a magic is used.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from IPython.core.magic import needs_local_scope, no_var_expand

from stupiddb.caller import wants_value
from stupiddb_kernel.config import environment, file
from stupiddb_kernel.config.names import source_names, source_tables
from stupiddb_kernel.errors import StupiddbError

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from stupiddb.completion.names import Names
    from stupiddb_kernel.session import Session

_ATTRIBUTE = "stupiddb_extension"
LOCAL = ("local", "duckdb")
Run = Callable[..., Any]


def load(shell: InteractiveShell) -> Extension:
    """Add everything to ``shell``; loading again starts afresh. A wrong configuration is shown only."""
    unload(shell)
    extension = Extension(shell)
    setattr(shell, _ATTRIBUTE, extension)
    extension.install()
    return extension


def unload(shell: InteractiveShell) -> None:
    """Take everything back and close the session; nothing happens if it was not loaded."""
    extension = of(shell)
    if extension is not None:
        extension.uninstall()
        delattr(shell, _ATTRIBUTE)


def of(shell: InteractiveShell) -> Extension | None:
    """The extension loaded in ``shell``, if any."""
    found: Extension | None = getattr(shell, _ATTRIBUTE, None)
    return found


class Extension:
    """What ``%load_ext stupiddb`` keeps for one shell. The session is made on first use."""

    def __init__(self, shell: InteractiveShell) -> None:
        self.shell = shell
        self.path: Path | None = None
        """The configuration to use; None: the one found from the working directory upwards."""
        self.tracebacks = False
        self.demo: Any = None
        self.results: dict[str, tuple[str, ...]] = {}
        """The columns of the results that were given a name, by that name in small letters."""
        self._session: Session | None = None
        self._kinds: dict[str, str] = {}
        self._magics: dict[tuple[str, str], tuple[Run, Run | None]] = {}
        self._lock = threading.RLock()
        self._matcher: Any = None
        self._one_traceback = False
        self._handled: Any = None
        self._widgets: dict[str, list[Any]] = {}

    # -- the session

    @property
    def session(self) -> Session:
        """The session of this shell. Raises ConfigurationError for a wrong ``stupiddb.toml``."""
        with self._lock:
            if self._session is None:
                from stupiddb_kernel.session import Session

                self._session = Session(self.path)
                self.register_sources(
                    [
                        (source.name, source.kind)
                        for source in self._session.settings.sources
                        if source.enabled
                    ]
                )
            return self._session

    @cached_property
    def names(self) -> Names:
        """The names in the catalog, for completion."""
        from stupiddb.completion.names import Names

        return Names(self)

    @property
    def opened(self) -> Session | None:
        """The session if there is one; never makes one."""
        return self._session

    def connect(self, path: Path | None) -> Session:
        """Close the session and open one on another configuration; the old one stays if that is wrong."""
        from stupiddb_kernel.session import Session

        fresh = Session(path)
        self.close()
        with self._lock:
            self.path, self._session = path, fresh
            self.register_sources(
                [(source.name, source.kind) for source in fresh.settings.sources if source.enabled]
            )
        return fresh

    def close(self) -> None:
        """Close the session; the next magic opens another."""
        with self._lock:
            session, self._session = self._session, None
            self.results.clear()
        if session is not None:
            session.close()

    def kind(self, name: str) -> str | None:
        """The kind of a source, or None where no such source is configured."""
        return self._kinds.get(name)

    @property
    def kinds(self) -> Mapping[str, str]:
        """Name and kind of every source there is a magic for and a configuration."""
        return self._kinds

    def has_magic(self, kind: str, name: str) -> bool:
        """Whether ``name`` is a magic of ours, of ``kind`` line or cell."""
        return (kind, name) in self._magics

    # -- what it adds to the shell

    def install(self) -> None:
        """Add magics, completion, display and error handling."""
        self._add_own_magics()
        try:
            found = source_names(self.path)
            self.register_sources(found)
            if names_left_out(found, self.path):
                self._show_what_is_wrong()
        except StupiddbError as error:
            self.register_sources([])
            self.show_failure(error)
        self._add_completion()
        self._add_display()
        self._add_error_handling()
        self.shell.events.register("pre_run_cell", self._forget)
        atexit.register(self.end)

    def uninstall(self) -> None:
        """Take back what :meth:`install` added, and end the session and the demo."""
        self._remove_magics(list(self._magics))
        matchers = self.shell.Completer.custom_matchers
        if self._matcher in matchers:
            matchers.remove(self._matcher)
        self.shell.display_formatter.mimebundle_formatter.pop("stupiddb_kernel.session.Answer", None)
        if self.shell.custom_exceptions == (StupiddbError,):
            self.shell.custom_exceptions, self.shell.CustomTB = self._handled
        self.shell.events.unregister("pre_run_cell", self._forget)
        atexit.unregister(self.end)
        self.end()

    def end(self) -> None:
        """Close the session and stop the demo, if there are."""
        self.close()
        demo, self.demo = self.demo, None
        if demo is not None:
            demo.stop()
            self.path = None

    def end_and_look_again(self) -> None:
        """Close the session and the demo; have magics for what is configured without the demo."""
        self.end()
        try:
            self.register_sources(source_names(self.path))
        except StupiddbError:
            self.register_sources([])  # the next magic says what is wrong

    def register_sources(self, found: list[tuple[str, str]]) -> None:
        """Have one magic for each source, for the local store, and for the names people expect."""
        from stupiddb.magics.source import SEED_NAMES

        self._kinds = dict([LOCAL, *found])
        wanted = dict.fromkeys([*self._kinds, *SEED_NAMES])
        stale = {name for kind, name in self._magics if kind == "cell"} - wanted.keys()
        self._remove_magics([(kind, name) for name in stale for kind in ("line", "cell")])
        for name in wanted:
            self._add_magic(name, self._source_magic(name), ("line", "cell"))

    def remember(self, value: object) -> None:
        """Make ``value`` the cell's: ``_`` and ``Out``, without showing it again."""
        self.shell.displayhook.update_user_ns(value)

    # -- what magics show

    def keep(self, widget: Any, cell: str | None) -> None:
        """Remember that ``cell`` shows ``widget``: it is closed when that cell runs again."""
        if cell is not None:
            self._widgets.setdefault(cell, []).append(widget)

    def _forget(self, info: Any) -> None:
        """Close what the cell that is about to run showed before."""
        for widget in self._widgets.pop(getattr(info, "cell_id", None) or "", ()):
            widget.close()

    def show_text(self, text: str) -> None:
        """Show help or a status as preformatted text."""
        from stupiddb.display.front import show
        from stupiddb.display.tables import escaped

        lines = "\n".join(escaped(line) for line in text.split("\n"))
        show(self.shell, {"text/plain": text, "text/html": f"<pre>{lines}</pre>"})

    def show_failure(self, error: StupiddbError) -> None:
        """Show an error as a panel, where the cell goes on."""
        from stupiddb.display import failure
        from stupiddb.display.front import has_colour, show

        text = failure.to_text(error, colour=has_colour(self.shell) and self._is_terminal())
        show(self.shell, {"text/plain": text, "text/html": failure.to_html(error)})

    @contextmanager
    def traceback_wanted(self, wanted: bool) -> Iterator[None]:
        """Within it, a StupiddbError that ends the cell is shown with its full traceback if ``wanted``."""
        self._one_traceback = False
        try:
            yield
        except StupiddbError:
            self._one_traceback = wanted
            raise

    # -- parts of install

    def _add_own_magics(self) -> None:
        from stupiddb.magics import OWN

        for name, run, documentation in OWN:
            self._add_magic(name, self._own_magic(name, run, documentation), ("line",))

    def _own_magic(self, name: str, run: Run, documentation: str) -> Run:
        @no_var_expand
        def magic(line: str) -> Any:
            return run(self, line)

        magic.__name__, magic.__doc__ = name, documentation
        run_it: Run = magic
        return run_it

    def _source_magic(self, name: str) -> Run:
        from stupiddb.magics.source import documentation, run

        @needs_local_scope
        @no_var_expand
        def magic(line: str, cell: str | None = None, local_ns: Mapping[str, Any] | None = None) -> Any:
            return run(self, name, line, cell, local_ns or {}, used=wants_value(sys._getframe(1)))

        magic.__name__, magic.__doc__ = name, documentation(name, self._kinds.get(name))
        run_it: Run = magic
        return run_it

    def _add_magic(self, name: str, magic: Run, kinds: tuple[str, ...]) -> None:
        table = self.shell.magics_manager.magics
        for kind in kinds:
            before = self._magics.get((kind, name), (None, table[kind].get(name)))[1]
            self._magics[kind, name] = (magic, before)
            table[kind][name] = magic

    def _remove_magics(self, keys: list[tuple[str, str]]) -> None:
        table = self.shell.magics_manager.magics
        for key in keys:
            ours, before = self._magics.pop(key, (None, None))
            kind, name = key
            if ours is not None and table[kind].get(name) is ours:
                if before is None:
                    del table[kind][name]
                else:
                    table[kind][name] = before

    def _add_completion(self) -> None:
        from IPython.core.completer import context_matcher

        @context_matcher(identifier="stupiddb", priority=200)
        def complete(context: Any) -> Any:
            from stupiddb.completion import matches

            return matches(self, context)

        self._matcher = complete
        self.shell.Completer.custom_matchers.append(complete)

    def _add_display(self) -> None:
        def bundle(answer: Any, **_: Any) -> Any:
            from stupiddb.display import answers

            return answers.bundle(answer, self.shell)

        formatter = self.shell.display_formatter.mimebundle_formatter
        formatter.for_type_by_name("stupiddb_kernel.session", "Answer", bundle)

    def _add_error_handling(self) -> None:
        self._handled = (self.shell.custom_exceptions, self.shell.CustomTB)

        def handle(
            _: InteractiveShell,
            kind: type[BaseException],
            error: BaseException,
            trace: TracebackType | None,
            tb_offset: int | None = None,
        ) -> list[str]:
            return self._show_error(kind, error, trace, tb_offset)

        self.shell.set_custom_exc((StupiddbError,), handle)

    def _show_error(
        self,
        kind: type[BaseException],
        error: BaseException,
        trace: TracebackType | None,
        offset: int | None,
    ) -> list[str]:
        """Show a StupiddbError that ended a cell; without ``_showtraceback`` it would fail in silence."""
        from stupiddb.display import failure
        from stupiddb.display.front import has_colour

        lines: list[str] = []
        if self.tracebacks or self._one_traceback:
            lines = failure.traceback_lines(kind, error, trace, offset)
        assert isinstance(error, StupiddbError)  # noqa: S101 - what the handler is registered for
        lines.append(failure.to_text(error, colour=has_colour(self.shell)))
        self._one_traceback = False
        self.shell._showtraceback(kind, error, lines)
        return lines

    def _show_what_is_wrong(self) -> None:
        """Show every problem of the configuration; only where there is one, as reading it all costs time."""
        from stupiddb_kernel.config.loading import load

        try:
            load(self.path)
        except StupiddbError as error:
            self.show_failure(error)

    def _is_terminal(self) -> bool:
        from stupiddb.display.front import is_notebook

        return not is_notebook(self.shell)


def names_left_out(found: list[tuple[str, str]], path: Path | None) -> list[str]:
    """The tables that mean to describe a source but don't give one, so that no magic comes of them."""
    configuration = file.find(path, os.environ, None)
    tables = file.read(configuration).tables if configuration else {}
    names = {name.casefold() for name, _ in found}
    return [
        source.name
        for source in source_tables(tables)
        if source.name.casefold() not in names and _is_enabled(source.table)
    ]


def _is_enabled(table: Any) -> bool:
    return not isinstance(table, Mapping) or environment.is_true(table.get("enabled", True))
