"""A pyarrow filesystem that outlives its credentials."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from pyarrow.fs import FileSystemHandler, S3FileSystem


class RefreshingHandler(FileSystemHandler):
    """Hands every call to a plain S3 filesystem, which is made anew when the credentials have changed.

    Files that are open keep the filesystem they were opened with; what pyarrow reads from them never
    passes through Python.
    """

    def __init__(self, credentials: Callable[[], Any], make: Callable[[Any], S3FileSystem]) -> None:
        self._credentials = credentials
        self._make = make
        self._made: tuple[Any, S3FileSystem] | None = None
        self._lock = threading.Lock()

    def current(self) -> S3FileSystem:
        """The plain filesystem for the credentials of this moment."""
        frozen = self._credentials()
        with self._lock:
            if self._made is None or self._made[0] != frozen:
                self._made = (frozen, self._make(frozen))
            return self._made[1]

    def __eq__(self, other: object) -> bool:
        return self is other

    def __ne__(self, other: object) -> bool:
        return self is not other

    __hash__ = object.__hash__

    def get_type_name(self) -> str:
        """As pyarrow names it."""
        return "s3+refreshing"

    def normalize_path(self, path: str) -> str:
        """As the plain filesystem does."""
        return str(self.current().normalize_path(path))

    def get_file_info(self, paths: list[str]) -> Any:
        """As the plain filesystem does."""
        return self.current().get_file_info(paths)

    def get_file_info_selector(self, selector: Any) -> Any:
        """As the plain filesystem does."""
        return self.current().get_file_info(selector)

    def create_dir(self, path: str, recursive: bool) -> None:
        """As the plain filesystem does."""
        self.current().create_dir(path, recursive=recursive)

    def delete_dir(self, path: str) -> None:
        """As the plain filesystem does."""
        self.current().delete_dir(path)

    def delete_dir_contents(self, path: str, missing_dir_ok: bool) -> None:
        """As the plain filesystem does."""
        self.current().delete_dir_contents(path, missing_dir_ok=missing_dir_ok)

    def delete_root_dir_contents(self) -> None:
        """Never: it would empty every bucket."""
        raise PermissionError("refused to delete the contents of every bucket")

    def delete_file(self, path: str) -> None:
        """As the plain filesystem does."""
        self.current().delete_file(path)

    def move(self, src: str, dest: str) -> None:
        """As the plain filesystem does."""
        self.current().move(src, dest)

    def copy_file(self, src: str, dest: str) -> None:
        """As the plain filesystem does."""
        self.current().copy_file(src, dest)

    def open_input_stream(self, path: str) -> Any:
        """As the plain filesystem does."""
        return self.current().open_input_stream(path)

    def open_input_file(self, path: str) -> Any:
        """As the plain filesystem does."""
        return self.current().open_input_file(path)

    def open_output_stream(self, path: str, metadata: Any) -> Any:
        """As the plain filesystem does."""
        return self.current().open_output_stream(path, metadata=metadata)

    def open_append_stream(self, path: str, metadata: Any) -> Any:
        """As the plain filesystem does."""
        return self.current().open_append_stream(path, metadata=metadata)
