"""Workgroups: where results go, how much a query may scan, and whether clients may say otherwise."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from stupiddb_kernel.local.athena.errors import InvalidRequest
from stupiddb_kernel.local.athena.storage import Location

PRIMARY = "primary"
ENGINE = {"SelectedEngineVersion": "AUTO", "EffectiveEngineVersion": "Athena engine version 3"}
MIN_CUTOFF = 10_000_000
_UPDATED = {
    "EnforceWorkGroupConfiguration",
    "PublishCloudWatchMetricsEnabled",
    "BytesScannedCutoffPerQuery",
    "RequesterPaysEnabled",
    "EngineVersion",
    "AdditionalConfiguration",
    "ExecutionRole",
    "CustomerContentEncryptionConfiguration",
    "EnableMinimumEncryptionConfiguration",
}


@dataclass(frozen=True)
class WorkGroup:
    """One workgroup; ``configuration`` is Athena's WorkGroupConfiguration as it goes over the wire."""

    name: str
    configuration: dict[str, Any]
    description: str = ""
    state: str = "ENABLED"
    created: datetime = field(default_factory=lambda: datetime.now(UTC))
    tags: tuple[tuple[str, str], ...] = ()

    @property
    def enforced(self) -> bool:
        """Whether the client's result settings are ignored."""
        return bool(self.configuration.get("EnforceWorkGroupConfiguration"))

    @property
    def cutoff(self) -> int | None:
        """Bytes a query may scan."""
        cutoff: int | None = self.configuration.get("BytesScannedCutoffPerQuery")
        return cutoff

    @property
    def managed(self) -> bool:
        """Whether Athena keeps the results itself, so that there is no output location."""
        return bool((self.configuration.get("ManagedQueryResultsConfiguration") or {}).get("Enabled"))

    @property
    def output_location(self) -> str | None:
        """The workgroup's own output location."""
        location: str | None = (self.configuration.get("ResultConfiguration") or {}).get("OutputLocation")
        return location or None

    def result_configuration(self, asked: dict[str, Any] | None) -> dict[str, Any]:
        """The result settings a query runs with.

        Raises:
            InvalidRequest: there is no output location, or none of S3.
        """
        if self.managed:
            if asked and asked.get("OutputLocation"):
                raise InvalidRequest(
                    "The workgroup uses managed query results, so OutputLocation can't be set"
                )
            return {}
        own = self.configuration.get("ResultConfiguration") or {}
        chosen = own if self.enforced and self.output_location else {**own, **(asked or {})}
        location = chosen.get("OutputLocation")
        if not location:
            raise InvalidRequest(
                "No output location provided. An output location is required either through "
                "the Workgroup result "
                "configuration setting or as an API input."
            )
        check_location(location)
        return dict(chosen)

    def document(self) -> dict[str, Any]:
        """As GetWorkGroup answers."""
        return {
            "Name": self.name,
            "State": self.state,
            "Configuration": {**self.configuration, "EngineVersion": ENGINE},
            "Description": self.description,
            "CreationTime": self.created.timestamp(),
        }

    def summary(self) -> dict[str, Any]:
        """As ListWorkGroups answers."""
        return {
            "Name": self.name,
            "State": self.state,
            "Description": self.description,
            "CreationTime": self.created.timestamp(),
            "EngineVersion": ENGINE,
        }


def check_location(text: str) -> None:
    """Refuse what is no S3 location.

    Raises:
        InvalidRequest: it is none.
    """
    try:
        Location.parse(text)
    except ValueError as error:
        raise InvalidRequest(f"outputLocation is not a valid S3 path. {error}") from error


class WorkGroups:
    """The workgroups of one region. ``primary`` is always there."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._all = {PRIMARY: WorkGroup(PRIMARY, _complete({"EnforceWorkGroupConfiguration": False}))}

    def get(self, name: str | None) -> WorkGroup:
        """A workgroup by name.

        Raises:
            InvalidRequest: there is none.
        """
        found = self._all.get(name or PRIMARY)
        if found is None:
            raise InvalidRequest(f"WorkGroup {name} is not found.")
        return found

    def list(self) -> list[WorkGroup]:
        """All of them, by name."""
        return [self._all[name] for name in sorted(self._all)]

    def create(
        self, name: str, configuration: dict[str, Any], description: str, tags: tuple[tuple[str, str], ...]
    ) -> None:
        """Make one.

        Raises:
            InvalidRequest: it exists, or its settings are wrong.
        """
        checked = _complete(configuration)
        with self._lock:
            if name in self._all:
                raise InvalidRequest(f"WorkGroup {name} is already created")
            self._all[name] = WorkGroup(name, checked, description, tags=tags)

    def update(self, name: str, description: str | None, state: str | None, updates: dict[str, Any]) -> None:
        """Change one.

        Raises:
            InvalidRequest: there is none, or the new settings are wrong.
        """
        with self._lock:
            old = self.get(name)
            merged = _merge(dict(old.configuration), updates)
            self._all[name] = replace(
                old,
                configuration=_complete(merged),
                description=old.description if description is None else description,
                state=state or old.state,
            )

    def delete(self, name: str) -> None:
        """Remove one.

        Raises:
            InvalidRequest: there is none, or it is ``primary``.
        """
        with self._lock:
            if name == PRIMARY:
                raise InvalidRequest("The primary workgroup can't be deleted")
            self.get(name)
            del self._all[name]


def _complete(configuration: dict[str, Any]) -> dict[str, Any]:
    done = {
        "EnforceWorkGroupConfiguration": True,
        "PublishCloudWatchMetricsEnabled": False,
        "RequesterPaysEnabled": False,
        **configuration,
    }
    cutoff = done.get("BytesScannedCutoffPerQuery")
    if cutoff is not None and cutoff < MIN_CUTOFF:
        raise InvalidRequest(
            f"BytesScannedCutoffPerQuery must be at least {MIN_CUTOFF} bytes, found {cutoff}"
        )
    if location := (done.get("ResultConfiguration") or {}).get("OutputLocation"):
        check_location(location)
        if (done.get("ManagedQueryResultsConfiguration") or {}).get("Enabled"):
            raise InvalidRequest("Managed query results can't be enabled together with an OutputLocation")
    return done


def _merge(configuration: dict[str, Any], updates: dict[str, Any]) -> dict[str, Any]:
    for name in _UPDATED & updates.keys():
        configuration[name] = updates[name]
    if updates.get("RemoveBytesScannedCutoffPerQuery"):
        configuration.pop("BytesScannedCutoffPerQuery", None)
    for name in ("ResultConfiguration", "ManagedQueryResultsConfiguration"):
        changes = updates.get(f"{name}Updates")
        if changes is None:
            continue
        merged = dict(configuration.get(name) or {})
        for key, value in changes.items():
            if not key.startswith("Remove"):
                merged[key] = value
            elif value:
                merged.pop(key.removeprefix("Remove"), None)
        configuration[name] = merged
    return configuration
