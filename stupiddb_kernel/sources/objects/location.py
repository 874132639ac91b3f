"""Where objects are: ``s3://bucket/prefix/``, and keys that stay below it whatever the user typed."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import unquote

from stupiddb_kernel.errors import UsageError

_MAX_KEY_BYTES = 1024  # S3's own limit
# Characters that look like a slash, backslash or dot, and whose compatibility form is not one of them.
_LOOKALIKES = frozenset("∕⁄⧸⟋╱∖⧵⟍╲⧹․‥…。｡")
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


@dataclass(frozen=True, slots=True)
class Location:
    """A bucket and a prefix that is empty or ends in ``/``."""

    bucket: str
    prefix: str

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}"

    @classmethod
    def of(cls, bucket: str, prefix: str) -> Location:
        """A location whose prefix is made to be a folder: no slash before, one behind."""
        prefix = prefix.lstrip("/")
        return cls(bucket, prefix if not prefix or prefix.endswith("/") else prefix + "/")

    @classmethod
    def parse(cls, uri: str) -> Location:
        """Read ``s3://bucket/prefix``, also with ``s3a`` and ``s3n``. Raises UsageError."""
        scheme, separator, rest = uri.partition("://")
        bucket, _, prefix = rest.partition("/")
        if not separator or scheme.lower() not in ("s3", "s3a", "s3n") or not bucket:
            raise UsageError(f"{uri!r} is no S3 location", hint="write s3://bucket/prefix/")
        return cls.of(bucket, prefix)

    def key(self, relative: str) -> str:
        """The key of ``relative`` below this prefix. Raises UsageError for one that leads out of it."""
        refuse_escape(relative)
        key = self.prefix + relative
        if len(key.encode()) > _MAX_KEY_BYTES:
            raise UsageError(
                f"the key {key[:60]!r}… has {len(key.encode()):,} bytes; S3 takes {_MAX_KEY_BYTES:,}"
            )
        return key

    def below(self, relative: str) -> Location:
        """The folder ``relative`` below this one. Raises UsageError for one that leads out of it."""
        return Location(self.bucket, self.key(relative.rstrip("/")) + "/")


def refuse_escape(relative: str) -> None:
    """Raise UsageError unless ``relative`` is a plain path that can only lie below its prefix.

    S3 itself takes a key literally, but HTTP clients and proxies resolve ``..`` and decode ``%2e``, and
    people read look-alikes of ``/`` and ``.`` as the real ones: all of it is refused, as are segments
    that begin with ``_`` or ``.``, which readers take for hidden files.
    """

    def refuse(why: str) -> UsageError:
        return UsageError(
            f"{relative!r} can't be a key below the prefix: {why}",
            hint="use a relative path of plain names, such as reports/2025-06.parquet",
        )

    if not relative or relative.isspace():
        raise refuse("it is empty")
    if any(unicodedata.category(character) in _UNSEEN for character in relative):
        raise refuse("it holds control or invisible characters")
    if any(character in _LOOKALIKES for character in relative):
        raise refuse("it holds a look-alike of a slash or a dot")
    decoded = relative
    while (once := unquote(decoded)) != decoded:
        decoded = once
    for form in (relative, decoded, unicodedata.normalize("NFKC", decoded)):
        if form != relative and (form.count("/"), form.count("\\"), form.count(".")) != (
            relative.count("/"),
            relative.count("\\"),
            relative.count("."),
        ):
            raise refuse("it holds an encoded slash, backslash or dot")
        if any(unicodedata.category(character) in _UNSEEN for character in form):
            raise refuse("it holds encoded control characters")
        _refuse_segments(form, refuse)


def _refuse_segments(path: str, refuse: Callable[[str], UsageError]) -> None:
    if "\\" in path:
        raise refuse("it holds a backslash")
    if path.startswith("/"):
        raise refuse("it is absolute")
    if "://" in path or (len(path) > 1 and path[1] == ":"):
        raise refuse("it is a URL or a drive")
    for segment in path.split("/"):
        if segment.strip() in ("", ".", ".."):
            raise refuse(f"it has the segment {segment!r}")
        if segment != segment.strip():
            raise refuse(f"the segment {segment!r} begins or ends with a space")
        if segment[0] in "_.~":
            raise refuse(f"the segment {segment!r} would be hidden")
