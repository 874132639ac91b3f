"""``%%athena``, ``%%aurora``, ``%%local`` …: one magic a source, all the same.

The cell's SQL runs on that source; the value is an Ibis expression over the rows, held locally.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from stupiddb import cells, variables
from stupiddb.flags import (
    Flag,
    choice,
    read_count,
    read_duration,
    read_name,
    read_size,
    read_text,
    usage,
)
from stupiddb_kernel.errors import ConfigurationError, QueryCancelled, UsageError

if TYPE_CHECKING:
    from stupiddb.extension import Extension
    from stupiddb_kernel.session import Answer
    from stupiddb_kernel.sources.base import ReadOptions

FORMS = ("ibis", "arrow", "pandas", "polars")
FLAGS = (
    Flag("--out", "name the result, as `name << SELECT …` does", read_name, "NAME", "a Python name"),
    Flag("--limit", "deliver at most N rows", read_count, "N", "a whole number, 0 or more"),
    Flag(
        "--as",
        "what the value is: an Ibis expression unless said otherwise",
        choice(*FORMS),
        "|".join(FORMS),
        choices=FORMS,
    ),
    Flag("--dry-run", "run nothing: show the store's plan or estimate", aliases=("--explain",)),
    Flag(
        "--max-scan",
        "refuse or stop a statement that scans more",
        read_size,
        "SIZE",
        "a number with B, KB, MB, GB, TB, KiB, MiB, GiB or TiB, such as 5GB",
    ),
    Flag(
        "--timeout",
        "stop the statement after this long",
        read_duration,
        "TIME",
        "seconds, or a number with ms, s, m or h, such as 90s",
    ),
    Flag("--database", "the database that bare table names are in", read_text, "NAME"),
    Flag("--no-cache", "run it even if a cached result could answer"),
    Flag(
        "--param",
        "bind :name to a Python literal or else to the text; may be repeated",
        read_text,
        "NAME=VALUE",
        many=True,
    ),
    Flag(
        "--params",
        "bind :names to the values of a dict, as a Python expression",
        read_text,
        "DICT",
        "a Python expression without spaces, or in brackets or quotes",
        many=True,
    ),
    Flag("--no-display", "show the footer, not the rows", aliases=("--quiet", "-q")),
    Flag("--traceback", "on an error, show the full traceback"),
    Flag("--help", "show this text", aliases=("-h",)),
)
ONLY_BILLED = ("--max-scan", "--no-cache")
"""Flags that mean something only where scans are billed and results are reused: Athena."""

_TEXT = """\
Run SQL on the source {name!r} ({kind}); the value is an Ibis expression over the rows.

  %%{name} [flags]                      a cell: the SQL is its body
  SELECT …

  %%{name} [flags]                      the result is also bound to `name`
  name << SELECT …

  name = %{name} [flags] SELECT …       a line: the value is handed over, only the footer is shown

Flags:
{flags}

In the SQL:
  :name       a bound value: the variable `name` of the notebook, or --param/--params. Types are kept.
              A list, set, array, Series or Ibis column is an array, as in = ANY(:codes) or IN (:codes).
              Strings, comments, ::cast and [:2] are left alone.
  {{name!i}}    an identifier from the variable `name`, quoted; a tuple gives a dotted one.
              Nothing else in the text is replaced.

The value of a cell is also `_`. Interrupting the kernel stops the statement in the store."""

_EXAMPLES = {
    "athena": '[aws.athena]\ndatabase = "analytics"\nworkgroup = "primary"\noutput_location = "s3://…/"',
    "aurora": '[aws.aurora]\nengine = "postgresql"  # or "mysql"\nhost = "…"\ndatabase = "…"\n'
    'username_env = "AURORA_USERNAME"\npassword_env = "AURORA_PASSWORD"',
    "rds": '[aws.rds]\nengine = "mysql"  # or "postgresql"\nhost = "…"\ndatabase = "…"\n'
    'username_env = "RDS_USERNAME"\npassword_env = "RDS_PASSWORD"',
    "redshift": '[aws.redshift]\nhost = "…"\ndatabase = "…"\nusername_env = "…"\npassword_env = "…"',
    "s3": '[aws.s3]\nregion = "…"\n\n[[aws.s3.sources]]\nbucket = "…"\nprefix = "events/"',
}
SEED_NAMES = tuple(_EXAMPLES)
"""Sources people expect: their magics exist even where they are not configured, and say what to do."""


def flags_of(kind: str | None) -> tuple[Flag, ...]:
    """The flags that mean something for a kind of source."""
    return tuple(flag for flag in FLAGS if kind in (None, "athena") or flag.name not in ONLY_BILLED)


def documentation(name: str, kind: str | None) -> str:
    """The help of one source's magic."""
    flags = usage(flags_of(kind))
    text = _TEXT.format(name=name, kind=kind or "not configured", flags=flags)
    return (
        text
        if kind
        else f"{text}\n\nThis source is not configured. Put into stupiddb.toml:\n\n{example(name)}"
    )


def example(name: str) -> str:
    """What to write into ``stupiddb.toml`` for a source that people expect, indented."""
    return "\n".join("    " + line if line else "" for line in _EXAMPLES[name].split("\n"))


