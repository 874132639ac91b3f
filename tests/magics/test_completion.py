"""Completion: what the cursor stands in, and what a real kernel answers there."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stupiddb.completion.scope import look

from tests.magics.conftest import KERNELSPECS, Kernel

FURNISH = """
import pyarrow as pa
from stupiddb import TableName
local = get_ipython().stupiddb_extension.session.local
flights = pa.table({"carrier": ["AA"], "dep_delay": [1], "Tail Number": ["N1"], "order": [1]})
local.write(TableName("local", "main", "flights"), flights)
local.write(TableName("local", "main", "airlines"), pa.table({"carrier": ["AA"], "name": ["American"]}))
local.write(TableName("local", "crm", "members"), pa.table({"member_code": ["m"], "tier": ["gold"]}))
get_ipython().stupiddb_extension.session.catalog.refresh("local")
codes, code_count, column = ["AA"], 1, "carrier"
"""


@pytest.fixture(scope="module")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    """A kernel whose local store holds a few tables."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JUPYTER_PATH", str(KERNELSPECS))
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        patch.delenv("STUPIDDB_CONFIG", raising=False)
        patch.chdir(tmp_path_factory.mktemp("kernel"))
        running = Kernel()
    try:
        run = running.run(FURNISH)
        assert run.status == "ok", run.reply
        running.run("get_ipython().stupiddb_extension.names.wait(10)")
        assert running.run("%local --out late SELECT dep_delay AS minutes FROM flights").status == "ok"
        yield running
    finally:
        running.close()


def _look(sql: str) -> tuple[str, str, tuple[str, ...], str, list[tuple[str, str]]]:
    position = sql.index("|")
    cursor = look(sql.replace("|", "", 1), position, "postgres")
    tables = [(".".join(reference.path), reference.handle) for reference in cursor.tables]
    return cursor.kind, cursor.prefix, cursor.path, cursor.wants, tables


@pytest.mark.parametrize(
    ("sql", "seen"),
    [
        ("|", ("code", "", (), "column", [])),
        ("SEL|", ("code", "SEL", (), "column", [])),
        ("SELECT * FROM |", ("code", "", (), "table", [])),
        ("SELECT * FROM fl|", ("code", "fl", (), "table", [])),
        ("SELECT * FROM a, b|", ("code", "b", (), "table", [("a", "a")])),
        ("SELECT * FROM crm.|", ("code", "", ("crm",), "table", [("crm", "crm")])),
        ("SELECT x| FROM a AS f, b g", ("code", "x", (), "column", [("a", "f"), ("b", "g")])),
        ("SELECT f.| FROM flights f", ("code", "", ("f",), "column", [("flights", "f")])),
        ("SELECT * FROM a JOIN b ON a.x = b.|", ("code", "", ("b",), "column", [("a", "a"), ("b", "b")])),
        ("SELECT * FROM a WHERE |", ("code", "", (), "column", [("a", "a")])),
        ("SELECT * FROM a GROUP BY x, |", ("code", "", (), "column", [("a", "a")])),
        ("FROM a WHERE x = (SELECT y| FROM b)", ("code", "y", (), "column", [("b", "b"), ("a", "a")])),
        ("SELECT * FROM (SELECT 1) s WHERE s.|", ("code", "", ("s",), "column", [("", "s")])),
        ("SELECT '|", ("text", "", (), "column", [])),
        ("SELECT 'a' -- x |\nFROM b", ("text", "", (), "column", [])),
        ("SELECT /* | */ 1", ("text", "", (), "column", [])),
        ("SELECT 1 WHERE a = :co|", ("placeholder", ":co", (), "column", [])),
        ("SELECT 1 WHERE a = :|", ("placeholder", ":", (), "column", [])),
        ("SELECT x::|", ("code", "", (), "column", [])),
        ('SELECT "Ta| FROM a', ("code", '"Ta', (), "column", [("a", "a")])),
        ("SELECT 1 FROM a; SELECT | FROM b", ("code", "", (), "column", [("b", "b")])),
    ],
)  # fmt: skip
def test_the_cursor_is_understood_while_sql_is_typed(sql: str, seen: object) -> None:
    assert _look(sql) == seen


