"""Loading, unloading and loading again; what loading imports; that everything is documented."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import stupiddb
from stupiddb.magics import OWN, admin, catalog, source

from stupiddb_kernel.errors import StupiddbError
from tests.magics.conftest import Shell

HEAVY = (
    "adbc_driver_manager",
    "anywidget",
    "boto3",
    "botocore",
    "connectorx",
    "duckdb",
    "ibis",
    "igraph",
    "ipywidgets",
    "nbconvert",
    "numpy",
    "pandas",
    "papermill",
    "psycopg",
    "pyarrow",
    "pyathena",
    "pydantic",
    "pymysql",
    "sqlglot",
)

IN_A_BARE_SHELL = f"""
import sys
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
before = set(sys.modules)
shell.run_line_magic("load_ext", "stupiddb")
{{code}}
added = {{{{name.partition(".")[0] for name in set(sys.modules) - before}}}}
print(sorted(added & set({HEAVY!r})))
"""


def _imports(code: str, folder: Path) -> str:
    script = IN_A_BARE_SHELL.format(code=code)
    run = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=folder, check=True, timeout=120
    )
    return run.stdout.strip().rpartition("\n")[2]


@pytest.mark.parametrize(
    "configuration",
    ["", '[aws.athena]\ndatabase = "a"\n[aws.aurora]\nhost = "h"\nengine = "postgresql"\ndatabase = "d"\n'],
)
def test_loading_imports_nothing_heavy(tmp_path: Path, configuration: str) -> None:
    (tmp_path / "stupiddb.toml").write_text(configuration)
    assert _imports("", tmp_path) == "[]"


def test_help_and_status_import_nothing_heavy(tmp_path: Path) -> None:
    code = 'shell.run_cell("%stupiddb"); shell.run_cell("%stupiddb help"); shell.run_cell("%athena --help")'
    assert _imports(code, tmp_path) == "[]"


def test_the_test_would_notice_something_heavy(tmp_path: Path) -> None:
    assert "duckdb" in _imports('shell.run_cell("%local SELECT 1")', tmp_path)


def test_importing_the_package_imports_nothing_but_itself() -> None:
    script = (
        "import sys, stupiddb; print(sorted(n for n in sys.modules if 'stupiddb' in n or n == 'IPython'))"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "['stupiddb']"


def test_the_root_exports_what_it_says_and_each_name_is_there() -> None:
    assert sorted(stupiddb.__all__) == dir(stupiddb)
    for name in stupiddb.__all__:
        assert getattr(stupiddb, name) is not None
    with pytest.raises(AttributeError, match="Sesion"):
        _ = stupiddb.Sesion  # type: ignore[attr-defined]


def test_unloading_takes_everything_back(bare: Shell) -> None:
    def state() -> tuple[object, ...]:
        ip = bare.ip
        return (
            {kind: set(table) for kind, table in ip.magics_manager.magics.items()},
            list(ip.Completer.custom_matchers),
            ip.custom_exceptions,
            ip.CustomTB,
            {name: list(found) for name, found in ip.events.callbacks.items()},
            dict(ip.display_formatter.mimebundle_formatter.deferred_printers),
        )

    before = state()
    bare.run("%load_ext stupiddb")
    assert state() != before
    bare.run("%local SELECT 1")
    bare.run("%unload_ext stupiddb")
    assert state() == before


def test_a_magic_that_was_there_before_comes_back(bare: Shell) -> None:
    def theirs(line: str, cell: str | None = None) -> str:
        return "theirs"

    bare.ip.register_magic_function(theirs, "line_cell", "athena")
    bare.run("%load_ext stupiddb")
    assert bare.ip.find_cell_magic("athena") is not theirs
    bare.run("%unload_ext stupiddb")
    assert bare.ip.find_cell_magic("athena") is theirs


def test_loading_again_reads_the_configuration_again(bare: Shell, tmp_path: Path) -> None:
    bare.run("%load_ext stupiddb")
    assert bare.ip.find_cell_magic("books") is None
    (tmp_path / "stupiddb.toml").write_text('[sources.books]\nkind = "duckdb"\npath = "books.duckdb"\n')
    assert bare.run("%reload_ext stupiddb").error is None
    assert bare.run("%%books\nSELECT 1 AS one").error is None
    assert bare.run("%%local\nSELECT missing").text.count("QueryFailed") == 1


@pytest.mark.parametrize("text", ["[aws.athena\n", "[aws]\nregion = 'x\n"])
def test_a_file_that_is_no_toml_is_shown_and_loading_succeeds(bare: Shell, tmp_path: Path, text: str) -> None:
    (tmp_path / "stupiddb.toml").write_text(text)
    loaded = bare.run("%load_ext stupiddb")
    assert loaded.error is None
    assert "ConfigurationError" in loaded.plain
    assert "stupiddb.toml" in loaded.plain
    assert "<b" in loaded.html
    used = bare.run("%%athena\nSELECT 1")
    assert isinstance(used.error, StupiddbError)
    assert "stupiddb.toml" in used.text


def test_a_wrong_value_is_explained_by_the_magic(bare: Shell, tmp_path: Path) -> None:
    (tmp_path / "stupiddb.toml").write_text(
        '[aws.athena]\nmax_scan_bytes = -1\ntimeout_secs = 3\n[aws.rds]\nengine = "oracle"\nhost = "h"\n'
    )
    assert bare.run("%load_ext stupiddb").error is None
    for name in ("athena", "rds"):
        used = bare.run(f"%%{name}\nSELECT 1")
        assert "aws.athena.max_scan_bytes" in used.text
        assert "aws.athena.timeout_secs" in used.text
        assert "aws.rds.engine" in used.text
        assert "Traceback" not in used.text


def test_a_source_that_is_left_out_is_reported_when_loading(bare: Shell, tmp_path: Path) -> None:
    (tmp_path / "stupiddb.toml").write_text('[sources.stock]\nkind = "oracle"\nhost = "h"\n')
    loaded = bare.run("%load_ext stupiddb")
    assert loaded.error is None
    assert "sources.stock" in loaded.plain


def test_every_magic_is_documented_with_every_flag_and_subcommand(shell: Shell) -> None:
    flags = {"stupiddb": admin.FLAGS, "catalog": catalog.FLAGS}
    ours = {name for _, name in shell.ip.stupiddb_extension._magics}
    assert ours == {"local", *source.SEED_NAMES, *(name for name, _, _ in OWN)}
    overview = shell.run("%stupiddb help").plain
    for name in ours:
        documentation = shell.ip.find_line_magic(name).__doc__
        assert documentation is not None
        kind = shell.ip.stupiddb_extension.kind(name)
        for flag in flags.get(name, source.flags_of(kind)):
            assert flag.name in documentation, (name, flag.name)
        assert shell.run(f"%{name} --help").plain == documentation
        assert shell.run(f"%stupiddb help {name}").plain == documentation
        assert name in overview
    for command in admin.COMMANDS.values():
        assert f"%stupiddb {command.name}" in admin.documentation()
        assert command.run.__doc__


def test_ipython_shows_the_documentation(shell: Shell) -> None:
    shell.ip.enable_html_pager = False
    found = shell.ip.object_inspect("%%local")
    assert found["found"]
    assert found["docstring"] == source.documentation("local", "duckdb")
