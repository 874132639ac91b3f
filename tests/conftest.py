"""Servers shared by the whole test session, and the option for the long trials."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from stupiddb_kernel.local.stack import Stack


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--full", action="store_true", help="run long trials (fuzz, kill -9, soak) at full length"
    )


@pytest.fixture(scope="session")
def full(request: pytest.FixtureRequest) -> bool:
    """Whether the long trials run at full length."""
    return bool(request.config.getoption("--full"))


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Every server of the embedded stack, without data; started once, gone afterwards."""
    from stupiddb_kernel.local.stack import Stack

    with Stack.start(tmp_path_factory.mktemp("stack")) as running:
        yield running


@pytest.fixture(scope="session")
def flights(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A second stack that holds the demo's real data; for reading, so that every test sees all of it."""
    from stupiddb_kernel.local import flights as data
    from stupiddb_kernel.local.stack import Stack

    with Stack.start(tmp_path_factory.mktemp("flights")) as running:
        data.load(running)
        yield running