def test_a_common_table_expression_has_the_columns_it_selects() -> None:
    sql = "WITH w AS (SELECT a, t.b, count(*) AS n FROM t) SELECT | FROM w"
    (reference,) = look(sql.replace("|", ""), sql.index("|"), "postgres").tables
    assert (reference.path, reference.columns) == (("w",), ("a", "b", "n"))


@settings(deadline=None)  # other processes share the machine
@given(st.text(alphabet="SELECTFROMaf.,()'\"`;:${}-*/ \n\\[]<>=", max_size=80), st.integers(0, 80))
def test_no_text_is_too_odd(sql: str, position: int) -> None:
    for dialect in ("postgres", "mysql", "trino", "duckdb"):
        look(sql, min(position, len(sql)), dialect)


@pytest.mark.parametrize(
    ("code", "choice"),
    [
        ("%%local\nSEL|", "SELECT"),
        ("%%local\nsel|", "select"),
        ("%%local\nSELECT * FROM fl|", "flights"),
        ("%%local\nSELECT * FROM flights f JOIN |", "airlines"),
        ("%%local\nSELECT * FROM cr|", "crm"),
        ("%%local\nSELECT * FROM crm.|", "members"),
        ("%%local\nSELECT m.ti| FROM crm.members m", "tier"),
        ("%%local\nSELECT f.| FROM flights f", "dep_delay"),
        ("%%local\nSELECT FL.dep| FROM flights fl", "dep_delay"),
        ("%%local\nSELECT dep|\nFROM flights", "dep_delay"),
        ("%%local\nSELECT * FROM flights AS fly WHERE fl|", "fly"),
        ('%%local\nSELECT f.| FROM flights f', '"Tail Number"'),
        ('%%local\nSELECT f.| FROM flights f', '"order"'),
        ('%%local\nSELECT "Ta| FROM flights', '"Tail Number"'),
        ("%%local\nSELECT date_tr|", "date_trunc"),
        ("%%local\nWITH w AS (SELECT 1 AS one) SELECT w.o| FROM w", "one"),
        ("%%local\nSELECT * FROM flights WHERE carrier IN (:co|)", ":codes"),
        ("%%local\nSELECT {col|", "column!i}"),
        ("%%local\nrows << SELECT * FROM fl|", "flights"),
        ("%%local\nSELECT l.| FROM late l", "minutes"),
        ("%%local\nSELECT * FROM la|", "late"),
        ("%%local --li|\nSELECT 1", "--limit"),
        ("%%local |\nSELECT 1", "--out"),
        ("%%local --as p|\nSELECT 1", "pandas"),
        ("%%local --as=|\nSELECT 1", "arrow"),
        ("%%local --database |\nSELECT 1", "crm"),
        ("%%athena --max-scan |\nSELECT 1", "5GB"),
        ("x = 1\n%local SELECT * FROM fl|", "flights"),
        ("y = %local --limit 3 SELECT dep| FROM flights", "dep_delay"),
        ("%stupiddb co|", "connect"),
        ("%stupiddb traceback o|", "off"),
        ("%stupiddb help cat|", "catalog"),
        ("%catalog --ref|", "--refresh"),
        ("%catalog lo|", "local."),
        ("%catalog local.c|", "local.crm."),
        ("%catalog local.crm.|", "local.crm.members"),
    ],
)  # fmt: skip
def test_a_kernel_offers_what_fits(furnished: Kernel, code: str, choice: str) -> None:
    assert choice in furnished.complete(code)


