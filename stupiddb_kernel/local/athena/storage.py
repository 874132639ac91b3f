"""S3: locations, listings, range reads and uploads. DuckDB itself never talks to S3."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stupiddb_kernel.local.athena.errors import QueryError


@dataclass(frozen=True)
class Location:
    """A bucket and a key or prefix in it."""

    bucket: str
    key: str

    @classmethod
    def parse(cls, text: str) -> Location:
        """The location an ``s3://bucket/key`` text names.

        Raises:
            ValueError: it names none.
        """
        scheme, _, rest = text.partition("://")
        bucket, _, key = rest.partition("/")
        if scheme not in ("s3", "s3a", "s3n") or not bucket:
            raise ValueError(f"{text!r} is not an S3 location (s3://bucket/prefix/)")
        return cls(bucket, key)

    @property
    def folder(self) -> Location:
        """The same place as a folder: its key ends with a slash, or is empty."""
        return self if not self.key or self.key.endswith("/") else Location(self.bucket, self.key + "/")

    def __truediv__(self, name: str) -> Location:
        return Location(self.bucket, self.folder.key + name)

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}"


@dataclass(frozen=True)
class Object:
    """One object of a listing; the ETag names its version."""

    location: Location
    size: int
    etag: str


class Storage:
    """One caller's S3."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def has_bucket(self, bucket: str) -> bool:
        """Whether the bucket exists and may be seen."""
        from botocore.exceptions import ClientError

        try:
            self._client.head_bucket(Bucket=bucket)
        except ClientError:
            return False
        return True

    def has_object(self, location: Location) -> bool:
        """Whether an object lies exactly there."""
        from botocore.exceptions import ClientError

        try:
            self._client.head_object(Bucket=location.bucket, Key=location.key)
        except ClientError:
            return False
        return True

    def is_empty(self, prefix: Location) -> bool:
        """Whether no object has this prefix."""
        found = self._client.list_objects_v2(Bucket=prefix.bucket, Prefix=prefix.key, MaxKeys=1)
        return not found.get("KeyCount")

    def objects(self, prefix: Location) -> Iterator[Object]:
        """The data objects below a prefix, by key; names starting with ``_`` or ``.`` are hidden as in Hive.

        Raises:
            QueryError: the bucket is not there.
        """
        from botocore.exceptions import ClientError

        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=prefix.bucket, Prefix=prefix.key
        )
        try:
            for page in pages:
                for entry in page.get("Contents", ()):
                    below = entry["Key"][len(prefix.key) :].split("/")
                    if entry["Size"] and not any(part.startswith(("_", ".")) for part in below):
                        location = Location(prefix.bucket, entry["Key"])
                        yield Object(location, entry["Size"], entry["ETag"])
        except ClientError as error:
            raise QueryError(
                "HIVE_FILESYSTEM_ERROR", f"Failed to list {prefix}: {error.response['Error'].get('Message')}"
            ) from error

    def read(self, file: Object, offset: int, length: int) -> bytes:
        """The bytes of one range of one version of an object.

        Raises:
            QueryError: the object is gone or was replaced meanwhile.
        """
        from botocore.exceptions import BotoCoreError, ClientError

        place = file.location
        try:
            answer = self._client.get_object(
                Bucket=place.bucket,
                Key=place.key,
                Range=f"bytes={offset}-{offset + length - 1}",
                IfMatch=file.etag,
            )
            with answer["Body"] as body:
                data: bytes = body.read()
        except (ClientError, BotoCoreError) as error:
            raise QueryError("HIVE_CANNOT_OPEN_SPLIT", f"Error reading {place}: {error}") from error
        if len(data) != length:
            raise QueryError(
                "HIVE_CANNOT_OPEN_SPLIT", f"Error reading {place}: got {len(data)} of {length} bytes"
            )
        return data

    def upload(self, file: Path, target: Location) -> None:
        """Put a local file at a key; large ones go in parts.

        Raises:
            QueryError: S3 refused.
        """
        from boto3.exceptions import S3UploadFailedError
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            self._client.upload_file(str(file), target.bucket, target.key)
        except (S3UploadFailedError, ClientError, BotoCoreError) as error:
            raise QueryError("GENERIC_USER_ERROR", f"Unable to write to {target}: {error}") from error

    def put(self, data: bytes, target: Location) -> None:
        """Put a small object at a key.

        Raises:
            QueryError: S3 refused.
        """
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            self._client.put_object(Bucket=target.bucket, Key=target.key, Body=data)
        except (ClientError, BotoCoreError) as error:
            raise QueryError("GENERIC_USER_ERROR", f"Unable to write to {target}: {error}") from error
