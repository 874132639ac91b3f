"""``:name`` in SQL text: where it stands, whether values fit it, and how it is replaced.

This module alone decides what is a placeholder and what only looks like one. It reads SQL as tokens,
never as a grammar, so it holds for text no parser of ours understands. Values themselves are rendered
by ``literal`` or bound by the store's driver.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from stupiddb_kernel.errors import UnsafeStatement, UsageError, nearest


@dataclass(frozen=True, slots=True)
class Placeholder:
    """One ``:name`` at ``sql[start:end]``.

    ``in_list``: it is an item of its own in ``IN ( … )``, so a list given for it is spread into items.
    ``alone``: it is the only item there, so even an empty list has a meaning. ``membership`` is then the
    span of the whole ``[NOT] IN ( … )``, and ``negated`` whether it begins with NOT.
    ``in_any``: it is all there is in ``ANY ( … )``, ``ALL`` or ``SOME``, so what it is compared with gives
    an array its type.
    """

    name: str
    start: int
    end: int
    in_list: bool = False
    alone: bool = False
    membership: tuple[int, int] | None = None
    negated: bool = False
    in_any: bool = False
    whole: bool = False
    """It stands for all of its ``membership``, not for the item in it."""

    def widened(self) -> Placeholder:
        """The same, standing for the whole ``[NOT] IN ( … )`` that it is alone in."""
        if self.membership is None:
            return self
        return replace(self, start=self.membership[0], end=self.membership[1], whole=True)


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of SQL text: ``kind`` is word, number, string, quoted, placeholder or symbol."""

    kind: str
    text: str
    start: int
    end: int

    @property
    def word(self) -> str:
        """The text in capitals if it is an unquoted word, else empty."""
        return self.text.upper() if self.kind == "word" else ""


@dataclass(frozen=True, slots=True)
class _Lexis:
    """How a dialect writes what must not be looked into."""

    escapes: bool = False  # backslash escapes in every string
    escape_prefix: bool = False  # … in E'…' only
    double_is_string: bool = False
    backticks: bool = False
    dollar_quotes: bool = False
    nested_comments: bool = False
    hash_comments: bool = False
    dashes_need_space: bool = False


_POSTGRES = _Lexis(escape_prefix=True, dollar_quotes=True, nested_comments=True)
_TRINO = _Lexis(backticks=True)
_MYSQL = _Lexis(
    escapes=True, double_is_string=True, backticks=True, hash_comments=True, dashes_need_space=True
)
_LEXES = {
    "postgres": _POSTGRES,
    "redshift": _POSTGRES,
    "duckdb": _POSTGRES,
    "mysql": _MYSQL,
    "trino": _TRINO,
    "athena": _TRINO,
}