@pytest.mark.parametrize(
    ("code", "choice", "text"),
    [
        ("%%local\nSELECT f.dep| FROM flights f", "dep_delay", "%%local\nSELECT f.dep_delay FROM flights f"),
        ('%%local\nSELECT "Ta| FROM flights', '"Tail Number"', '%%local\nSELECT "Tail Number" FROM flights'),
        ('%%local\nSELECT "Ta|" FROM flights', '"Tail Number', '%%local\nSELECT "Tail Number" FROM flights'),
        ("%%local\nSELECT :co|", ":codes", "%%local\nSELECT :codes"),
        ("%%local\nSELECT {co|", "column!i}", "%%local\nSELECT {column!i}"),
        ("%%local --li|\nSELECT 1", "--limit", "%%local --limit\nSELECT 1"),
        ("%%local --as=pa|\nSELECT 1", "pandas", "%%local --as=pandas\nSELECT 1"),
        ("%catalog local.crm.me|", "local.crm.members", "%catalog local.crm.members"),
    ],
)  # fmt: skip
def test_choosing_a_completion_gives_the_right_text(
    furnished: Kernel, code: str, choice: str, text: str
) -> None:
    assert furnished.completed(code, choice) == text


@pytest.mark.parametrize(
    ("code", "absent"),
    [
        ("%%local\nSELECT * FROM flights WHERE carrier = 'co|", "codes"),
        ("%%local\nSELECT 1 -- fl|", "flights"),
        ("%%local\nSELECT pri|", "print"),
        ("%%local\nimp|", "import"),
        ("%%local --limit 3 --li|\nSELECT 1", "--limit"),
        ("%%local --max|\nSELECT 1", "--max-scan"),
        ("%%local\nSELECT a.dep| FROM flights f, airlines a", "dep_delay"),
        ("%%local\nSELECT :fla|", ":FURNISH"),
    ],
)  # fmt: skip
def test_nothing_that_does_not_fit_is_offered(furnished: Kernel, code: str, absent: str) -> None:
    assert absent not in furnished.complete(code)


@pytest.mark.parametrize("code", ["%%local\nSELECT 'co|", "%%local\nSELECT '|", "%%local\nSELECT xq|"])
def test_where_nothing_fits_nothing_is_offered_by_anyone(furnished: Kernel, code: str) -> None:
    assert furnished.complete(code) == []


def test_columns_of_the_tables_in_scope_come_first(furnished: Kernel) -> None:
    found = furnished.complete("%%local\nSELECT | FROM flights f")
    assert found[:2] == ["carrier", "dep_delay"]
    assert found.index("f") < found.index("count") < found.index("SELECT")


@pytest.mark.parametrize("code", ["pri|", "x = 1\npri|", "%%time\npri|"])
def test_python_is_completed_as_ever(furnished: Kernel, code: str) -> None:
    assert any(text.startswith("print") for text in furnished.complete(code))


def test_completion_is_quick_also_in_a_long_statement(furnished: Kernel) -> None:
    lines = ",\n".join(f"  f.dep_delay + {n} AS d{n}" for n in range(400))
    code = f"%%local\nSELECT {lines},\n  f.dep| FROM flights f"
    furnished.complete(code)
    begun = time.perf_counter()
    found = furnished.complete(code)
    seconds = time.perf_counter() - begun
    assert found == ["dep_delay"]
    print(f"{len(code):,} characters: {seconds * 1000:.0f} ms")
    assert seconds < 1  # the goal is 50 ms; other processes share this machine


def test_a_wrong_configuration_does_not_disturb_typing(kernel: Kernel) -> None:
    kernel.run("import pathlib; _ = pathlib.Path('stupiddb.toml').write_text('[aws\\n')")
    try:
        kernel.run("%reload_ext stupiddb")
        assert "SELECT" in kernel.complete("%%athena\nSEL|")
        time.sleep(0.5)
        assert "SELECT" in kernel.complete("%%athena\nSEL|")
    finally:
        kernel.run("pathlib.Path('stupiddb.toml').unlink()\n%reload_ext stupiddb")
