"""The catalog on disk: one file a source, so that a new notebook has its tree before any store answers.

A file holds names, types, comments and sizes; no rows and no secrets. It is written whole and then put
in its place, so several processes may read and write at once; one that is damaged, or of another
version, counts as not there. Only the user may read it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import tempfile
import time
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from stupiddb_kernel.catalog.snapshot import Snapshot

if TYPE_CHECKING:
    from stupiddb_kernel.config.settings import AwsSettings, SourceSettings

FORMAT = "stupiddb catalog 1"
_KEPT_SECONDS = 30 * 86400
_NOT_WHAT_IT_HOLDS = frozenset(
    {"pool_min", "pool_max", "connect_timeout_seconds", "statement_timeout_seconds", "mappings", "enabled"}
    | {"timeout_seconds", "max_scan_bytes", "dollars_per_tb", "workgroup", "output_location", "rds_proxy"}
)
_IDENTITY = ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_ROLE_ARN", "AWS_REGION", "AWS_DEFAULT_REGION")


class Cache:
    """The folder of cached catalogs."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder

    @property
    def folder(self) -> Path:
        """Where the files are: as configured, else in the user's cache folder."""
        if self._folder is None:
            from platformdirs import user_cache_path

            self._folder = user_cache_path("stupiddb") / "catalog"
        return self._folder

    def path(self, source: str, fingerprint: str) -> Path:
        """The file of one source."""
        return self.folder / f"{source}-{fingerprint}.catalog"

    def read(self, source: str, fingerprint: str) -> Snapshot | None:
        """What was last seen of a source, or None if there is no such file or it can't be trusted."""
        try:
            data = self.path(source, fingerprint).read_bytes()
        except OSError:
            return None
        try:
            header, checksum, rest = data.split(b"\n", 2)
            if header.decode() != FORMAT or int(checksum) != zlib.crc32(rest):
                return None
            return _unpack(rest.decode(), source)
        except (ValueError, TypeError, KeyError, IndexError, AttributeError):
            return None

    def write(self, snapshot: Snapshot, fingerprint: str) -> None:
        """Put a snapshot in its place, whole or not at all. Raises OSError if the folder can't be written."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        body = _pack(snapshot).encode("utf-8", "surrogatepass")
        handle, name = tempfile.mkstemp(prefix=f".{snapshot.source}-", dir=self.folder)  # mode 0600
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(f"{FORMAT}\n{zlib.crc32(body)}\n".encode())
                file.write(body)
            Path(name).replace(self.path(snapshot.source, fingerprint))
        except BaseException:
            with contextlib.suppress(OSError):
                Path(name).unlink()
            raise
        self._sweep()

    def _sweep(self) -> None:
        """Remove what nobody has written for a month: sources renamed, moved or gone."""
        for file in self.folder.iterdir():
            with contextlib.suppress(OSError):
                ours = file.suffix == ".catalog" or re.match(r"\.\w+-\w+$", file.name)
                if ours and time.time() - file.stat().st_mtime > _KEPT_SECONDS:
                    file.unlink()


def fingerprint(
    settings: SourceSettings, aws: AwsSettings | None = None, environ: Mapping[str, str] = os.environ
) -> str:
    """A digest of where a source is and who asks, so that two of them never share a cached catalog.

    Of the environment only identities go in: the AWS profile and key id, user names, and a database URL
    without its password. None of it can be read back from the digest.
    """
    from stupiddb_kernel.config.environment import url_settings

    parts = {
        name: value
        for name, value in settings.model_dump(mode="json").items()
        if name not in _NOT_WHAT_IT_HOLDS
    }
    variables = {name: environ.get(name) for name in _IDENTITY}
    variables |= {name: value for name, value in environ.items() if name.startswith("AWS_ENDPOINT_URL")}
    if parts.get("username_env"):
        variables["username"] = environ.get(parts["username_env"])
    if parts.get("url_env"):
        with contextlib.suppress(ValueError):
            parts["url"] = url_settings(environ.get(parts["url_env"], ""))
    shared = aws.model_dump(mode="json") if aws else {}
    text = json.dumps([parts, shared, variables], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:20]


def _pack(snapshot: Snapshot) -> str:
    head = [snapshot.source, snapshot.read_at, snapshot.databases, dict(snapshot.errors)]
    texts = [snapshot.column_text, snapshot.comment_text, snapshot.vocabulary]
    lines = [json.dumps(head), json.dumps(snapshot.tables), json.dumps(texts), *snapshot.columns]
    return "\n".join(lines)


def _unpack(text: str, source: str) -> Snapshot | None:
    head, tables, texts, *columns = text.split("\n")
    name, read_at, databases, errors = json.loads(head)
    rows = tuple(map(tuple, json.loads(tables)))
    if name != source or len(rows) != len(columns):
        return None
    names, comments, vocabulary = json.loads(texts)
    return Snapshot(
        name, read_at, tuple(databases), rows, tuple(columns), names, comments, vocabulary, errors
    )
