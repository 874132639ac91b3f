"""Everything one region remembers: workgroups, queries, prepared statements, named queries; in memory."""

from __future__ import annotations

import threading
import uuid
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from stupiddb_kernel.local.athena.engine import Engine
from stupiddb_kernel.local.athena.errors import InvalidRequest, ResourceNotFound
from stupiddb_kernel.local.athena.executions import Execution, Executions
from stupiddb_kernel.local.athena.workgroups import WorkGroups

MAX_NAMED = 5_000
"""Prepared statements, and named queries, that a region may hold."""


@dataclass(frozen=True)
class PreparedStatement:
    """A statement kept under a name in a workgroup."""

    name: str
    workgroup: str
    query: str
    description: str | None = None
    modified: datetime = field(default_factory=lambda: datetime.now(UTC))

    def document(self) -> dict[str, Any]:
        """As GetPreparedStatement answers."""
        return {
            "StatementName": self.name,
            "WorkGroupName": self.workgroup,
            "QueryStatement": self.query,
            "LastModifiedTime": self.modified.timestamp(),
            **({"Description": self.description} if self.description else {}),
        }


class PreparedStatements:
    """The prepared statements of a region, by workgroup and name."""

    def __init__(self) -> None:
        self._all: dict[tuple[str, str], PreparedStatement] = {}
        self._lock = threading.Lock()

    def put(self, workgroup: str, name: str, query: str) -> None:
        """Keep or replace one, as PREPARE does."""
        with self._lock:
            self._room((workgroup, name))
            self._all[workgroup, name] = PreparedStatement(name, workgroup, query)

    def create(self, statement: PreparedStatement) -> None:
        """Keep a new one.

        Raises:
            InvalidRequest: the name is taken.
        """
        key = (statement.workgroup, statement.name)
        with self._lock:
            if key in self._all:
                raise InvalidRequest(
                    f"Prepared statement {statement.name} already exists in workgroup {statement.workgroup}"
                )
            self._room(key)
            self._all[key] = statement

    def update(self, statement: PreparedStatement) -> None:
        """Replace one.

        Raises:
            ResourceNotFound: there is none.
        """
        with self._lock:
            self._find(statement.workgroup, statement.name)
            self._all[statement.workgroup, statement.name] = statement

    def get(self, workgroup: str, name: str) -> PreparedStatement:
        """One by name.

        Raises:
            ResourceNotFound: there is none.
        """
        return self._find(workgroup, name)

    def query(self, workgroup: str, name: str) -> str:
        """The text of one.

        Raises:
            ResourceNotFound: there is none.
        """
        return self._find(workgroup, name).query

    def drop(self, workgroup: str, name: str) -> None:
        """Forget one.

        Raises:
            ResourceNotFound: there is none.
        """
        with self._lock:
            self._find(workgroup, name)
            del self._all[workgroup, name]

    def of(self, workgroup: str) -> list[PreparedStatement]:
        """Those of a workgroup, by name."""
        return sorted((s for s in self._all.values() if s.workgroup == workgroup), key=lambda s: s.name)

    def _find(self, workgroup: str, name: str) -> PreparedStatement:
        found = self._all.get((workgroup, name))
        if found is None:
            raise ResourceNotFound(
                f"PreparedStatement {name} was not found in workGroup {workgroup}", ResourceName=name
            )
        return found

    def _room(self, key: tuple[str, str]) -> None:
        if key not in self._all and len(self._all) >= MAX_NAMED:
            raise InvalidRequest(f"No more than {MAX_NAMED} prepared statements can be kept")


@dataclass(frozen=True)
class NamedQuery:
    """A query saved under a name."""

    id: str
    name: str
    database: str
    query: str
    workgroup: str
    description: str | None = None

    def document(self) -> dict[str, Any]:
        """As GetNamedQuery answers."""
        return {
            "NamedQueryId": self.id,
            "Name": self.name,
            "Database": self.database,
            "QueryString": self.query,
            "WorkGroup": self.workgroup,
            **({"Description": self.description} if self.description else {}),
        }


class NamedQueries:
    """The named queries of a region."""

    def __init__(self) -> None:
        self._all: dict[str, NamedQuery] = {}
        self._lock = threading.Lock()

    def create(self, name: str, database: str, query: str, workgroup: str, description: str | None) -> str:
        """Save one and return its id."""
        with self._lock:
            if len(self._all) >= MAX_NAMED:
                raise InvalidRequest(f"No more than {MAX_NAMED} named queries can be kept")
            made = NamedQuery(str(uuid.uuid4()), name, database, query, workgroup, description)
            self._all[made.id] = made
            return made.id

    def get(self, query_id: str) -> NamedQuery:
        """One by id.

        Raises:
            InvalidRequest: there is none.
        """
        found = self._all.get(query_id)
        if found is None:
            raise InvalidRequest(f"NamedQuery {query_id} was not found")
        return found

    def update(self, query_id: str, **changes: Any) -> None:
        """Change one."""
        with self._lock:
            self._all[query_id] = replace(self.get(query_id), **changes)

    def delete(self, query_id: str) -> None:
        """Forget one."""
        with self._lock:
            self.get(query_id)
            del self._all[query_id]

    def of(self, workgroup: str) -> list[NamedQuery]:
        """Those of a workgroup."""
        return [query for query in self._all.values() if query.workgroup == workgroup]


class Region:
    """One region's state."""

    def __init__(self, name: str, engine: Engine, active: int) -> None:
        self.name = name
        self.engine = engine
        self.workgroups = WorkGroups()
        self.prepared = PreparedStatements()
        self.named = NamedQueries()
        self.executions = Executions(self._run, active)

    def _run(self, execution: Execution) -> None:
        earlier = self.executions.reusable(execution)
        if earlier is not None and self._is_there(earlier):
            execution.result, execution.output, execution.reused = earlier.result, earlier.output, True
            return
        self.engine.run(execution, self.prepared)

    def _is_there(self, earlier: Execution) -> bool:
        from stupiddb_kernel.local.athena.storage import Location

        storage = self.engine.place(earlier.caller, earlier.database).storage
        return earlier.output is None or storage.has_object(Location.parse(earlier.output))
