"""Places in a statement's text, and the tokens the hand-written parsers walk over."""

from __future__ import annotations

import re
from dataclasses import dataclass

from stupiddb_kernel.local.athena.errors import Place, SyntaxRefused

_TOKEN = re.compile(
    r"""(?P<skip>\s+|--[^\n]*|/\*.*?\*/)
      |(?P<open>/\*|'(?:[^']|\'\')*\Z|"(?:[^"]|"")*\Z|`(?:[^`]|``)*\Z)
      |(?P<string>'(?:[^']|\'\')*')
      |(?P<name>"(?:[^"]|"")*"|`(?:[^`]|``)*`|[^\W\d][\w@$]*)
      |(?P<number>\d+(?:\.\d*)?(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?)
      |(?P<sign>\|\||->|=>|<=|>=|<>|!=|.)""",
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Token:
    """One word, sign or literal exactly as written; ``end`` is the offset of its last character."""

    text: str
    start: int
    end: int


_QUOTES = '"`'


def place(sql: str, offset: int) -> Place:
    """The 1-based line and column of a character offset."""
    before = sql[:offset]
    return before.count("\n") + 1, offset - (before.rfind("\n") + 1) + 1


def blank(text: str) -> str:
    """As many blanks, with the line ends kept."""
    return "".join(sign if sign == "\n" else " " for sign in text)


def tokenize(sql: str) -> list[Token]:
    """The tokens of a statement; comments are dropped.

    Raises:
        SyntaxRefused: a string, quoted name or comment that does not end.
    """
    found: list[Token] = []
    at = 0
    while at < len(sql):
        match = _TOKEN.match(sql, at)
        if match is None:
            raise SyntaxRefused(f"mismatched input '{sql[at]}'", place(sql, at))
        if match.lastgroup == "open":
            raise SyntaxRefused(f"mismatched input '{match.group()}': it does not end", place(sql, at))
        if match.lastgroup != "skip":
            found.append(Token(match.group(), at, match.end() - 1))
        at = match.end()
    return found


class Reader:
    """Walks over the tokens of one statement; everything unexpected is Athena's "mismatched input"."""

    def __init__(self, sql: str, tokens: list[Token] | None = None, start: int = 0) -> None:
        self.sql = sql
        self.tokens = tokenize(sql) if tokens is None else tokens
        self.index = start

    @property
    def current(self) -> Token | None:
        """The next token, or None at the end."""
        return self.tokens[self.index] if self.index < len(self.tokens) else None

    @property
    def done(self) -> bool:
        """Whether nothing is left."""
        return self.current is None

    def text(self, token: Token) -> str:
        """A token exactly as it was written."""
        return token.text

    def peek(self, *words: str) -> bool:
        """Whether the next tokens are these keywords or signs."""
        ahead = self.tokens[self.index : self.index + len(words)]
        return len(ahead) == len(words) and all(
            self.text(token).upper() == word for token, word in zip(ahead, words, strict=True)
        )

    def accept(self, *words: str) -> bool:
        """Step over these keywords or signs if they are next."""
        if found := self.peek(*words):
            self.index += len(words)
        return found

    def expect(self, *words: str) -> None:
        """Step over these keywords or signs, which must be next."""
        for word in words:
            if not self.accept(word):
                raise self.mismatch(f"'{word}'")

    def identifier(self) -> str:
        """Step over a name, quoted or not, and return it."""
        token = self.current
        if token is None:
            raise self.mismatch("<identifier>")
        written = self.text(token)
        if written[0] in _QUOTES and written[-1] == written[0] and len(written) > 2:
            name = written[1:-1].replace(written[0] * 2, written[0])
        elif written[0].isalpha() or written[0] == "_":
            name = written
        else:
            raise self.mismatch("<identifier>")
        self.index += 1
        return name

    def name(self) -> list[str]:
        """Step over a dotted name and return its parts."""
        parts = [self.identifier()]
        while self.accept("."):
            parts.append(self.identifier())
        return parts

    def string(self) -> str:
        """Step over a quoted string and return its value."""
        token = self.current
        if token is None or token.text[0] not in "'\"":
            raise self.mismatch("<string>")
        self.index += 1
        return token.text[1:-1].replace(token.text[0] * 2, token.text[0])

    def value(self) -> str:
        """Step over a literal (string, number or word) and return its text."""
        token = self.current
        if token is None:
            raise self.mismatch("<literal>")
        if self.text(token)[0] == "'":
            return self.string()
        sign = "-" if self.accept("-") else ""
        token = self.current
        if token is None:
            raise self.mismatch("<literal>")
        self.index += 1
        return sign + token.text

    def finish(self) -> None:
        """Nothing may follow but one semicolon."""
        self.accept(";")
        if not self.done:
            raise self.mismatch("<EOF>")

    def rest(self) -> str:
        """The text from here to the end, without a last semicolon; what stands before is blanked out."""
        if self.current is None:
            return ""
        last = self.tokens[-1]
        end = last.start if self.text(last) == ";" else last.end + 1
        return blank(self.sql[: self.current.start]) + self.sql[self.current.start : end]

    def mismatch(self, expected: str) -> SyntaxRefused:
        """Athena's syntax error for the next token."""
        token = self.current
        if token is None:
            return SyntaxRefused(
                f"mismatched input '<EOF>'. Expecting: {expected}", place(self.sql, len(self.sql.rstrip()))
            )
        return SyntaxRefused(
            f"mismatched input '{self.text(token)}'. Expecting: {expected}", place(self.sql, token.start)
        )
