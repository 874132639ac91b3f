"""The browser of the UI tests: one that is installed, else Debian's Chromium unpacked into the cache.

A machine without a browser gets one as any user, the way the embedded stack gets its servers; where that
can't be done the tests fail with what to install.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from stupiddb_kernel.errors import LocalStackError
from stupiddb_kernel.local import debian
from stupiddb_kernel.local.cache import Cache

NAMES = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "chrome",
    "microsoft-edge",
)
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
)
_PACKAGES = ("chromium", "fonts-dejavu-core")
_FONTS = """<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "urn:fontconfig:fonts.dtd">
<fontconfig><dir>{folder}/usr/share/fonts</dir><dir>/usr/share/fonts</dir><cachedir>{folder}/.fonts</cachedir></fontconfig>
"""


@dataclass(frozen=True)
class Browser:
    """A Chromium's executable and the environment it needs besides the system's."""

    path: Path
    environment: Mapping[str, str] = field(default_factory=dict)

    def runs(self) -> bool:
        """Whether it starts: the launcher of a package may only say where to get the real one."""
        try:
            done = subprocess.run(
                [self.path, "--version"],
                env={**os.environ, **self.environment},
                capture_output=True,
                text=True,
                timeout=30,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired):
            return False
        return done.returncode == 0 and any(char.isdigit() for char in done.stdout)


def find(cache: Cache | None = None, path: str | None = None) -> Browser:
    """The browser to test with; ``path`` stands in for PATH. Raises LocalStackError with what to install."""
    for name in NAMES:
        found = shutil.which(name, path=path)
        if found and Browser(Path(found)).runs():
            return Browser(Path(found))
    if not debian.available():
        raise LocalStackError(
            f"no browser for the UI tests: none of {', '.join(NAMES)} is on PATH,"
            " and this system has no apt to get one with",
            hint="install Chromium or Chrome with the system's own package manager",
        )

    def build(folder: Path) -> None:
        debian.unpack(_PACKAGES, folder)
        (folder / "fonts.conf").write_text(_FONTS.format(folder=folder))
        if not _unpacked(folder).runs():
            raise LocalStackError(
                "the package chromium was unpacked, but its browser does not run here",
                hint="install it with `apt-get install chromium` (on Ubuntu, install Google Chrome)",
            )

    folder = (cache or Cache.default()).get("chromium", build, lambda folder: _unpacked(folder).runs())
    return _unpacked(folder)


def _unpacked(folder: Path) -> Browser:
    libraries = os.pathsep.join(map(str, debian.library_folders(folder)))
    environment = {"LD_LIBRARY_PATH": libraries, "FONTCONFIG_FILE": str(folder / "fonts.conf")}
    return Browser(folder / "usr" / "lib" / "chromium" / "chromium", environment)
