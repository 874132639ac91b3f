"""Workgroups, engine versions and tags."""

from __future__ import annotations

from typing import Any

from stupiddb_kernel.local.athena.api.validation import page
from stupiddb_kernel.local.athena.clients import Caller
from stupiddb_kernel.local.athena.region import Region
from stupiddb_kernel.local.athena.workgroups import ENGINE

Document = dict[str, Any]


def create_work_group(region: Region, _: Caller, request: Document) -> Document:
    """Make a workgroup."""
    tags = tuple((tag.get("Key", ""), tag.get("Value", "")) for tag in request.get("Tags") or ())
    region.workgroups.create(
        request["Name"], request.get("Configuration") or {}, request.get("Description") or "", tags
    )
    return {}


def get_work_group(region: Region, _: Caller, request: Document) -> Document:
    """One workgroup."""
    return {"WorkGroup": region.workgroups.get(request["WorkGroup"]).document()}


def update_work_group(region: Region, _: Caller, request: Document) -> Document:
    """Change a workgroup."""
    region.workgroups.update(
        request["WorkGroup"],
        request.get("Description"),
        request.get("State"),
        request.get("ConfigurationUpdates") or {},
    )
    return {}


def delete_work_group(region: Region, _: Caller, request: Document) -> Document:
    """Remove a workgroup."""
    region.workgroups.delete(request["WorkGroup"])
    return {}


def list_work_groups(region: Region, _: Caller, request: Document) -> Document:
    """All workgroups."""
    found, token = page([group.summary() for group in region.workgroups.list()], request, 50)
    return {"WorkGroups": found, **token}


def list_engine_versions(_: Region, __: Caller, ___: Document) -> Document:
    """The one engine version."""
    return {"EngineVersions": [ENGINE]}


ACTIONS = {
    "CreateWorkGroup": create_work_group,
    "GetWorkGroup": get_work_group,
    "UpdateWorkGroup": update_work_group,
    "DeleteWorkGroup": delete_work_group,
    "ListWorkGroups": list_work_groups,
    "ListEngineVersions": list_engine_versions,
}
