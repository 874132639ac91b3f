"""What kind of statement a text is, and the parts of those that sqlglot does not take apart."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from stupiddb_kernel.local.athena.errors import InvalidRequest, QueryError, SyntaxRefused
from stupiddb_kernel.local.athena.text import Reader, blank, tokenize

DML, DDL, UTILITY = "DML", "DDL", "UTILITY"


@dataclass(frozen=True)
class Statement:
    """A classified statement.

    ``kind`` is Athena's SubstatementType; ``query`` is the inner query text of UNLOAD, EXPLAIN and the like;
    ``parts`` holds what else the parser read.
    """

    type: str
    kind: str
    text: str
    query: str = ""
    parts: dict[str, Any] = field(default_factory=dict)


_QUERY_STARTS = ("SELECT", "WITH", "VALUES", "TABLE", "(")
_HEADS: tuple[tuple[tuple[str, ...], str, str], ...] = (
    (("SHOW", "TABLES"), UTILITY, "SHOW_TABLES"),
    (("SHOW", "VIEWS"), UTILITY, "SHOW_VIEWS"),
    (("SHOW", "DATABASES"), UTILITY, "SHOW_DATABASES"),
    (("SHOW", "SCHEMAS"), UTILITY, "SHOW_DATABASES"),
    (("SHOW", "COLUMNS"), UTILITY, "SHOW_COLUMNS"),
    (("SHOW", "PARTITIONS"), UTILITY, "SHOW_PARTITIONS"),
    (("SHOW", "CREATE", "TABLE"), UTILITY, "SHOW_CREATE_TABLE"),
    (("SHOW", "CREATE", "VIEW"), UTILITY, "SHOW_CREATE_VIEW"),
    (("SHOW", "TBLPROPERTIES"), UTILITY, "SHOW_TBLPROPERTIES"),
    (("DESCRIBE",), UTILITY, "DESCRIBE_TABLE"),
    (("DESC",), UTILITY, "DESCRIBE_TABLE"),
    (("MSCK", "REPAIR", "TABLE"), DDL, "MSCK_REPAIR_TABLE"),
    (("CREATE", "DATABASE"), DDL, "CREATE_DATABASE"),
    (("CREATE", "SCHEMA"), DDL, "CREATE_DATABASE"),
    (("DROP", "DATABASE"), DDL, "DROP_DATABASE"),
    (("DROP", "SCHEMA"), DDL, "DROP_DATABASE"),
    (("CREATE", "OR", "REPLACE", "VIEW"), DDL, "CREATE_VIEW"),
    (("CREATE", "VIEW"), DDL, "CREATE_VIEW"),
    (("DROP", "VIEW"), DDL, "DROP_VIEW"),
    (("CREATE", "EXTERNAL", "TABLE"), DDL, "CREATE_TABLE"),
    (("CREATE", "TABLE"), DDL, "CREATE_TABLE"),
    (("DROP", "TABLE"), DDL, "DROP_TABLE"),
    (("ALTER", "TABLE"), DDL, "ALTER_TABLE"),
    (("INSERT", "INTO"), DML, "INSERT"),
    (("UNLOAD",), DML, "UNLOAD"),
    (("EXPLAIN",), UTILITY, "EXPLAIN"),
    (("PREPARE",), UTILITY, "PREPARE"),
    (("DEALLOCATE", "PREPARE"), UTILITY, "DEALLOCATE"),
    (("EXECUTE",), DML, "EXECUTE"),
)
_UNSUPPORTED = """
DELETE UPDATE MERGE VACUUM OPTIMIZE ANALYZE CALL SET RESET USE GRANT REVOKE ROLLBACK COMMIT START
COPY ATTACH DETACH INSTALL LOAD PRAGMA CHECKPOINT EXPORT IMPORT FROM PIVOT UNPIVOT SUMMARIZE BEGIN
FORCE TRUNCATE COMMENT CREATE DROP ALTER SHOW
"""


def classify(text: str) -> Statement:
    """The kind and the parts of a statement.

    Raises:
        SyntaxRefused: it is no statement at all.
        InvalidRequest: it is one that Athena, or this stand-in, does not run.
    """
    tokens = tokenize(text)
    reader = Reader(text, tokens)
    if not tokens:
        raise InvalidRequest("Query is empty or contains only comments", "MALFORMED_QUERY")
    _one_only(reader, text)
    if any(reader.peek(word) for word in _QUERY_STARTS):
        return Statement(DML, "SELECT", text, _as_select(reader))
    for head, kind, name in _HEADS:
        if reader.accept(*head):
            return _READERS.get(name, _plain)(Statement(kind, name, text), reader)
    first = reader.text(tokens[0]).upper()
    if first in _UNSUPPORTED.split():
        raise InvalidRequest("Queries of this type are not supported", "NOT_SUPPORTED")
    raise SyntaxRefused(
        f"mismatched input '{reader.text(tokens[0])}'. Expecting: 'ALTER', 'CREATE', 'DEALLOCATE', 'DESC', "
        "'DESCRIBE', "
        "'DROP', 'EXECUTE', 'EXPLAIN', 'INSERT', 'MSCK', 'PREPARE', 'SHOW', 'UNLOAD', <query>",
        reader.mismatch("").place,
    )


def _one_only(reader: Reader, text: str) -> None:
    ends = [index for index, token in enumerate(reader.tokens) if reader.text(token) == ";"]
    if ends and ends[0] != len(reader.tokens) - 1:
        raise InvalidRequest(f"Only one sql statement is allowed. Got: {text}", "MALFORMED_QUERY")
    if len(reader.tokens) == len(ends):
        raise InvalidRequest("Query is empty or contains only comments", "MALFORMED_QUERY")


def _as_select(reader: Reader) -> str:
    """The query without its semicolon; ``TABLE x`` is ``SELECT * FROM x``."""
    rest = reader.rest()
    if not reader.peek("TABLE"):
        return rest
    reader.accept("TABLE")
    return "SELECT * FROM " + reader.rest().lstrip()


def _plain(statement: Statement, reader: Reader) -> Statement:
    return _with(statement, reader)


def _with(statement: Statement, reader: Reader, query: str = "", **parts: Any) -> Statement:
    return Statement(statement.type, statement.kind, statement.text, query, {"at": reader.index, **parts})


def _create_table(statement: Statement, reader: Reader) -> Statement:
    """``CREATE TABLE … AS`` or a Hive table definition."""
    exists = reader.accept("IF", "NOT", "EXISTS")
    external = (
        "EXTERNAL" in statement.text[: reader.tokens[reader.index].start].upper()
        if not reader.done
        else False
    )
    name = reader.name()
    if external or reader.peek("("):
        return _with(statement, reader, name=name, if_not_exists=exists, external=external)
    properties: dict[str, Any] = {}
    comment = reader.string() if reader.accept("COMMENT") else None
    if reader.accept("WITH"):
        properties = read_properties(reader)
    if not reader.accept("AS"):
        return _with(statement, reader, name=name, if_not_exists=exists, external=external)
    query, with_data = _query_before_data(reader)
    made = _with(
        statement,
        reader,
        query,
        name=name,
        if_not_exists=exists,
        properties=properties,
        comment=comment,
        with_data=with_data,
    )
    return Statement(DDL, "CREATE_TABLE_AS_SELECT", made.text, made.query, made.parts)


def _query_before_data(reader: Reader) -> tuple[str, bool]:
    rest = reader.rest()
    upper = " ".join(rest.upper().split())
    for ending, with_data in (("WITH NO DATA", False), ("WITH DATA", True)):
        if upper.endswith(ending):
            words = len(ending.split())
            last = [t for t in reader.tokens if reader.text(t) != ";"][-words]
            start = reader.current.start if reader.current else 0
            return blank(reader.sql[:start]) + reader.sql[start : last.start].rstrip(), with_data
    return rest, True


def read_properties(reader: Reader) -> dict[str, Any]:
    """``( name = value, … )`` where a value is a literal, a boolean or ``ARRAY['…', …]``."""
    found: dict[str, Any] = {}
    reader.expect("(")
    while True:
        name = reader.identifier().lower()
        reader.expect("=")
        if reader.accept("ARRAY"):
            reader.expect("[")
            items = []
            while not reader.accept("]"):
                items.append(reader.string())
                reader.accept(",")
            found[name] = items
        else:
            found[name] = reader.value()
        if not reader.accept(","):
            break
    reader.expect(")")
    return found


def _unload(statement: Statement, reader: Reader) -> Statement:
    reader.expect("(")
    query = _parenthesized(reader)
    reader.expect("TO")
    target = reader.string()
    properties = read_properties(reader) if reader.accept("WITH") else {}
    reader.finish()
    return _with(statement, reader, query, target=target, properties=properties)


def _parenthesized(reader: Reader) -> str:
    """The text up to the closing parenthesis, blanked in front so that places in it stay true."""
    depth, start = 1, reader.current.start if reader.current else 0
    while not reader.done:
        token = reader.tokens[reader.index]
        sign = reader.text(token)
        depth += (sign == "(") - (sign == ")")
        reader.index += 1
        if depth == 0:
            return blank(reader.sql[:start]) + reader.sql[start : token.start].rstrip()
    raise reader.mismatch("')'")


def _insert(statement: Statement, reader: Reader) -> Statement:
    name = reader.name()
    columns: list[str] = []
    if reader.peek("(") and not (
        reader.peek("(", "SELECT") or reader.peek("(", "WITH") or reader.peek("(", "VALUES")
    ):
        reader.expect("(")
        columns.append(reader.identifier().lower())
        while reader.accept(","):
            columns.append(reader.identifier().lower())
        reader.expect(")")
    if not any(reader.peek(word) for word in _QUERY_STARTS):
        raise reader.mismatch("<query>")
    return _with(statement, reader, _as_select(reader), name=name, columns=columns)


def _explain(statement: Statement, reader: Reader) -> Statement:
    analyze = reader.accept("ANALYZE")
    reader.accept("VERBOSE")
    if reader.peek("(") and not any(reader.peek("(", word) for word in _QUERY_STARTS):
        reader.expect("(")
        _parenthesized(reader)
    if not any(reader.peek(word) for word in _QUERY_STARTS):
        raise reader.mismatch("<query>")
    return _with(statement, reader, _as_select(reader), analyze=analyze)


def _prepare(statement: Statement, reader: Reader) -> Statement:
    name = reader.identifier()
    reader.expect("FROM")
    return _with(statement, reader, reader.rest(), name=name)


def _deallocate(statement: Statement, reader: Reader) -> Statement:
    name = reader.identifier()
    reader.finish()
    return _with(statement, reader, name=name)


def _execute(statement: Statement, reader: Reader) -> Statement:
    name = reader.identifier()
    values = split_arguments(reader.rest()) if reader.accept("USING") else []
    return _with(statement, reader, name=name, values=values)


def split_arguments(text: str) -> list[str]:
    """The expressions of a comma-separated list, as written."""
    reader, depth, start, found = Reader(text), 0, 0, []
    for token in reader.tokens:
        sign = reader.text(token)
        depth += (sign in "([") - (sign in ")]")
        if sign == "," and depth == 0:
            found.append(text[start : token.start].strip())
            start = token.end + 1
    return [*found, text[start:].strip()]


def bind(text: str, values: list[str]) -> str:
    """The statement with each ``?`` replaced by its value, which must be a literal.

    Raises:
        QueryError: a wrong number of values, or a value that is no literal.
    """
    import sqlglot
    from sqlglot import exp
    from sqlglot.errors import SqlglotError

    marks = [token for token in tokenize(text) if text[token.start : token.end + 1] == "?"]
    if len(marks) != len(values):
        raise QueryError(
            "INVALID_PARAMETER_USAGE",
            f"Incorrect number of parameters: expected {len(marks)} but found {len(values)}",
            (1, 1),
        )
    for index, value in enumerate(values):
        try:
            tree = sqlglot.parse_one(value, read="trino")
        except SqlglotError as error:
            raise QueryError(
                "INVALID_PARAMETER_USAGE", f"Parameter {index + 1} is no literal: {value}"
            ) from error
        literal = isinstance(
            tree, (exp.Literal, exp.Neg, exp.Boolean, exp.Null, exp.Cast, exp.Array, exp.Func, exp.Paren)
        )
        if not literal or tree.find(exp.Column, exp.Query):
            raise QueryError("INVALID_PARAMETER_USAGE", f"Parameter {index + 1} is no literal: {value}")
    for token, value in reversed(list(zip(marks, values, strict=True))):
        text = f"{text[: token.start]}{value}{text[token.end + 1 :]}"
    return text


def _create_view(statement: Statement, reader: Reader) -> Statement:
    name = reader.name()
    comment = reader.string() if reader.accept("COMMENT") else None
    if reader.accept("SECURITY") and not reader.accept("DEFINER"):
        reader.expect("INVOKER")
    reader.expect("AS")
    replace = "REPLACE" in statement.text.upper().split("VIEW", 1)[0]
    return _with(statement, reader, reader.rest(), name=name, comment=comment, replace=replace)


_READERS: dict[str, Callable[[Statement, Reader], Statement]] = {
    "CREATE_TABLE": _create_table,
    "UNLOAD": _unload,
    "INSERT": _insert,
    "EXPLAIN": _explain,
    "PREPARE": _prepare,
    "DEALLOCATE": _deallocate,
    "EXECUTE": _execute,
    "CREATE_VIEW": _create_view,
}
