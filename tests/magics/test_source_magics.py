"""The magics of the sources, in a real shell over the local store."""

from __future__ import annotations

from pathlib import Path

import ibis.expr.types as ir
import pandas as pd
import pyarrow as pa
import pytest

from stupiddb_kernel.errors import (
    ConfigurationError,
    QueryFailed,
    UnsafeStatement,
    UsageError,
)
from tests.magics.conftest import Shell


def test_a_cell_shows_its_rows_and_its_value_is_an_ibis_expression(shell: Shell) -> None:
    cell = shell.run("%%local\nSELECT 42 AS answer, NULL AS nothing")
    assert cell.error is None
    assert cell.plain.split("\n")[2].split() == ["42", "NULL"]
    assert '<td class="n">42</td>' in cell.html
    assert "1 row · " in cell.plain
    assert isinstance(shell["_"], ir.Table)
    assert shell["_"].answer.sum().execute() == 42


def test_results_are_named_continued_in_ibis_and_read_by_sql(shell: Shell) -> None:
    shell.run("%%local\nflights << SELECT * FROM range(10) r(n)")
    shell.run("%%local --out few --no-display\nSELECT * FROM flights WHERE n < 3")
    assert shell["flights"].n.max().execute() == 9
    assert shell["few"].count().execute() == 3


def test_no_display_shows_the_footer_alone(shell: Shell) -> None:
    cell = shell.run("%%local -q\nSELECT 'value' AS a")
    assert "1 row · " in cell.plain
    assert "value" not in cell.plain


def test_an_assigned_line_hands_over_the_expression_and_shows_the_footer(shell: Shell) -> None:
    cell = shell.run("rows = %local SELECT 'it''s' AS a, 1 << 2 AS b")
    assert shell["rows"].to_pyarrow().to_pylist() == [{"a": "it's", "b": 4}]
    assert "it's" not in cell.plain
    assert "1 row · " in cell.plain


@pytest.mark.parametrize(
    "code",
    [
        "%local SELECT 7 AS seven",
        "%local SELECT 7 AS seven\nafter = 1",
        "if True:\n    %local SELECT 7 AS seven",
        "%%time\n%local SELECT 7 AS seven",
    ],
)
def test_a_line_alone_shows_its_rows_once(shell: Shell, code: str) -> None:
    cell = shell.run(code)
    assert cell.error is None
    assert (cell.plain + cell.text).count("seven") == 1
    assert shell["_"].seven.sum().execute() == 7


def test_a_magic_called_from_python_gives_its_value(shell: Shell) -> None:
    shell.run("found = get_ipython().run_cell_magic('local', '--as arrow', 'SELECT 1 AS one')")
    assert shell["found"] == pa.table({"one": pa.array([1], pa.int32())})


def test_an_answer_of_the_session_is_displayed_as_a_cell_does(shell: Shell) -> None:
    answer = shell.ip.stupiddb_extension.session.query("local", "SELECT 7 AS seven")
    shown, _ = shell.ip.display_formatter.format(answer)
    assert '<td class="n">7</td>' in shown["text/html"]
    assert "1 row · " in shown["text/plain"]


def test_an_ibis_expression_keeps_its_own_representation(shell: Shell) -> None:
    shell.run("%%local\nSELECT 7 AS seven")
    shown, _ = shell.ip.display_formatter.format(shell["_"])
    assert shown["text/plain"] == repr(shell["_"])
    assert "stupiddb-table" not in str(shown)


def test_variables_of_a_function_are_bound_where_the_line_stands(shell: Shell) -> None:
    shell.run("n = 1\ndef f(n):\n    r = %local SELECT :n AS n\n    return r.n.sum().execute()\ngiven = f(5)")
    assert shell["given"] == 5


@pytest.mark.parametrize(
    ("form", "kind"), [("ibis", ir.Table), ("arrow", pa.Table), ("pandas", pd.DataFrame)]
)
def test_the_value_comes_in_the_form_that_is_asked_for(shell: Shell, form: str, kind: type) -> None:
    shell.run(f"%%local --as {form} --out value\nSELECT 1 AS one")
    assert isinstance(shell["value"], kind)


