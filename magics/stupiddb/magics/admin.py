"""``%stupiddb``: the session behind the magics: status, connect, demo, help, close, traceback."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stupiddb.flags import Flag, parse, usage
from stupiddb_kernel.errors import UnknownName, UsageError

if TYPE_CHECKING:
    from stupiddb.extension import Extension

FLAGS = (Flag("--help", "show this text", aliases=("-h",)),)


@dataclass(frozen=True)
class Command:
    """A subcommand: its name, what may follow it, what it does, and the function."""

    name: str
    argument: str
    help: str
    run: Callable[[Extension, str], None]
    choices: tuple[str, ...] = ()


def run(extension: Extension, line: str) -> None:
    """Do the subcommand on ``line``; none means ``status``. Raises UsageError."""
    parsed = parse(line, FLAGS, "stupiddb", anywhere=True)
    word, _, argument = parsed.rest.partition(" ")
    if parsed.flags.get("help"):
        word, argument = "help", "stupiddb"
    name = word or "status"
    command = COMMANDS.get(name)
    if command is None:
        near = UnknownName("subcommand", name, COMMANDS)
        raise UsageError(f"%stupiddb has no subcommand {name!r}", hint=near.hint)
    argument = argument.strip()
    if argument and not command.argument:
        raise UsageError(
            f"%stupiddb {name} takes nothing more; found {argument!r}", hint=f"write %stupiddb {name}"
        )
    command.run(extension, argument)


def status(extension: Extension, _: str) -> None:
    """Show the configuration, the sources, whether session and demo are up; connects to nothing."""
    session = extension.opened
    if session is not None:
        where = str(session.settings.path or "no stupiddb.toml found: only the local store")
    elif extension.path is not None:
        where = str(extension.path)
    else:
        where = "the stupiddb.toml found from this folder upwards, read on first use"
    rows = [
        ("configuration", where),
        ("session", "open" if session is not None else "not opened yet: the first query opens it"),
        ("demo", _demo_state(extension)),
        ("tracebacks", "on" if extension.tracebacks else "off"),
    ]
    width = max(len(left) for left, _ in rows)
    lines = [f"{left.ljust(width)}  {right}" for left, right in rows]
    lines += ["", "sources"]
    width = max(len(name) for name in extension.kinds) + 2
    lines += [f"  %%{name.ljust(width)}{kind}" for name, kind in extension.kinds.items()]
    extension.show_text("\n".join(lines))


def _demo_state(extension: Extension) -> str:
    from stupiddb_kernel import demo as demos

    if extension.demo is not None:
        return "running, started by this kernel: stand-ins on this machine, not AWS"
    if demos.running() is not None:
        return "running, started by `stupiddb demo`: stand-ins on this machine, not AWS"
    return "not running"


def connect(extension: Extension, argument: str) -> None:
    """Read a configuration, the named one or that found upwards, and open a new session on it."""
    path = Path(_unquoted(argument)).expanduser().absolute() if argument else None
    if path is not None and path.is_dir():
        path = path / "stupiddb.toml"
    extension.connect(path)
    status(extension, "")


def demo(extension: Extension, _: str) -> None:
    """Start the embedded stack with its data in this kernel, or use the one this kernel runs under."""
    from stupiddb.display.progress import Progress
    from stupiddb_kernel import demo as demos

    running = demos.running()
    if running is None:
        with Progress(extension.shell, "demo") as progress:
            started = demos.Demo.start(progress=progress.say)
        extension.demo, running = started, started.configuration
        progress.finish({"text/plain": "the demo runs on this machine only; nothing talks to AWS"})
    extension.connect(running)
    status(extension, "")


def show_help(extension: Extension, argument: str) -> None:
    """Show the magics, or everything about one of them."""
    name = argument.lstrip("%")
    documentation = _documentation(extension)
    if not name:
        extension.show_text(_overview(extension))
    elif name in documentation:
        extension.show_text(documentation[name])
    else:
        raise UnknownName("magic", name, documentation)


def close(extension: Extension, _: str) -> None:
    """Close the session: connections are given back and held results end. Stops the demo of this kernel."""
    extension.end_and_look_again()
    extension.show_text("closed; the next magic opens a new session")


def traceback(extension: Extension, argument: str) -> None:
    """Show the full traceback of every error from now on, or only what matters."""
    if argument not in ("on", "off"):
        raise UsageError(f"%stupiddb traceback: found {argument!r}", hint="allowed: on, off")
    extension.tracebacks = argument == "on"


COMMANDS = {
    command.name: command
    for command in (
        Command("status", "", "the configuration, the sources, the session; connects to nothing", status),
        Command(
            "connect", "[PATH]", "open a new session on a stupiddb.toml, or on the one found upwards", connect
        ),
        Command("demo", "", "start the embedded stack with real data in this kernel and connect to it", demo),
        Command("help", "[MAGIC]", "all magics, or everything about one", show_help),
        Command("close", "", "close the session and stop the demo of this kernel", close),
        Command("traceback", "on|off", "full tracebacks on errors", traceback, ("on", "off")),
    )
}


def documentation() -> str:
    """The help of ``%stupiddb``."""
    rows = [(f"%stupiddb {c.name} {c.argument}".rstrip(), c.help) for c in COMMANDS.values()]
    width = max(len(left) for left, _ in rows)
    lines = [f"  {left.ljust(width)}  {text}" for left, text in rows]
    return "\n".join(
        [
            "The session behind the magics.",
            "",
            *lines,
            "",
            "Without a subcommand: status.",
            "",
            "Flags:",
            usage(FLAGS),
        ]
    )


def _overview(extension: Extension) -> str:
    from stupiddb.magics import OWN, source

    sources = [(f"%%{name}", f"run SQL on {name} ({kind})") for name, kind in extension.kinds.items()]
    sources += [
        (f"%%{name}", "not configured: tells how")
        for name in source.SEED_NAMES
        if name not in extension.kinds
    ]
    own = [(f"%{name}", text.split("\n", 1)[0]) for name, _, text in OWN]
    width = max(len(left) for left, _ in [*sources, *own])
    lines = [f"  {left.ljust(width)}  {text}" for left, text in [*sources, *own]]
    return "\n".join(
        [*lines, "", "%stupiddb help MAGIC, %MAGIC --help or %%MAGIC? tells everything about one of them."]
    )


def _documentation(extension: Extension) -> dict[str, str]:
    from stupiddb.magics import OWN, source

    sources = {
        name: source.documentation(name, extension.kind(name))
        for name in [*extension.kinds, *source.SEED_NAMES]
    }
    return {**sources, **{name: text for name, _, text in OWN}}


def _unquoted(text: str) -> Any:
    return text[1:-1] if len(text) >= 2 and text[0] == text[-1] and text[0] in "'\"" else text
