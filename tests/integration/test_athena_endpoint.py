"""The Athena endpoint as boto3 sees it: every action, over real HTTP, S3 and Glue."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from stupiddb_kernel.local.stack import Stack
from tests.integration.athena_lab import Lab, own_endpoint

TOO_OLD = {"ResultReuseByAgeConfiguration": {"Enabled": True, "MaxAgeInMinutes": 10_081}}
SLOW = "SELECT count(*) FROM numbers a CROSS JOIN numbers b CROSS JOIN numbers c WHERE a.n + b.n + c.n = -1"


@pytest.fixture(scope="module")
def lab(stack: Stack) -> Lab:
    lab = Lab(stack)
    lab.put("numbers/a.parquet", pa.table({"n": pa.array(range(2500), pa.int64())}))
    lab.table("numbers", "n bigint")
    return lab


@pytest.fixture
def workgroup(lab: Lab) -> Iterator[str]:
    name = f"wg-{uuid.uuid4().hex[:8]}"
    yield name
    with contextlib.suppress(lab.athena.exceptions.InvalidRequestException):  # the test may have removed it
        lab.athena.delete_work_group(WorkGroup=name, RecursiveDeleteOption=True)


def refused(call: Any, **request: Any) -> dict[str, Any]:
    """The error an action answers with."""
    with pytest.raises(ClientError) as caught:
        call(**request)
    return caught.value.response


def test_a_query_runs_and_says_all_of_itself(lab: Lab) -> None:
    ran = lab.run("SELECT n, n * 1.5 AS more FROM numbers WHERE n < 2 ORDER BY n")
    assert ran.rows == [("0", "0.0"), ("1", "1.5")]
    execution = ran.execution
    assert (execution["StatementType"], execution["SubstatementType"]) == ("DML", "SELECT")
    assert execution["QueryExecutionContext"]["Database"] == lab.database
    assert execution["WorkGroup"] == "primary"
    assert execution["EngineVersion"]["EffectiveEngineVersion"] == "Athena engine version 3"
    assert execution["Status"]["SubmissionDateTime"] <= execution["Status"]["CompletionDateTime"]
    times = execution["Statistics"]
    assert times["TotalExecutionTimeInMillis"] >= times["EngineExecutionTimeInMillis"] > 0
    assert times["QueryQueueTimeInMillis"] >= 0
    assert times["ResultReuseInformation"] == {"ReusedPreviousResult": False}


def test_columns_carry_athenas_types(lab: Lab) -> None:
    ran = lab.run(
        "SELECT n, cast(1 AS decimal(10,2)) AS d, 'x' AS s, 1e0 AS f, now() AS t FROM numbers LIMIT 1"
    )
    found = {c["Name"]: (c["Type"], c["Precision"], c["Scale"], c["Nullable"]) for c in ran.columns}
    assert found == {
        "n": ("bigint", 19, 0, "UNKNOWN"),
        "d": ("decimal", 10, 2, "UNKNOWN"),
        "s": ("varchar", 2147483647, 0, "UNKNOWN"),
        "f": ("double", 17, 0, "UNKNOWN"),
        "t": ("timestamp with time zone", 3, 0, "UNKNOWN"),
    }


def test_the_result_file_lies_at_its_key_and_is_quoted_as_athena_quotes(lab: Lab) -> None:
    ran = lab.run(
        """SELECT * FROM (VALUES (1, 'a"b', cast(NULL AS varchar)), (2, '', 'x,y')) AS t(i, s, z)"""
    )
    assert ran.output == f"{lab.results}{ran.id}.csv"
    assert lab.read(ran.output) == b'"i","s","z"\n"1","a""b",\n"2","","x,y"\n'
    assert b"varchar" in lab.read(ran.output + ".metadata")


def test_pages_hold_at_most_a_thousand_rows_and_the_header_once(lab: Lab) -> None:
    query = lab.end("SELECT n FROM numbers ORDER BY n").id
    sizes, values, token = [], [], {}
    while True:
        page = lab.athena.get_query_results(QueryExecutionId=query, **token)
        rows = [row["Data"][0]["VarCharValue"] for row in page["ResultSet"]["Rows"]]
        sizes.append(len(rows))
        values += rows
        if "NextToken" not in page:
            break
        token = {"NextToken": page["NextToken"]}
    assert sizes == [1000, 1000, 501]
    assert values == ["n", *map(str, range(2500))]


def test_small_pages_add_up_to_the_same_rows(lab: Lab) -> None:
    query = lab.end("SELECT n FROM numbers WHERE n < 25 ORDER BY n").id
    pages = lab.athena.get_paginator("get_query_results").paginate(
        QueryExecutionId=query, PaginationConfig={"PageSize": 7}
    )
    rows = [row["Data"][0]["VarCharValue"] for page in pages for row in page["ResultSet"]["Rows"]]
    assert rows == ["n", *map(str, range(25))]


def test_a_token_of_another_query_is_refused(lab: Lab) -> None:
    first, second = (lab.end("SELECT n FROM numbers").id for _ in range(2))
    token = lab.athena.get_query_results(QueryExecutionId=first)["NextToken"]
    answer = refused(lab.athena.get_query_results, QueryExecutionId=second, NextToken=token)
    assert answer["Error"]["Code"] == "InvalidRequestException"


def test_an_empty_result_has_a_header_only(lab: Lab) -> None:
    ran = lab.run("SELECT n FROM numbers WHERE n < 0")
    assert ran.rows == []
    assert lab.read(ran.output) == b'"n"\n'


def test_results_of_a_failed_query_are_refused(lab: Lab) -> None:
    ran = lab.end("SELECT nope FROM numbers")
    error = ran.execution["Status"]["AthenaError"]
    assert (error["ErrorCategory"], error["Retryable"]) == (2, False)
    answer = refused(lab.athena.get_query_results, QueryExecutionId=ran.id)
    assert answer["Error"]["Code"] == "InvalidRequestException"
    assert "FAILED" in answer["Error"]["Message"]


def test_the_same_token_starts_a_query_once(lab: Lab) -> None:
    token = uuid.uuid4().hex
    first, again = (lab.start("SELECT 1", ClientRequestToken=token) for _ in range(2))
    assert first == again
    answer = refused(
        lab.athena.start_query_execution,
        QueryString="SELECT 2",
        ClientRequestToken=token,
        ResultConfiguration={"OutputLocation": lab.results},
    )
    assert "Idempotent parameters do not match" in answer["Error"]["Message"]


def test_parameters_fill_question_marks(lab: Lab) -> None:
    sql = "SELECT n, ? AS word, '?' AS mark FROM numbers WHERE n IN (?, ?) -- ?\nORDER BY n"
    ran = lab.run(sql, ExecutionParameters=["'it''s'", "3", "5"])
    assert ran.rows == [("3", "it's", "?"), ("5", "it's", "?")]
    assert ran.execution["ExecutionParameters"] == ["'it''s'", "3", "5"]


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        (["1", "2"], "expected 1 but found 2"),
        (["(SELECT 1)"], "no literal"),
        (["1 FROM numbers"], "no literal"),
        (["word"], "no literal"),
        (["'open"], "no literal"),
    ],
)
def test_parameters_are_literals_and_as_many_as_marks(lab: Lab, values: list[str], complaint: str) -> None:
    reason = lab.fail("SELECT ? AS x", ExecutionParameters=values)
    assert reason.startswith("INVALID_PARAMETER_USAGE")
    assert complaint in reason


def test_a_result_is_reused_while_it_is_young(lab: Lab) -> None:
    reuse = {"ResultReuseByAgeConfiguration": {"Enabled": True, "MaxAgeInMinutes": 5}}
    sql = f"SELECT sum(n) AS total FROM numbers WHERE n > 1 -- {uuid.uuid4()}"
    first = lab.run(sql)
    again = lab.run(sql, ResultReuseConfiguration=reuse)
    assert first.scanned > 0
    assert again.scanned == 0
    assert again.execution["Statistics"]["ResultReuseInformation"]["ReusedPreviousResult"]
    assert (again.rows, again.output) == (first.rows, first.output)
    assert not lab.run(sql).execution["Statistics"]["ResultReuseInformation"]["ReusedPreviousResult"]


def test_a_result_is_not_reused_for_other_parameters_or_when_its_file_is_gone(lab: Lab) -> None:
    reuse = {"ResultReuseByAgeConfiguration": {"Enabled": True, "MaxAgeInMinutes": 5}}
    sql = f"SELECT count(*) AS total FROM numbers WHERE n > ? -- {uuid.uuid4()}"
    first = lab.run(sql, ExecutionParameters=["1"])
    other = lab.run(sql, ExecutionParameters=["2"], ResultReuseConfiguration=reuse)
    assert other.rows != first.rows
    lab.s3.delete_object(Bucket=lab.bucket, Key=first.output.split("/", 3)[3])
    again = lab.run(sql, ExecutionParameters=["1"], ResultReuseConfiguration=reuse)
    assert again.scanned == first.scanned > 0


def test_stop_cancels_a_running_query_within_a_second(lab: Lab) -> None:
    query = lab.start(SLOW)
    while (
        lab.athena.get_query_execution(QueryExecutionId=query)["QueryExecution"]["Status"]["State"]
        != "RUNNING"
    ):
        time.sleep(0.02)
    time.sleep(0.3)
    began = time.monotonic()
    lab.athena.stop_query_execution(QueryExecutionId=query)
    execution = lab.wait(query, 5)
    assert time.monotonic() - began < 1
    assert execution["Status"]["State"] == "CANCELLED"
    assert execution["Statistics"]["DataScannedInBytes"] > 0
    lab.athena.stop_query_execution(QueryExecutionId=query)
    assert lab.run("SELECT 1 AS x").rows == [("1",)]


def test_several_queries_are_told_at_once_and_listed_newest_first(lab: Lab, workgroup: str) -> None:
    lab.athena.create_work_group(
        Name=workgroup, Configuration={"ResultConfiguration": {"OutputLocation": lab.results}}
    )
    ids = [lab.end(f"SELECT {i} AS x", WorkGroup=workgroup).id for i in range(3)]
    answer = lab.athena.batch_get_query_execution(QueryExecutionIds=[*ids, "nope"])
    assert [e["QueryExecutionId"] for e in answer["QueryExecutions"]] == ids
    assert [e["QueryExecutionId"] for e in answer["UnprocessedQueryExecutionIds"]] == ["nope"]
    first = lab.athena.list_query_executions(WorkGroup=workgroup, MaxResults=2)
    rest = lab.athena.list_query_executions(WorkGroup=workgroup, MaxResults=2, NextToken=first["NextToken"])
    assert first["QueryExecutionIds"] + rest["QueryExecutionIds"] == ids[::-1]
    assert "NextToken" not in rest


def test_runtime_statistics_count_rows_and_bytes(lab: Lab) -> None:
    ran = lab.run("SELECT n FROM numbers WHERE n < 10")
    found = lab.athena.get_query_runtime_statistics(QueryExecutionId=ran.id)["QueryRuntimeStatistics"]
    assert found["Rows"]["InputRows"] == 2500
    assert found["Rows"]["InputBytes"] == ran.scanned
    assert found["Rows"]["OutputRows"] == 10
    assert found["Timeline"]["TotalExecutionTimeInMillis"] >= 0


def test_workgroups_are_made_changed_listed_and_removed(lab: Lab, workgroup: str) -> None:
    athena = lab.athena
    athena.create_work_group(Name=workgroup, Description="first", Tags=[{"Key": "a", "Value": "b"}])
    made = athena.get_work_group(WorkGroup=workgroup)["WorkGroup"]
    assert (made["State"], made["Description"]) == ("ENABLED", "first")
    assert made["Configuration"]["EnforceWorkGroupConfiguration"] is True
    athena.update_work_group(
        WorkGroup=workgroup,
        State="DISABLED",
        ConfigurationUpdates={
            "BytesScannedCutoffPerQuery": 10_000_000,
            "ResultConfigurationUpdates": {"OutputLocation": lab.results},
        },
    )
    changed = athena.get_work_group(WorkGroup=workgroup)["WorkGroup"]
    assert changed["Configuration"]["BytesScannedCutoffPerQuery"] == 10_000_000
    assert changed["Configuration"]["ResultConfiguration"]["OutputLocation"] == lab.results
    assert (
        "disabled"
        in refused(athena.start_query_execution, QueryString="SELECT 1", WorkGroup=workgroup)["Error"][
            "Message"
        ]
    )
    athena.update_work_group(
        WorkGroup=workgroup, ConfigurationUpdates={"RemoveBytesScannedCutoffPerQuery": True}
    )
    assert (
        "BytesScannedCutoffPerQuery"
        not in athena.get_work_group(WorkGroup=workgroup)["WorkGroup"]["Configuration"]
    )
    assert {"primary", workgroup} <= {w["Name"] for w in athena.list_work_groups()["WorkGroups"]}
    assert "already created" in refused(athena.create_work_group, Name=workgroup)["Error"]["Message"]
    athena.delete_work_group(WorkGroup=workgroup)
    assert "not found" in refused(athena.get_work_group, WorkGroup=workgroup)["Error"]["Message"]
    assert "primary" in refused(athena.delete_work_group, WorkGroup="primary")["Error"]["Message"]


def test_a_cutoff_below_ten_megabytes_is_refused(lab: Lab, workgroup: str) -> None:
    raw = Lab(lab.stack, _unchecked(lab.stack, lab.stack.athena_endpoint)).athena
    answer = refused(
        raw.create_work_group, Name=workgroup, Configuration={"BytesScannedCutoffPerQuery": 9_999_999}
    )
    assert answer["Error"]["Code"] == "InvalidRequestException"
    assert "10000000" in answer["Error"]["Message"]


def test_an_enforced_workgroup_decides_where_results_go(lab: Lab, workgroup: str) -> None:
    own = f"s3://{lab.bucket}/enforced/"
    settings = {"ResultConfiguration": {"OutputLocation": own}, "EnforceWorkGroupConfiguration": True}
    lab.athena.create_work_group(Name=workgroup, Configuration=settings)
    assert lab.run("SELECT 1 AS x", WorkGroup=workgroup).output.startswith(own)
    lab.athena.update_work_group(
        WorkGroup=workgroup, ConfigurationUpdates={"EnforceWorkGroupConfiguration": False}
    )
    assert lab.run("SELECT 1 AS x", WorkGroup=workgroup).output.startswith(lab.results)


def test_managed_results_have_no_output_location(lab: Lab, workgroup: str) -> None:
    lab.athena.create_work_group(
        Name=workgroup, Configuration={"ManagedQueryResultsConfiguration": {"Enabled": True}}
    )
    context = {"Database": lab.database}
    query = lab.athena.start_query_execution(
        QueryString="SELECT max(n) AS top FROM numbers", WorkGroup=workgroup, QueryExecutionContext=context
    )["QueryExecutionId"]
    execution = lab.wait(query)
    assert "OutputLocation" not in execution["ResultConfiguration"]
    assert execution["ManagedQueryResultsConfiguration"]["Enabled"]
    rows = lab.athena.get_query_results(QueryExecutionId=query)["ResultSet"]["Rows"]
    assert rows == [{"Data": [{"VarCharValue": "top"}]}, {"Data": [{"VarCharValue": "2499"}]}]


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"ResultConfiguration": {}}, "No output location"),
        ({"ResultConfiguration": {"OutputLocation": "file:///tmp/x"}}, "not a valid S3 path"),
        ({"ResultConfiguration": {"OutputLocation": "s3://no-such-bucket/"}}, "Unable to verify/create"),
        ({"WorkGroup": "nobody"}, "WorkGroup nobody is not found"),
        ({"QueryExecutionContext": {"Catalog": "hive"}}, "Data catalog hive was not found"),
        ({"QueryString": "x" * 262_145}, "262144"),
        ({"ClientRequestToken": "short"}, "32"),
        ({"WorkGroup": "a b"}, "regular expression"),
        ({"ResultReuseConfiguration": TOO_OLD}, "10080"),
        ({"QueryString": "SELECT 1; SELECT 2"}, "Only one sql statement is allowed"),
        ({"QueryString": "-- nothing"}, "empty or contains only comments"),
        ({"QueryString": "DELETE FROM numbers"}, "Queries of this type are not supported"),
        ({"QueryString": "SELEC 1"}, "line 1:1: mismatched input 'SELEC'"),
        ({"QueryString": "SELECT n FROM numbers WHERE"}, "line 1:28: mismatched input '<EOF>'"),
    ],
)  # fmt: skip
def test_a_wrong_start_is_refused_at_once(lab: Lab, change: dict[str, Any], complaint: str) -> None:
    request = {"QueryString": "SELECT 1", "ResultConfiguration": {"OutputLocation": lab.results}, **change}
    raw = _unchecked(lab.stack, lab.stack.athena_endpoint)
    answer = refused(raw.start_query_execution, **request)
    assert answer["Error"]["Code"] == "InvalidRequestException"
    assert answer["AthenaErrorCode"]
    assert complaint in answer["Error"]["Message"]


def test_the_catalog_is_told_as_glue_has_it(lab: Lab) -> None:
    athena = lab.athena
    assert athena.list_data_catalogs()["DataCatalogsSummary"] == [
        {"CatalogName": "AwsDataCatalog", "Type": "GLUE"}
    ]
    assert athena.get_data_catalog(Name="awsdatacatalog")["DataCatalog"]["Type"] == "GLUE"
    databases = athena.list_databases(CatalogName="AwsDataCatalog")["DatabaseList"]
    assert lab.database in [entry["Name"] for entry in databases]
    assert (
        athena.get_database(CatalogName="AwsDataCatalog", DatabaseName=lab.database)["Database"]["Name"]
        == lab.database
    )
    where = {"CatalogName": "AwsDataCatalog", "DatabaseName": lab.database}
    listed = athena.list_table_metadata(**where, Expression="numb*")["TableMetadataList"]
    assert [table["Name"] for table in listed] == ["numbers"]
    table = athena.get_table_metadata(**where, TableName="NUMBERS")["TableMetadata"]
    assert table["Columns"] == [{"Name": "n", "Type": "bigint"}]
    assert table["Parameters"]["location"] == f"s3://{lab.bucket}/numbers/"
    missing = refused(athena.get_table_metadata, **where, TableName="nope")
    assert missing["Error"]["Code"] == "MetadataException"
    assert "Error Code: EntityNotFoundException" in missing["Error"]["Message"]


def test_many_tables_are_listed_in_pages(lab: Lab) -> None:
    other = Lab(lab.stack)
    for index in range(53):
        other.glue.create_table(
            DatabaseName=other.database,
            TableInput={
                "Name": f"t{index:02d}",
                "StorageDescriptor": {"Columns": [{"Name": "a", "Type": "int"}]},
            },
        )
    pages = list(
        other.athena.get_paginator("list_table_metadata").paginate(
            CatalogName="AwsDataCatalog", DatabaseName=other.database
        )
    )
    assert [len(page["TableMetadataList"]) for page in pages] == [50, 3]


def test_prepared_statements_over_the_interface_and_in_sql(lab: Lab, workgroup: str) -> None:
    athena = lab.athena
    athena.create_work_group(
        Name=workgroup, Configuration={"ResultConfiguration": {"OutputLocation": lab.results}}
    )
    key = {"WorkGroup": workgroup, "StatementName": "top_n"}
    athena.create_prepared_statement(
        **key, QueryStatement="SELECT n FROM numbers WHERE n < ? AND n > ? ORDER BY n"
    )
    assert "n < ?" in athena.get_prepared_statement(**key)["PreparedStatement"]["QueryStatement"]
    assert lab.run("EXECUTE top_n USING 5, 2", WorkGroup=workgroup).rows == [("3",), ("4",)]
    assert lab.run("EXECUTE top_n", WorkGroup=workgroup, ExecutionParameters=["2", "0"]).rows == [("1",)]
    athena.update_prepared_statement(**key, QueryStatement="SELECT 7 AS x")
    assert lab.run("EXECUTE top_n", WorkGroup=workgroup).rows == [("7",)]
    lab.run("PREPARE other FROM SELECT count(*) AS c FROM numbers WHERE n = ?", WorkGroup=workgroup)
    listed = athena.list_prepared_statements(WorkGroup=workgroup)["PreparedStatements"]
    assert [s["StatementName"] for s in listed] == ["other", "top_n"]
    assert lab.run("EXECUTE other USING 1", WorkGroup=workgroup).rows == [("1",)]
    lab.run("DEALLOCATE PREPARE other", WorkGroup=workgroup)
    found = athena.batch_get_prepared_statement(
        WorkGroup=workgroup, PreparedStatementNames=["top_n", "other"]
    )
    assert [s["StatementName"] for s in found["PreparedStatements"]] == ["top_n"]
    assert [s["StatementName"] for s in found["UnprocessedPreparedStatementNames"]] == ["other"]
    athena.delete_prepared_statement(**key)
    assert refused(athena.get_prepared_statement, **key)["Error"]["Code"] == "ResourceNotFoundException"


def test_named_queries(lab: Lab) -> None:
    athena = lab.athena
    made = athena.create_named_query(Name="a", Database="d", QueryString="SELECT 1", Description="x")[
        "NamedQueryId"
    ]
    athena.update_named_query(NamedQueryId=made, Name="b", QueryString="SELECT 2")
    assert athena.get_named_query(NamedQueryId=made)["NamedQuery"]["QueryString"] == "SELECT 2"
    assert made in athena.list_named_queries()["NamedQueryIds"]
    found = athena.batch_get_named_query(NamedQueryIds=[made, "nope"])
    assert (len(found["NamedQueries"]), len(found["UnprocessedNamedQueryIds"])) == (1, 1)
    athena.delete_named_query(NamedQueryId=made)
    assert refused(athena.get_named_query, NamedQueryId=made)["Error"]["Code"] == "InvalidRequestException"


@pytest.mark.parametrize(
    ("action", "request_"),
    [
        ("start_session", {"WorkGroup": "primary", "EngineConfiguration": {"MaxConcurrentDpus": 2}}),
        ("create_capacity_reservation", {"TargetDpus": 24, "Name": "x"}),
        ("create_data_catalog", {"Name": "x", "Type": "GLUE"}),
        ("list_notebook_metadata", {"WorkGroup": "primary"}),
    ],
)
def test_what_is_not_done_is_refused_by_name(lab: Lab, action: str, request_: dict[str, Any]) -> None:
    answer = refused(getattr(lab.athena, action), **request_)
    assert answer["Error"]["Code"] == "UnknownOperationException"
    assert "not supported by stupiddb's stand-in" in answer["Error"]["Message"]


def test_the_server_names_itself_and_wants_a_signature(stack: Stack) -> None:
    request = urllib.request.Request(
        stack.athena_endpoint, b"{}", {"X-Amz-Target": "AmazonAthena.ListWorkGroups"}, method="POST"
    )
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request, timeout=10)
    assert caught.value.code == 403
    assert caught.value.headers["Server"] == "stupiddb-athena-stand-in"
    assert json.loads(caught.value.read())["__type"] == "MissingAuthenticationTokenException"


def test_bodies_that_are_no_request_are_refused(stack: Stack) -> None:
    signed = {
        "X-Amz-Target": "AmazonAthena.ListWorkGroups",
        "Authorization": "AWS4-HMAC-SHA256 Credential=k/20260101/us-east-1/athena/aws4_request, Signature=0",
    }
    for body, target in ((b"\xff{", None), (b"[]", None), (b"{}", "AmazonAthena.Nope"), (b"{}", "S3.Get")):
        headers = {**signed, "X-Amz-Target": target or signed["X-Amz-Target"]}
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(urllib.request.Request(stack.athena_endpoint, body, headers), timeout=10)
        assert caught.value.code == 400
        assert "__type" in json.loads(caught.value.read())


def test_regions_do_not_see_each_other(lab: Lab) -> None:
    elsewhere = _client(lab.stack, lab.stack.athena_endpoint, region="eu-west-1")
    query = lab.end("SELECT 1 AS x").id
    assert "not found" in refused(elsewhere.get_query_execution, QueryExecutionId=query)["Error"][
        "Message"
    ].replace("was ", "")


def test_twenty_queries_at_once(lab: Lab) -> None:
    def total(low: int) -> str | None:
        return lab.run(f"SELECT sum(n) AS s FROM numbers WHERE n >= {low}").rows[0][0]

    with ThreadPoolExecutor(20) as pool:
        found = list(pool.map(total, range(0, 2000, 100)))
    assert found == [str(sum(range(low, 2500))) for low in range(0, 2000, 100)]


def test_refusals_on_demand_are_retried_by_clients(lab: Lab) -> None:
    def order(times: int) -> None:
        body = json.dumps({"action": "StartQueryExecution", "times": times}).encode()
        urllib.request.urlopen(f"{lab.stack.athena_endpoint}/_stupiddb/throttle", body, timeout=10).close()

    once = _client(lab.stack, lab.stack.athena_endpoint, retries={"total_max_attempts": 1})
    order(1)
    request = {"QueryString": "SELECT 1", "ResultConfiguration": {"OutputLocation": lab.results}}
    answer = refused(once.start_query_execution, **request)
    assert answer["Error"]["Code"] == "TooManyRequestsException"
    order(2)
    patient = _client(
        lab.stack, lab.stack.athena_endpoint, retries={"total_max_attempts": 4, "mode": "standard"}
    )
    answer = patient.start_query_execution(**request)
    assert answer["ResponseMetadata"]["RetryAttempts"] == 2


def test_rates_and_queues_have_limits(stack: Stack, tmp_path: Path) -> None:
    options = ("--start-rate", "0.1", "--start-burst", "3", "--active-queries", "1")
    with own_endpoint(tmp_path, stack.aws_endpoint, *options) as (url, _):
        lab = Lab(stack, _client(stack, url, retries={"total_max_attempts": 1}))
        lab.put("numbers/a.parquet", pa.table({"n": pa.array(range(2500), pa.int64())}))
        lab.glue.create_table(DatabaseName=lab.database, TableInput=_numbers(lab))
        running = lab.start(SLOW)
        waiting = lab.start("SELECT 1 AS x")
        time.sleep(0.3)
        state = lab.athena.get_query_execution(QueryExecutionId=waiting)["QueryExecution"]["Status"]["State"]
        assert state == "QUEUED"
        lab.start("SELECT 2 AS x")
        answer = refused(
            lab.athena.start_query_execution,
            QueryString="SELECT 3",
            ResultConfiguration={"OutputLocation": lab.results},
        )
        assert answer["Error"]["Code"] == "TooManyRequestsException"
        lab.athena.stop_query_execution(QueryExecutionId=running)
        assert lab.wait(waiting)["Statistics"]["QueryQueueTimeInMillis"] >= 200


def test_it_is_up_in_a_second_and_ends_on_sigterm_leaving_only_its_log(stack: Stack, tmp_path: Path) -> None:
    began = time.monotonic()
    with own_endpoint(tmp_path / "private", stack.aws_endpoint) as (url, process):
        assert time.monotonic() - began < 10  # about 0.2 s on an idle machine
        lab = Lab(stack, _client(stack, url))
        assert lab.run("SELECT 1 AS x").rows == [("1",)]
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    assert [path.name for path in (tmp_path / "private").iterdir()] == ["athena.log"]


def test_it_ends_with_the_process_that_started_it(stack: Stack, tmp_path: Path) -> None:
    script = (
        "import subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-m', 'stupiddb_kernel.local.athena', *sys.argv[1:]])\n"
        "print(child.pid, flush=True)\n"
        "child.wait()\n"
    )
    from stupiddb_kernel.local.ports import free_ports

    (port,) = free_ports(1)
    arguments = [
        "--port",
        str(port),
        "--s3-endpoint",
        stack.aws_endpoint,
        "--glue-endpoint",
        stack.aws_endpoint,
    ]
    parent = subprocess.Popen(
        [sys.executable, "-c", script, *arguments, "--folder", str(tmp_path)], stdout=subprocess.PIPE
    )
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    _wait_for(lambda: _answers(f"http://127.0.0.1:{port}/_stupiddb/ready"))
    parent.kill()
    parent.wait()
    _wait_for(lambda: not _alive(child))


def test_a_fault_in_one_query_leaves_the_others_alone(lab: Lab) -> None:
    lab.s3.put_object(Bucket=lab.bucket, Key="broken/a.parquet", Body=b"PAR1 this is no parquet PAR1")
    lab.table("broken", "n bigint")
    results: list[str] = []
    threads = [
        threading.Thread(target=lambda: results.append(lab.fail("SELECT sum(n) FROM broken")))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    good = [lab.run("SELECT count(*) AS c FROM numbers").rows for _ in range(4)]
    for thread in threads:
        thread.join()
    assert good == [[("2500",)]] * 4
    assert len(results) == 4
    assert all(reason.startswith("HIVE_BAD_DATA: Not valid Parquet file") for reason in results)


def _numbers(lab: Lab) -> dict[str, Any]:
    return {
        "Name": "numbers",
        "TableType": "EXTERNAL_TABLE",
        "StorageDescriptor": {
            "Columns": [{"Name": "n", "Type": "bigint"}],
            "Location": f"s3://{lab.bucket}/numbers/",
            "SerdeInfo": {
                "SerializationLibrary": "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"
            },
        },
    }


def _client(stack: Stack, url: str, region: str | None = None, **config: Any) -> Any:
    import boto3

    known = stack.environment()
    return boto3.client(
        "athena",
        endpoint_url=url,
        region_name=region or known["AWS_DEFAULT_REGION"],
        aws_access_key_id=known["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=known["AWS_SECRET_ACCESS_KEY"],
        config=Config(**config),
    )


def _unchecked(stack: Stack, url: str) -> Any:
    """A client that sends what it is given, so that the server has to check it."""
    return _client(stack, url, parameter_validation=False)


def _answers(url: str) -> bool:
    try:
        urllib.request.urlopen(url, timeout=2).close()
    except OSError:
        return False
    return True


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().split(")")[1].split()[0] != "Z"


def _wait_for(condition: Any, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.1)