def test_a_form_whose_package_is_missing_says_how_to_get_it(shell: Shell) -> None:
    cell = shell.run("%%local --as polars\nSELECT 1 AS one")
    assert isinstance(cell.error, UsageError)
    assert "pip install polars" in (cell.error.hint or "")


def test_parameters_are_bound_with_their_types(shell: Shell) -> None:
    shell.run("import datetime, decimal\nday = datetime.date(2013, 1, 2)\ncodes = {'b', 'a'}")
    cell = shell.run(
        "%%local --param \"text=it's\" --params {'n': decimal.Decimal('1.10')} --out row\n"
        "SELECT :day AS day, :codes AS codes, :text AS text, :n AS n, "
        "'2013-01-01'::date AS d, [1, 2, 3][:2] AS s"
    )
    assert cell.error is None
    (row,) = shell["row"].to_pyarrow().to_pylist()
    assert row["day"].isoformat() == "2013-01-02"
    assert row["codes"] == ["a", "b"]
    assert row["text"] == "it's"
    assert str(row["n"]) == "1.10"
    assert row["s"] == [1, 2]


def test_a_bound_value_is_never_sql(shell: Shell) -> None:
    shell["evil"] = "'; DROP TABLE x; --"
    shell.run("%%local --out row\nSELECT :evil AS value")
    assert shell["row"].to_pyarrow().to_pylist() == [{"value": "'; DROP TABLE x; --"}]


def test_an_identifier_template_is_quoted_and_braces_are_left_alone(shell: Shell) -> None:
    shell["column"] = 'two "words"'
    cell = shell.run("%%local --out row\nSELECT 1 AS {column!i}, '{column}' AS text, {'a': 1} AS j")
    assert cell.error is None
    assert shell["row"].to_pyarrow().to_pylist() == [{'two "words"': 1, "text": "{column}", "j": {"a": 1}}]


def test_a_limit_is_said(shell: Shell) -> None:
    cell = shell.run("%%local --limit 3\nSELECT * FROM range(10)")
    assert "first 3 rows (--limit)" in cell.plain
    assert shell["_"].count().execute() == 3


def test_a_big_result_is_held_whole_and_shown_in_part(shell: Shell) -> None:
    cell = shell.run("%%local --out big\nSELECT * FROM range(100000) r(n)")
    assert "first 20 of 100,000 rows" in cell.plain
    assert "first 20 of 100,000 rows" in cell.html
    assert cell.html.count("<tr>") == 21
    assert shell["big"].count().execute() == 100_000


def test_a_dry_run_runs_nothing(shell: Shell) -> None:
    cell = shell.run("n = 3\n%local --dry-run SELECT error('it ran') WHERE :n = 3")
    assert cell.error is None
    assert "dry run on local, nothing was run" in cell.plain
    assert ":n = 3" in cell.plain
    assert "SELECT error('it ran')" in cell.plain
    assert shell.run("%%local --explain\nSELECT 1").plain.startswith("dry run on local")


def test_an_error_shows_message_hint_and_place_but_no_traceback(shell: Shell) -> None:
    cell = shell.run("%%local\nSELECT 1,\n  missing\nFROM range(3) r(mission)")
    assert isinstance(cell.error, QueryFailed)
    assert "   2 │   missing\n     │   ^" in cell.text
    assert "Traceback" not in cell.text
    assert "File " not in cell.text


@pytest.mark.parametrize(
    ("code", "kind", "message"),
    [
        ("%%local --limt 3\nSELECT 1", UsageError, "did you mean --limit?"),
        ("%%local --limit x\nSELECT 1", UsageError, "a whole number"),
        ("%%local --max-scan 5GB\nSELECT 1", UsageError, "only Athena bills scans"),
        ("%local", UsageError, "%local --help"),
        ("%%local\n  \n", UsageError, "without SQL"),
        ("%%local\nSELECT :missing", UsageError, "no value for :missing"),
        ("%%local\nSELECT 1; SELECT 2", UnsafeStatement, "one statement"),
        ("%stupiddb statsu", UsageError, "did you mean 'status'?"),
        ("%stupiddb traceback maybe", UsageError, "allowed: on, off"),
        ("%stupiddb help nothing", Exception, "no magic named 'nothing'"),
        ("%catalog --refrsh", UsageError, "did you mean --refresh?"),
    ],
)
def test_wrong_use_is_answered_with_what_is_right(
    shell: Shell, code: str, kind: type[Exception], message: str
) -> None:
    cell = shell.run(code)
    assert isinstance(cell.error, kind)
    assert message in cell.text
    assert "Traceback" not in cell.text


