"""What the workgroup decides for every query that runs in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from stupiddb_kernel.sources.athena.execution import Throttle


@dataclass(frozen=True)
class Workgroup:
    """A workgroup's settings. ``cutoff`` is in bytes a query; None is no cutoff."""

    name: str
    enabled: bool
    enforced: bool
    """Its own output location wins over the client's."""
    output_location: str | None
    managed: bool
    """Results are kept by Athena; there is no output location."""
    cutoff: int | None
    engine: str | None

    @classmethod
    def read(cls, client: Any, source: str, name: str) -> Workgroup:
        """Raises PermissionDenied without athena:GetWorkGroup, SourceError if there is none of that name."""
        answer = Throttle(source).call(f"read the workgroup {name}", client.get_work_group, WorkGroup=name)
        group = answer["WorkGroup"]
        configuration = group.get("Configuration") or {}
        engine = configuration.get("EngineVersion") or {}
        managed = configuration.get("ManagedQueryResultsConfiguration") or {}
        return cls(
            name,
            group.get("State", "ENABLED") == "ENABLED",
            bool(configuration.get("EnforceWorkGroupConfiguration", False)),
            (configuration.get("ResultConfiguration") or {}).get("OutputLocation") or None,
            bool(managed.get("Enabled", False)),
            configuration.get("BytesScannedCutoffPerQuery"),
            engine.get("EffectiveEngineVersion") or engine.get("SelectedEngineVersion"),
        )