_SPACE = re.compile(r"\s+")
_WORD = re.compile(r"[^\W\d][\w$]*")
_NUMBER = re.compile(r"0[xX][0-9a-fA-F]+|(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_NAME = re.compile(r":([^\W\d]\w*)")
_DOLLAR = re.compile(r"\$(?:[^\W\d]\w*)?\$")
_COMMENT_EDGE = re.compile(r"/\*|\*/")
_QUOTED = {
    (quote, escapes): re.compile(
        rf"{quote}(?:[^{quote}\\]|\\.|{quote}{quote})*+{quote}?"
        if escapes
        else rf"{quote}(?:[^{quote}]|{quote}{quote})*+{quote}?",
        re.DOTALL,
    )
    for quote in "'\"`"
    for escapes in (False, True)
}
_LINE_END = re.compile(r"\n|\Z")
# Words after which an operand follows, so that a colon behind them can't be a slice's.
_LEADING_WORDS = re.compile(
    "ALL|AND|ANY|ARRAY|AS|BETWEEN|BY|CASE|DISTINCT|ELSE|FROM|HAVING|ILIKE|IN|INTERVAL|IS|LIKE|LIMIT|NOT|OFFSET|"
    "ON|OR|SELECT|SOME|THEN|USING|VALUES|WHEN|WHERE"
)


def placeholders(sql: str, dialect: str) -> list[Placeholder]:
    """Every ``:name`` that stands for a value, in order.

    Left alone: strings, comments, quoted names, dollar quotes, ``::cast``, ``:=``, ``[:2]``, slices such
    as ``[1:n]``, and a colon glued to what stands before it (``{'a':b}``, ``alias:value``).
    ``x[:n]`` is a placeholder: write ``x[1:n]`` for a slice up to column n.
    """
    tokens = list(tokenize(sql, dialect))
    found: list[Placeholder] = []
    opened: list[tuple[str, bool]] = []  # each open bracket, and whether it is that of IN ( items )
    for index, token in enumerate(tokens):
        if token.kind == "placeholder":
            before = tokens[index - 1].text if index else ""
            after = tokens[index + 1].text if index + 1 < len(tokens) else ""
            item = bool(opened and opened[-1][1]) and before in ("(", ",") and after in (",", ")")
            alone = item and before == "(" and after == ")"
            negated = alone and index > 2 and tokens[index - 3].word == "NOT"
            span = (tokens[index - 2 - negated].start, tokens[index + 1].end) if alone else None
            name = token.text[1:]
            owner = tokens[index - 2].word if index > 1 and before == "(" and after == ")" else ""
            in_any = owner in ("ANY", "ALL", "SOME")
            found.append(Placeholder(name, token.start, token.end, item, alone, span, negated, in_any))
        elif token.kind == "symbol" and token.text in "([{":
            follows_in = index > 0 and tokens[index - 1].word == "IN"
            first = tokens[index + 1].word if index + 1 < len(tokens) else ""
            is_list = follows_in and token.text == "(" and first not in ("SELECT", "WITH", "VALUES", "TABLE")
            opened.append((token.text, is_list))
        elif token.kind == "symbol" and token.text in ")]}" and opened:
            opened.pop()
    return found


def rewrite(sql: str, found: Sequence[Placeholder], render: Callable[[Placeholder], str]) -> str:
    """``sql`` with every placeholder replaced by what ``render`` gives for it."""
    parts: list[str] = []
    position = 0
    for placeholder in found:
        parts += [sql[position : placeholder.start], render(placeholder)]
        position = placeholder.end
    return "".join([*parts, sql[position:]])


def original_position(
    position: int, found: Sequence[Placeholder], render: Callable[[Placeholder], str]
) -> int:
    """The offset in the text before ``rewrite`` of an offset in the text after it.

    An offset inside a rendered value is the start of its placeholder.
    """
    shift = 0
    for placeholder in found:
        start = placeholder.start + shift
        length = len(render(placeholder))
        if position < start:
            break
        if position < start + length:
            return placeholder.start
        shift += length - (placeholder.end - placeholder.start)
    return position - shift


def check(found: Sequence[Placeholder], parameters: Mapping[str, object] | None) -> None:
    """Raise UsageError for a placeholder without a value and for a value without a placeholder."""
    given = parameters or {}
    needed = list(dict.fromkeys(placeholder.name for placeholder in found))
    missing = [name for name in needed if name not in given]
    unused = [name for name in given if name not in needed]
    if missing:
        near = nearest(missing[0], unused or given)
        shown = ", ".join(f":{name}" for name in missing)
        hint = f"did you mean :{near[0]}?" if near else f"given: {', '.join(given) or 'no parameters'}"
        raise UsageError(f"no value for {shown}", hint=hint)
    if unused:
        near = nearest(unused[0], needed)
        has = ", ".join(f":{name}" for name in needed) or "no :name at all"
        hint = f"did you mean {near[0]}?" if near else f"the statement has {has}"
        raise UsageError(f"the statement has no placeholder for the parameter {', '.join(unused)}", hint=hint)


def single_statement(sql: str, dialect: str) -> str:
    """The one statement in ``sql`` without its closing semicolon and what surrounds it.

    Raises UsageError for none and UnsafeStatement for more than one.
    """
    tokens = list(tokenize(sql, dialect))
    content = [index for index, token in enumerate(tokens) if token.text != ";"]
    if not content:
        raise UsageError("the statement is empty")
    start, end = tokens[content[0]].start, tokens[content[-1]].end
    for token in tokens[content[0] : content[-1]]:
        if token.text == ";":
            raise UnsafeStatement(
                f"more than one statement: another begins after the semicolon at character {token.start}",
                hint="run one statement at a time",
            )
    if content[0] > 0:  # semicolons in front: blank them out, so that every offset stays true
        return " " * start + sql[start:end]
    # Comments behind the statement go too: a line comment would swallow what is put behind it.
    return sql[:end]


def first_word(sql: str, dialect: str) -> str:
    """The first word of a statement in capitals, past comments and opening parentheses; else empty."""
    for token in tokenize(sql, dialect):
        if token.text != "(":
            return token.word
    return ""


def tokenize(sql: str, dialect: str) -> Iterator[Token]:
    """The tokens of ``sql``, without spaces and comments. Unterminated strings run to the end."""
    lexis = _LEXES.get(dialect, _POSTGRES)
    position = 0
    previous: Token | None = None
    opened: list[str] = []
    while position < len(sql):
        end = _skip(sql, position, lexis)
        if end > position:
            position = end
            continue
        token = _token(sql, position, lexis, previous, opened)
        if token.kind == "symbol":
            if token.text in "([{":
                opened.append(token.text)
            elif token.text in ")]}" and opened:
                opened.pop()
        yield token
        previous, position = token, token.end


def _skip(sql: str, position: int, lexis: _Lexis) -> int:
    """Where spaces or a comment that begin at ``position`` end; ``position`` if there are none."""
    space = _SPACE.match(sql, position)
    if space:
        return space.end()
    pair = sql[position : position + 2]
    if pair == "--":
        after = sql[position + 2 : position + 3]
        if not lexis.dashes_need_space or after == "" or after.isspace():
            return _line_end(sql, position)
    if lexis.hash_comments and pair[:1] == "#":
        return _line_end(sql, position)
    if pair == "/*":
        return _comment_end(sql, position + 2, nested=lexis.nested_comments)
    return position


def _token(sql: str, position: int, lexis: _Lexis, previous: Token | None, opened: list[str]) -> Token:
    character = sql[position]
    kind, end = "symbol", position + 1
    if character == "'":
        glued = previous is not None and previous.end == position
        escaped = glued and previous is not None and previous.word == "E" and lexis.escape_prefix
        kind, end = "string", _quote_end(sql, position, "'", escapes=lexis.escapes or escaped)
    elif character == '"':
        kind = "string" if lexis.double_is_string else "quoted"
        end = _quote_end(sql, position, '"', escapes=lexis.double_is_string and lexis.escapes)
    elif character == "`" and lexis.backticks:
        kind, end = "quoted", _quote_end(sql, position, "`", escapes=False)
    elif character == "$" and lexis.dollar_quotes and (tag := _DOLLAR.match(sql, position)):
        close = sql.find(tag.group(), tag.end())
        kind, end = "string", len(sql) if close < 0 else close + len(tag.group())
    elif word := _WORD.match(sql, position):
        kind, end = "word", word.end()
    elif number := _NUMBER.match(sql, position):
        kind, end = "number", number.end()
    elif character == ":":
        if sql[position + 1 : position + 2] in (":", "="):
            end = position + 2
        elif (name := _NAME.match(sql, position)) and not _continues(position, previous, opened):
            kind, end = "placeholder", name.end()
    return Token(kind, sql[position:end], position, end)


def _continues(colon: int, previous: Token | None, opened: list[str]) -> bool:
    """Whether a colon belongs to what stands before it: glued to it, or a slice's or a pair's colon."""
    if previous is None:
        return False
    ends_operand = previous.kind != "symbol" or previous.text in (")", "]", "}")
    if not ends_operand or _LEADING_WORDS.fullmatch(previous.word):
        return False
    return previous.end == colon or bool(opened and opened[-1] in "[{")


def _quote_end(sql: str, position: int, quote: str, *, escapes: bool) -> int:
    """The end of a quoted piece that begins at ``position``; a doubled quote does not end it."""
    piece = _QUOTED[quote, escapes].match(sql, position)
    return piece.end() if piece else len(sql)


def _line_end(sql: str, position: int) -> int:
    end = _LINE_END.search(sql, position)
    return end.end() if end else len(sql)


def _comment_end(sql: str, position: int, *, nested: bool) -> int:
    depth = 1
    for edge in _COMMENT_EDGE.finditer(sql, position):
        if edge.group() == "*/":
            depth -= 1
        elif nested:
            depth += 1
        if depth == 0:
            return edge.end()
    return len(sql)