def test_a_traceback_is_shown_where_it_is_asked_for(shell: Shell) -> None:
    asked = shell.run("%%local --traceback\nSELECT missing")
    assert "Traceback" in asked.text
    assert "QueryFailed: local" in asked.text
    assert "Traceback" not in shell.run("%%local\nSELECT missing").text
    shell.run("%stupiddb traceback on")
    assert "Traceback" in shell.run("%%local\nSELECT missing").text
    shell.run("%stupiddb traceback off")
    assert "Traceback" not in shell.run("%%local\nSELECT missing").text


def test_a_traceback_shows_no_values_of_variables(shell: Shell) -> None:
    shell.run("%xmode Verbose")
    shell["password"] = "hunter2"
    text = shell.run("%stupiddb traceback on\n%local SELECT missing, :password").text
    assert "Traceback" in text
    assert "hunter2" not in text


@pytest.mark.parametrize("name", ["athena", "aurora", "rds", "redshift", "s3"])
def test_a_source_that_is_not_configured_says_what_to_write(shell: Shell, name: str) -> None:
    cell = shell.run(f"%%{name}\nSELECT 1")
    assert isinstance(cell.error, ConfigurationError)
    assert f"[aws.{name}]" in cell.text
    assert "%stupiddb demo" in cell.text
    assert f"[aws.{name}]" in shell.run(f"%{name} --help").plain


def test_every_configured_source_has_a_magic(bare: Shell, tmp_path: Path) -> None:
    (tmp_path / "stupiddb.toml").write_text(
        '[sources.warehouse]\nkind = "postgres"\nhost = "127.0.0.1"\nport = 1\ndatabase = "dw"\n'
        'username_env = "NO_SUCH_USER"\npassword_env = "NO_SUCH_PASSWORD"\n'
    )
    cell = bare.run("%load_ext stupiddb")
    assert cell.error is None
    assert bare.ip.find_cell_magic("warehouse") is not None
    assert "warehouse" in bare.run("%stupiddb status").plain


def test_another_configuration_brings_other_magics(shell: Shell, tmp_path: Path) -> None:
    folder = tmp_path / "my project"
    folder.mkdir()
    (folder / "stupiddb.toml").write_text(
        '[sources.books]\nkind = "duckdb"\npath = "books.duckdb"\n[store]\npath = "store.duckdb"\n'
    )
    cell = shell.run('%stupiddb connect "my project/stupiddb.toml"')
    assert cell.error is None
    assert "%%books" in cell.plain
    assert shell.run("%%books\nSELECT 1 AS one").error is None
    (tmp_path / "stupiddb.toml").write_text("[aws]\n")
    assert shell.run("%stupiddb connect").error is None
    assert shell.ip.find_cell_magic("books") is None


def test_a_wrong_configuration_leaves_the_session_that_works(shell: Shell, tmp_path: Path) -> None:
    shell.run("%%local\nkept << SELECT 1 AS one")
    (tmp_path / "wrong.toml").write_text("[aws.athena]\nmax_scan_bytes = -1\n")
    cell = shell.run("%stupiddb connect wrong.toml")
    assert isinstance(cell.error, ConfigurationError)
    assert "max_scan_bytes" in cell.text
    assert shell["kept"].count().execute() == 1


def test_close_ends_results_and_the_next_query_opens_a_new_session(shell: Shell) -> None:
    shell.run("%%local\nSELECT 1")
    assert shell.run("%stupiddb close").error is None
    assert "not opened yet" in shell.run("%stupiddb").plain
    assert shell.run("%%local\nSELECT 2").error is None
