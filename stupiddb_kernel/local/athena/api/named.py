"""Prepared statements and named queries."""

from __future__ import annotations

from typing import Any

from stupiddb_kernel.local.athena.api.validation import page
from stupiddb_kernel.local.athena.clients import Caller
from stupiddb_kernel.local.athena.errors import ApiError, InvalidRequest, QueryError
from stupiddb_kernel.local.athena.region import PreparedStatement, Region
from stupiddb_kernel.local.athena.statements import classify

Document = dict[str, Any]


def create_prepared_statement(region: Region, _: Caller, request: Document) -> Document:
    """Keep a statement with ``?`` in it."""
    region.prepared.create(_statement(region, request))
    return {}


def update_prepared_statement(region: Region, _: Caller, request: Document) -> Document:
    """Replace one."""
    region.prepared.update(_statement(region, request))
    return {}


def _statement(region: Region, request: Document) -> PreparedStatement:
    workgroup = region.workgroups.get(request["WorkGroup"]).name
    try:
        classify(request["QueryStatement"])
    except QueryError as error:
        raise InvalidRequest(error.located, "MALFORMED_QUERY") from error
    return PreparedStatement(
        request["StatementName"], workgroup, request["QueryStatement"], request.get("Description")
    )


def get_prepared_statement(region: Region, _: Caller, request: Document) -> Document:
    """One by name."""
    return {
        "PreparedStatement": region.prepared.get(request["WorkGroup"], request["StatementName"]).document()
    }


def batch_get_prepared_statement(region: Region, _: Caller, request: Document) -> Document:
    """Several by name."""
    found, missing = [], []
    for name in request["PreparedStatementNames"]:
        try:
            found.append(region.prepared.get(request["WorkGroup"], name).document())
        except ApiError as error:
            missing.append(
                {"StatementName": name, "ErrorCode": "STATEMENT_NOT_FOUND", "ErrorMessage": error.message}
            )
    return {"PreparedStatements": found, "UnprocessedPreparedStatementNames": missing}


def list_prepared_statements(region: Region, _: Caller, request: Document) -> Document:
    """Those of a workgroup."""
    statements = region.prepared.of(region.workgroups.get(request["WorkGroup"]).name)
    found, token = page(statements, request, 50)
    rows = [{"StatementName": s.name, "LastModifiedTime": s.modified.timestamp()} for s in found]
    return {"PreparedStatements": rows, **token}


def delete_prepared_statement(region: Region, _: Caller, request: Document) -> Document:
    """Forget one."""
    region.prepared.drop(request["WorkGroup"], request["StatementName"])
    return {}


def create_named_query(region: Region, _: Caller, request: Document) -> Document:
    """Save a query."""
    workgroup = region.workgroups.get(request.get("WorkGroup")).name
    made = region.named.create(
        request["Name"], request["Database"], request["QueryString"], workgroup, request.get("Description")
    )
    return {"NamedQueryId": made}


def get_named_query(region: Region, _: Caller, request: Document) -> Document:
    """One by id."""
    return {"NamedQuery": region.named.get(request["NamedQueryId"]).document()}


def batch_get_named_query(region: Region, _: Caller, request: Document) -> Document:
    """Several by id."""
    found, missing = [], []
    for query_id in request["NamedQueryIds"]:
        try:
            found.append(region.named.get(query_id).document())
        except InvalidRequest as error:
            missing.append(
                {"NamedQueryId": query_id, "ErrorCode": "INVALID_INPUT", "ErrorMessage": error.message}
            )
    return {"NamedQueries": found, "UnprocessedNamedQueryIds": missing}


def list_named_queries(region: Region, _: Caller, request: Document) -> Document:
    """The ids of a workgroup's named queries."""
    queries = region.named.of(region.workgroups.get(request.get("WorkGroup")).name)
    found, token = page([query.id for query in queries], request, 50)
    return {"NamedQueryIds": found, **token}


def update_named_query(region: Region, _: Caller, request: Document) -> Document:
    """Change one."""
    region.named.update(
        request["NamedQueryId"],
        name=request["Name"],
        query=request["QueryString"],
        description=request.get("Description"),
    )
    return {}


def delete_named_query(region: Region, _: Caller, request: Document) -> Document:
    """Forget one."""
    region.named.delete(request["NamedQueryId"])
    return {}


ACTIONS = {
    "CreatePreparedStatement": create_prepared_statement,
    "UpdatePreparedStatement": update_prepared_statement,
    "GetPreparedStatement": get_prepared_statement,
    "BatchGetPreparedStatement": batch_get_prepared_statement,
    "ListPreparedStatements": list_prepared_statements,
    "DeletePreparedStatement": delete_prepared_statement,
    "CreateNamedQuery": create_named_query,
    "GetNamedQuery": get_named_query,
    "BatchGetNamedQuery": batch_get_named_query,
    "ListNamedQueries": list_named_queries,
    "UpdateNamedQuery": update_named_query,
    "DeleteNamedQuery": delete_named_query,
}