def run(
    extension: Extension, name: str, line: str, cell: str | None, local: Mapping[str, Any], *, used: bool
) -> Any:
    """Do what the magic of source ``name`` was asked; the value where it is ``used``, else None.

    Raises UsageError for what was typed wrong and every error of the session.
    """
    statement = cells.read(line, cell, FLAGS, name)
    flags = statement.flags
    if flags.get("help"):
        extension.show_text(documentation(name, extension.kind(name)))
        return None
    with extension.traceback_wanted(bool(flags.get("traceback"))):
        if not statement.sql:
            raise UsageError(f"%{name} without SQL", hint=f"%{name} --help shows how it is used")
        _check_flags(extension, name, flags)
        source = _source(extension, name)
        names = _namespace(extension, local)
        sql = cells.expand(statement.sql, names, source.dialect)
        given = variables.given_parameters(flags.get("params", []), flags.get("param", []), names)
        bound = variables.parameters(sql, source.dialect, given, names)
        if flags.get("dry_run"):
            return _dry_run(extension, name, sql, bound, flags)
        return _answer(extension, name, statement, sql, bound, used=used)


def _namespace(extension: Extension, local: Mapping[str, Any]) -> Mapping[str, Any]:
    """The user's variables as they are seen where the magic stands, without what IPython put there."""
    hidden = extension.shell.user_ns_hidden
    own = {name: value for name, value in extension.shell.user_ns.items() if name not in hidden}
    return own if local is extension.shell.user_ns else ChainMap(dict(local), own)


def _answer(
    extension: Extension,
    name: str,
    statement: cells.Statement,
    sql: str,
    bound: Mapping[str, object],
    *,
    used: bool,
) -> Any:
    from stupiddb.display import answers
    from stupiddb.display.progress import Progress

    flags = statement.flags
    quiet = bool(flags.get("no_display"))
    with Progress(extension.shell, name) as progress, _cancelled_is_said(name, sql):
        options = _options(flags, progress)
        result = extension.session.read(name, sql, bound, options)
        progress.watch(result.stats)
        answer = extension.session.hold(result, out=statement.out, limit=options.limit)
        value = _in_form(answer, flags.get("as", "ibis"))
    if statement.out:
        extension.shell.push({statement.out: value})
        extension.results[statement.out.casefold()] = tuple(answer.expression.columns)
    if used or quiet:
        progress.finish(answers.footer_bundle(answer))
    else:
        progress.finish(answers.bundle(answer, extension.shell))
    if used:
        return value
    extension.remember(value)
    return None


def _dry_run(
    extension: Extension, name: str, sql: str, bound: Mapping[str, object], flags: Mapping[str, Any]
) -> None:
    from stupiddb.display import plans
    from stupiddb.display.progress import Progress

    with Progress(extension.shell, name) as progress, _cancelled_is_said(name, sql):
        options = _options(flags, progress)
        with extension.session.read(name, sql, bound, options) as result:
            table = result.to_arrow()
    progress.finish(plans.bundle(name, sql, bound, table))


def _options(flags: Mapping[str, Any], progress: Any) -> ReadOptions:
    from stupiddb_kernel.sources.base import ReadOptions

    return ReadOptions(
        limit=flags.get("limit"),
        database=flags.get("database"),
        timeout_seconds=flags.get("timeout"),
        max_scan_bytes=flags.get("max_scan"),
        use_cache=not flags.get("no_cache", False),
        dry_run=flags.get("dry_run", False),
        watch=progress.watch,
    )


def _check_flags(extension: Extension, name: str, flags: Mapping[str, Any]) -> None:
    kind = extension.kind(name)
    given = [flag.name for flag in FLAGS if flag.key in flags]
    for flag in given:
        if flag in ONLY_BILLED and kind not in (None, "athena"):
            raise UsageError(
                f"{flag} means nothing on %{name} ({kind}): only Athena bills scans and reuses results",
                hint=f"leave {flag} out",
            )


def _source(extension: Extension, name: str) -> Any:
    sources = extension.session.sources
    if name not in sources and name in SEED_NAMES:
        where = extension.session.settings.path or "a stupiddb.toml in this folder or above"
        raise ConfigurationError(
            f"no source {name!r} is configured in {where}",
            hint=f"`%stupiddb demo` starts one with sample data, or write:\n\n{example(name)}\n\n"
            "and then `%stupiddb connect`",
        )
    return sources[name]


def _in_form(answer: Answer, form: str) -> Any:
    if form == "arrow":
        return answer.to_arrow()
    if form == "pandas":
        return answer.to_pandas()
    if form == "polars":
        try:
            return answer.expression.to_polars()
        except ImportError as error:
            raise UsageError("--as polars needs the package polars", hint="%pip install polars") from error
    return answer.expression


class _cancelled_is_said:  # noqa: N801 - reads as a statement of a with block
    """Turns an interrupt into the error that says that nothing is left running."""

    def __init__(self, source: str, sql: str) -> None:
        self._source, self._sql = source, sql

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, KeyboardInterrupt | QueryCancelled):
            raise QueryCancelled(
                f"cancelled, nothing is left running in {self._source}",
                source=self._source,
                sql=self._sql,
                query_id=getattr(error, "query_id", None),
            ) from error
