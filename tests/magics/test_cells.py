"""A cell taken apart: names, SQL, and the one thing that is ever pasted into SQL."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stupiddb.cells import expand, quote, read
from stupiddb.magics.source import FLAGS

from stupiddb_kernel.errors import UsageError


@pytest.mark.parametrize(
    ("line", "cell", "out", "sql"),
    [
        ("", "SELECT 1", None, "SELECT 1"),
        ("", "hist << SELECT 1", "hist", "SELECT 1"),
        ("", "\n  hist<<SELECT 1\n", "hist", "SELECT 1"),
        ("hist <<", "SELECT 1", "hist", "SELECT 1"),
        ("--limit 3 hist << SELECT a,", "b FROM t", "hist", "SELECT a,\nb FROM t"),
        ("--out hist", "SELECT 1", "hist", "SELECT 1"),
        ("--out hist", "hist << SELECT 1", "hist", "SELECT 1"),
        ("", "SELECT 1 << 2", None, "SELECT 1 << 2"),
        ("", "SELECT x\nFROM t WHERE y << 3 > 1", None, "SELECT x\nFROM t WHERE y << 3 > 1"),
        ("name << SELECT 1", None, "name", "SELECT 1"),
        ("SELECT 'it''s'", None, None, "SELECT 'it''s'"),
    ],
)
def test_the_result_is_named_before_the_sql_or_by_a_flag(
    line: str, cell: str | None, out: str | None, sql: str
) -> None:
    statement = read(line, cell, FLAGS, "local")
    assert (statement.out, statement.sql) == (out, sql)


def test_two_names_are_refused() -> None:
    with pytest.raises(UsageError, match="two names: a and b"):
        read("--out a", "b << SELECT 1", FLAGS, "local")


def test_a_bare_word_on_the_line_of_a_cell_is_explained() -> None:
    with pytest.raises(UsageError) as caught:
        read("hist", "SELECT 1", FLAGS, "athena")
    assert "%%athena --out hist" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("sql", "dialect", "expanded"),
    [
        ("SELECT {c!i} FROM t", "postgres", 'SELECT "a col" FROM t'),
        ("SELECT {c!i} FROM t", "mysql", "SELECT `a col` FROM t"),
        ("FROM {t!i}", "trino", 'FROM "crm"."mem""bers"'),
        ("SELECT {evil!i}", "postgres", 'SELECT "x""; DROP TABLE t; --"'),
        ("SELECT '{c!i}' -- {c!i}\n/* {c!i} */", "postgres", "SELECT '{c!i}' -- {c!i}\n/* {c!i} */"),
        ("SELECT '{\"a\": 1}', {c}, { c!i }", "postgres", "SELECT '{\"a\": 1}', {c}, { c!i }"),
        ("SELECT {'k': {c!i}}", "duckdb", "SELECT {'k': \"a col\"}"),
        ("SELECT $${c!i}$$", "postgres", "SELECT $${c!i}$$"),
    ],
)
def test_only_an_identifier_template_is_replaced_and_it_quotes(sql: str, dialect: str, expanded: str) -> None:
    names = {"c": "a col", "t": ("crm", 'mem"bers'), "evil": 'x"; DROP TABLE t; --'}
    assert expand(sql, names, dialect) == expanded


@pytest.mark.parametrize(
    ("sql", "names", "message"),
    [
        ("{colum!i}", {"column": "a"}, "no variable 'colum'"),
        ("{c!i}", {"c": 3}, "takes an identifier; found int"),
        ("{c!i}", {"c": ()}, "takes an identifier; found tuple"),
        ("{c!i}", {"c": ""}, "can't be an identifier"),
        ("{c!i}", {"c": "a\0b"}, "can't be an identifier"),
        ('"{c!i}"', {"c": "a"}, "quotes a template that quotes by itself"),
    ],
)
def test_what_is_no_identifier_is_refused(sql: str, names: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        expand(sql, names, "postgres")
    assert message in caught.value.message
    assert caught.value.hint


@settings(deadline=None)  # other processes share the machine
@given(
    st.text(min_size=1, max_size=40).filter(lambda text: "\0" not in text),
    st.sampled_from(["postgres", "mysql", "trino"]),
)
def test_a_quoted_identifier_is_one_token_whatever_it_holds(name: str, dialect: str) -> None:
    from stupiddb_kernel.sources.binding import tokenize

    tokens = list(tokenize(f"SELECT {quote(name, dialect)} FROM t", dialect))
    assert [token.kind for token in tokens] == ["word", "quoted", "word", "word"]
