"""``:name`` is found where it stands for a value and nowhere else."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stupiddb_kernel.errors import UnsafeStatement, UsageError
from stupiddb_kernel.sources import binding

PLACES = [
    # dialect, sql, names found
    ("postgres", "SELECT :a, :b", ["a", "b"]),
    ("postgres", "SELECT ':a', \":a\", :b", ["b"]),
    ("postgres", "SELECT 'it''s :a', :b", ["b"]),
    ("postgres", r"SELECT 'back\', :a, '\'", ["a"]),
    ("postgres", r"SELECT E'it\'s :a', e'\\', :b", ["b"]),
    ("postgres", "SELECT namE':a', :b", ["b"]),
    ("postgres", "SELECT 1 -- :a\n, :b", ["b"]),
    ("postgres", "SELECT 1 --:a", []),
    ("postgres", "SELECT /* :a /* :b */ :c */ :d", ["d"]),
    ("postgres", "SELECT $$ :a $$, $tag$ :b $$ $tag$, :c", ["c"]),
    ("postgres", "SELECT a$b$c, :d, a$b$c", ["d"]),
    ("postgres", "SELECT $1, :a", ["a"]),
    ("postgres", "SELECT x::text, :a::int, '1'::int", ["a"]),
    ("postgres", "SELECT x[:2], x[1:2], x[1:n], x[1 :n], x[1: n], x[a+1:b]", []),
    ("postgres", "SELECT x[:i], x[1 + :i], ARRAY[:a, :b]", ["i", "i", "a", "b"]),
    ("postgres", "SELECT x[f(:i):2]", ["i"]),
    ("postgres", "SELECT ARRAY[CASE WHEN t THEN :a ELSE :b END]", ["a", "b"]),
    ("postgres", "SELECT a ? :b, a @> :c, a->>:d", ["b", "c", "d"]),
    ("postgres", "SELECT f(a := :b), f(a=>:c)", ["b", "c"]),
    ("postgres", "SELECT a #:b", ["b"]),
    ("postgres", "SELECT '{\"a\": [\":b\"]}'::jsonb, '$.a:b', :c", ["c"]),
    ("postgres", "SELECT TIME '12:30:00' WHERE a=:b LIMIT:n", ["b", "n"]),
    ("postgres", "SELECT :имя, :_x1", ["имя", "_x1"]),
    ("postgres", "SELECT 'unterminated :a", []),
    ("postgres", "SELECT $$unterminated :a", []),
    ("postgres", "SELECT /* unterminated :a", []),
    ("postgres", "", []),
    ("mysql", r"SELECT 'it\'s :a', ':b', :c", ["c"]),
    ("mysql", r'SELECT "it\"s :a", `:b`, :c', ["c"]),
    ("mysql", "SELECT 1 # :a\n, :b", ["b"]),
    ("mysql", "SELECT 1 -- :a\n, 5--:b", ["b"]),
    ("mysql", "SELECT /* /* :a */ :b", ["b"]),
    ("mysql", "SELECT @x := :a, doc->'$.a:b', `we``ird:c`", ["a"]),
    ("mysql", "SELECT $$ :a $$", ["a"]),
    ("duckdb", "SELECT {'a': :b, 'c':d, 'e' :f}, [x for x in l], l[:2], alias:value", ["b"]),
    ("trino", "SELECT \":a\", x[:b], 'c\\', :d, `:e`", ["b", "d"]),
]


@pytest.mark.parametrize(("dialect", "sql", "names"), PLACES)
def test_finds_exactly_the_placeholders(dialect: str, sql: str, names: list[str]) -> None:
    found = binding.placeholders(sql, dialect)

    assert [placeholder.name for placeholder in found] == names
    assert [sql[placeholder.start : placeholder.end] for placeholder in found] == [
        f":{name}" for name in names
    ]


@pytest.mark.parametrize(
    ("sql", "in_list", "alone"),
    [
        ("x IN (:a)", True, True),
        ("x NOT IN /* c */ ( :a )", True, True),
        ("x in (1, :a)", True, False),
        ("x IN (lower(:a))", False, False),
        ("x IN (:a + 1)", False, False),
        ("x IN (SELECT y FROM t WHERE y = ANY(:a))", False, False),
        ("x IN (SELECT y, :a FROM t)", False, False),
        ("x = ANY(:a)", False, False),
        ("f(:a)", False, False),
    ],
)
def test_knows_an_item_of_an_in_list(sql: str, in_list: bool, alone: bool) -> None:
    [found] = binding.placeholders(f"SELECT 1 FROM t WHERE {sql}", "postgres")

    assert (found.in_list, found.alone) == (in_list, alone)


def test_knows_the_only_thing_in_any() -> None:
    sql = "x = ANY(:a) AND y <> all ( :b ) AND z = ANY(ARRAY[:c]) AND z = ANY(:d::int[])"

    found = binding.placeholders(sql, "postgres")

    assert [placeholder.in_any for placeholder in found] == [True, True, False, False]


def test_rewrites_and_finds_the_way_back() -> None:
    sql = "SELECT :long_name + wrong, :b FROM t"
    found = binding.placeholders(sql, "postgres")

    def render(placeholder: binding.Placeholder) -> str:
        return {"long_name": "1", "b": "'something long'"}[placeholder.name]

    rewritten = binding.rewrite(sql, found, render)

    assert rewritten == "SELECT 1 + wrong, 'something long' FROM t"
    for piece in ("SELECT", "wrong", "FROM", " t"):
        assert binding.original_position(rewritten.index(piece), found, render) == sql.index(piece)
    assert binding.original_position(rewritten.index("long'"), found, render) == sql.index(":b")


def test_a_missing_value_names_the_nearest_given() -> None:
    found = binding.placeholders("SELECT :member_code", "postgres")

    with pytest.raises(UsageError, match="no value for :member_code") as missing:
        binding.check(found, {"member_cod": 1})

    assert missing.value.hint == "did you mean :member_cod?"


def test_an_unused_value_is_refused() -> None:
    with pytest.raises(UsageError, match="no placeholder for the parameter limit"):
        binding.check(binding.placeholders("SELECT ':limit'", "postgres"), {"limit": 1})
    binding.check(binding.placeholders("SELECT :a, :a", "postgres"), {"a": None})
    binding.check([], None)


@pytest.mark.parametrize(
    ("sql", "alone"),
    [
        ("SELECT 1;", "SELECT 1"),
        ("SELECT 1 ; ; -- end", "SELECT 1"),
        ("SELECT 1 -- no semicolon; here", "SELECT 1"),
        ("SELECT ';' /* ; */ AS \";\"", "SELECT ';' /* ; */ AS \";\""),
        ("-- first\nSELECT 1", "-- first\nSELECT 1"),
        (";SELECT 1", " SELECT 1"),
    ],
)
def test_one_statement_passes_without_its_end(sql: str, alone: str) -> None:
    assert binding.single_statement(sql, "postgres") == alone


@pytest.mark.parametrize(
    "sql", ["SELECT 1; DROP TABLE t", "SELECT $$;$$; COMMIT;", r"SELECT '\'; DROP TABLE t; --'"]
)
def test_a_second_statement_is_refused(sql: str) -> None:
    with pytest.raises(UnsafeStatement, match="more than one statement"):
        binding.single_statement(sql, "postgres")


def test_backslashes_hide_a_semicolon_on_mysql_only() -> None:
    assert binding.single_statement(r"SELECT '\'; DROP TABLE t; -- '", "mysql").startswith("SELECT")


@pytest.mark.parametrize("sql", ["", "  ", "-- nothing", ";", "/* ; */"])
def test_no_statement_is_refused(sql: str) -> None:
    with pytest.raises(UsageError, match="empty"):
        binding.single_statement(sql, "postgres")


@given(st.text(), st.sampled_from(["postgres", "mysql", "trino", "duckdb"]))
def test_any_text_is_read_to_its_end(sql: str, dialect: str) -> None:
    tokens = list(binding.tokenize(sql, dialect))

    assert all(sql[token.start : token.end] == token.text != "" for token in tokens)
    assert all(left.end <= right.start for left, right in itertools.pairwise(tokens))


@given(st.text(alphabet="ab'\"`$-/*#:\\ \n[](){}E;", max_size=40))
def test_strings_and_comments_of_postgres_hide_placeholders(text: str) -> None:
    quoted = text.replace("'", "''")

    assert binding.placeholders(f"SELECT '{quoted}', :x", "postgres")[0].name == "x"
