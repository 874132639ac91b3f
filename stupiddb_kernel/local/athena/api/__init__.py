"""Athena's actions: one function each, from a checked request to the answer's document."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from stupiddb_kernel.local.athena.api import catalogs, named, queries, workgroups
from stupiddb_kernel.local.athena.clients import Caller
from stupiddb_kernel.local.athena.region import Region

Action = Callable[[Region, Caller, dict[str, Any]], dict[str, Any]]

ACTIONS: dict[str, Action] = {**queries.ACTIONS, **workgroups.ACTIONS, **catalogs.ACTIONS, **named.ACTIONS}
"""What the stand-in does, by Athena's name."""
