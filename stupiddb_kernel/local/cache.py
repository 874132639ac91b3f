"""The cache of installed servers: made once, by one process at a time, whole or not at all."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from stupiddb_kernel.errors import LocalStackError

FOLDER_VARIABLE = "STUPIDDB_CACHE_DIR"


class Cache:
    """Folders by name under one root; each is built aside and moved into place in one step."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @classmethod
    def default(cls) -> Cache:
        """``STUPIDDB_CACHE_DIR``, else the user's cache folder; root's is the system's.

        Root's servers run as another user, who does not get into root's home.
        """
        import platformdirs

        given = os.environ.get(FOLDER_VARIABLE)
        if given:
            return cls(Path(given).absolute())
        if os.geteuid() == 0:
            return cls(platformdirs.site_cache_path("stupiddb"))
        return cls(platformdirs.user_cache_path("stupiddb"))

    def get(self, name: str, build: Callable[[Path], None], valid: Callable[[Path], bool]) -> Path:
        """The folder of that name; ``build`` fills a new one when there is none that is ``valid``.

        ``build`` raises to say that it can't; then nothing is kept. Several processes may ask at once.
        """
        path = self.root / name
        if path.is_dir() and valid(path):
            return path
        with self._locked(name):
            if path.is_dir():
                if valid(path):  # another process was faster
                    return path
                shutil.rmtree(path)
            unfinished = Path(tempfile.mkdtemp(prefix=f".{name}.", dir=self.root))
            try:
                unfinished.chmod(0o755)
                build(unfinished)
                unfinished.rename(path)
            finally:
                shutil.rmtree(unfinished, ignore_errors=True)
            return path

    @contextmanager
    def _locked(self, name: str) -> Iterator[None]:
        """Hold the lock of one name; what an interrupted build of it left behind is removed."""
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            lock = os.open(self.root / f".{name}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise LocalStackError(
                f"the cache folder for servers can't be written: {error}",
                hint=f"set {FOLDER_VARIABLE} to a folder that can",
            ) from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            for leftover in self.root.glob(f".{name}.*/"):
                shutil.rmtree(leftover, ignore_errors=True)
            yield
        finally:
            os.close(lock)
