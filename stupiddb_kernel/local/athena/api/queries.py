"""Starting, watching and stopping queries, and reading their results."""

from __future__ import annotations

import json
from typing import Any

from stupiddb_kernel.local.athena.api.validation import make_token, page, read_token
from stupiddb_kernel.local.athena.clients import Caller
from stupiddb_kernel.local.athena.errors import InvalidRequest, QueryError
from stupiddb_kernel.local.athena.executions import FAILED, SUCCEEDED, Execution, new_id
from stupiddb_kernel.local.athena.glue import CATALOG, DISPLAY_NAME
from stupiddb_kernel.local.athena.meter import Meter
from stupiddb_kernel.local.athena.region import Region
from stupiddb_kernel.local.athena.statements import Statement, classify
from stupiddb_kernel.local.athena.storage import Location
from stupiddb_kernel.local.athena.workgroups import WorkGroup

Document = dict[str, Any]
_PAGE, _LIST = 1000, 50


def start_query_execution(region: Region, caller: Caller, request: Document) -> Document:
    """Check a query as far as its text and settings tell, and queue it."""
    workgroup = region.workgroups.get(request.get("WorkGroup"))
    if workgroup.state != "ENABLED":
        raise InvalidRequest(f"WorkGroup {workgroup.name} is disabled.")
    context = request.get("QueryExecutionContext") or {}
    catalog = context.get("Catalog") or DISPLAY_NAME
    if catalog.lower() != CATALOG:
        raise InvalidRequest(f"Data catalog {catalog} was not found; only {DISPLAY_NAME} is there")
    statement = _classified(request["QueryString"])
    settings = workgroup.result_configuration(request.get("ResultConfiguration"))
    if settings.get("OutputLocation"):
        _verify_bucket(region, caller, settings["OutputLocation"])
    execution = _execution(request, caller, statement, workgroup, settings, catalog)
    fingerprint = json.dumps({k: v for k, v in request.items() if k != "ClientRequestToken"}, sort_keys=True)
    return {
        "QueryExecutionId": region.executions.start(execution, request.get("ClientRequestToken"), fingerprint)
    }


def _classified(text: str) -> Statement:
    """The statement, parsed far enough that a syntax error is answered at once, as Athena does."""
    try:
        statement = classify(text)
        if statement.query and statement.kind not in ("PREPARE", "EXECUTE"):
            from stupiddb_kernel.local.athena import translate

            translate.parse(statement.query)
    except QueryError as error:
        raise InvalidRequest(error.located, "MALFORMED_QUERY") from error
    return statement


def _verify_bucket(region: Region, caller: Caller, location: str) -> None:
    bucket = Location.parse(location).bucket
    if not region.engine.place(caller, "default").storage.has_bucket(bucket):
        raise InvalidRequest(f"Unable to verify/create output bucket {bucket}")


def _execution(
    request: Document,
    caller: Caller,
    statement: Statement,
    workgroup: WorkGroup,
    settings: Document,
    catalog: str,
) -> Execution:
    reuse = (request.get("ResultReuseConfiguration") or {}).get("ResultReuseByAgeConfiguration") or {}
    return Execution(
        id=new_id(),
        caller=caller,
        text=request["QueryString"],
        statement=statement,
        workgroup=workgroup.name,
        database=((request.get("QueryExecutionContext") or {}).get("Database") or "default").lower(),
        catalog=catalog,
        result_configuration=settings,
        parameters=list(request.get("ExecutionParameters") or ()),
        managed=workgroup.managed,
        reuse_minutes=reuse.get("MaxAgeInMinutes", 60) if reuse.get("Enabled") else None,
        meter=Meter(workgroup.cutoff),
    )


def get_query_execution(region: Region, _: Caller, request: Document) -> Document:
    """All that is known of one query."""
    return {"QueryExecution": region.executions.get(request["QueryExecutionId"]).document()}


def batch_get_query_execution(region: Region, _: Caller, request: Document) -> Document:
    """The same for several."""
    found, missing = [], []
    for query_id in request["QueryExecutionIds"]:
        try:
            found.append(region.executions.get(query_id).document())
        except InvalidRequest as error:
            missing.append(
                {"QueryExecutionId": query_id, "ErrorCode": "INVALID_INPUT", "ErrorMessage": error.message}
            )
    return {"QueryExecutions": found, "UnprocessedQueryExecutionIds": missing}


def list_query_executions(region: Region, _: Caller, request: Document) -> Document:
    """The ids of a workgroup's queries, newest first."""
    workgroup = region.workgroups.get(request.get("WorkGroup"))
    ids = [execution.id for execution in region.executions.of_workgroup(workgroup.name)]
    found, token = page(ids, request, _LIST)
    return {"QueryExecutionIds": found, **token}


def stop_query_execution(region: Region, _: Caller, request: Document) -> Document:
    """Cancel a query."""
    region.executions.stop(region.executions.get(request["QueryExecutionId"]))
    return {}


def get_query_results(region: Region, _: Caller, request: Document) -> Document:
    """One page of a finished query's rows."""
    execution = region.executions.get(request["QueryExecutionId"])
    if execution.state != SUCCEEDED:
        where = "has failed" if execution.state == FAILED else f"is in state {execution.state}"
        raise InvalidRequest(
            f"Query has not yet finished. Current state: {execution.state} (the query {where})"
        )
    if request.get("QueryResultType") == "DATA_MANIFEST":
        raise InvalidRequest("QueryResultType DATA_MANIFEST is only for managed query results")
    result = execution.result
    if result is None:
        raise InvalidRequest("Could not find results")
    offset = read_token(request.get("NextToken"), execution.id)
    limit = request.get("MaxResults") or _PAGE
    try:
        rows = result.page(offset, limit)
    except FileNotFoundError as error:
        raise InvalidRequest("Could not find results") from error
    end = offset + len(rows)
    return {
        "UpdateCount": execution.update_count or 0,
        "ResultSet": {
            "Rows": [{"Data": [{} if v is None else {"VarCharValue": v} for v in row]} for row in rows],
            "ResultSetMetadata": {"ColumnInfo": [column.document() for column in result.columns]},
        },
        **({"NextToken": make_token(end, execution.id)} if end < result.length else {}),
    }


def get_query_runtime_statistics(region: Region, _: Caller, request: Document) -> Document:
    """How long a query took and how much it read."""
    execution = region.executions.get(request["QueryExecutionId"])
    result, meter = execution.result, execution.meter
    output = {"OutputRows": result.rows, "OutputBytes": result.bytes} if result is not None else {}
    rows = {
        "InputRows": meter.rows,
        "InputBytes": execution.document()["Statistics"]["DataScannedInBytes"],
        **output,
    }
    return {"QueryRuntimeStatistics": {"Timeline": execution.times, "Rows": rows}}


ACTIONS = {
    "StartQueryExecution": start_query_execution,
    "GetQueryExecution": get_query_execution,
    "BatchGetQueryExecution": batch_get_query_execution,
    "ListQueryExecutions": list_query_executions,
    "StopQueryExecution": stop_query_execution,
    "GetQueryResults": get_query_results,
    "GetQueryRuntimeStatistics": get_query_runtime_statistics,
}
