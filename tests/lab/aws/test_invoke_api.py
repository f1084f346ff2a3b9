"""The Invoke API answers boto3 as Lambda does."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.lab.aws.conftest import Caller, poll

ARN = "arn:aws:lambda:us-east-1:123456789012:function"
MB = 1024 * 1024


def refusal(caught: pytest.ExceptionInfo[ClientError]) -> tuple[int, str]:
    """HTTP status and error code."""
    answer: Any = caught.value.response
    return answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"]


@pytest.mark.parametrize(
    ("reference", "qualifier", "version", "seen_as"),
    [
        ("echo", None, "$LATEST", f"{ARN}:echo"),
        ("echo", "$LATEST", "$LATEST", f"{ARN}:echo:$LATEST"),
        ("echo", "live", "1", f"{ARN}:echo:live"),
        ("echo", "1", "1", f"{ARN}:echo:1"),
        ("echo:blue", None, "1", f"{ARN}:echo:blue"),
        ("123456789012:function:echo", None, "$LATEST", f"{ARN}:echo"),
        ("123456789012:function:echo:live", None, "1", f"{ARN}:echo:live"),
        (f"{ARN}:echo", None, "$LATEST", f"{ARN}:echo"),
        (f"{ARN}:echo:live", "live", "1", f"{ARN}:echo:live"),
    ],
)
def test_names_arns_and_qualifiers(
    shared: Caller, reference: str, qualifier: str | None, version: str, seen_as: str
) -> None:
    arguments = {"Qualifier": qualifier} if qualifier else {}
    reply = shared.invoke(reference, **arguments)
    assert (reply.version, reply.payload["version"], reply.payload["arn"]) == (version, version, seen_as)


@pytest.mark.parametrize(
    ("reference", "qualifier", "missing"),
    [
        ("nothing", None, f"{ARN}:nothing"),
        ("echo", "gone", f"{ARN}:echo:gone"),
        ("echo:2", None, f"{ARN}:echo:2"),
    ],
)
def test_a_function_or_alias_that_is_not_there_is_404(
    shared: Caller, reference: str, qualifier: str | None, missing: str
) -> None:
    arguments = {"Qualifier": qualifier} if qualifier else {}
    with pytest.raises(ClientError, match=f"Function not found: {missing}") as caught:
        shared.invoke(reference, **arguments)
    assert refusal(caught) == (404, "ResourceNotFoundException")


def test_two_qualifiers_that_differ_are_refused(shared: Caller) -> None:
    with pytest.raises(ClientError, match="does not match the specified qualifier") as caught:
        shared.invoke(f"{ARN}:echo:live", Qualifier="blue")
    assert refusal(caught) == (400, "ValidationException")


def test_no_payload_is_an_empty_event(shared: Caller) -> None:
    assert shared.invoke("echo", Payload=b"").payload["event"] == {}


@pytest.mark.parametrize("event", [None, 7, "ö", [1, {"a": None}], {"nested": {"list": [1.5, True]}}])
def test_events_and_answers_are_any_json(shared: Caller, event: Any) -> None:
    assert shared.invoke("echo", Payload=json.dumps(event).encode()).payload["event"] == event


@pytest.mark.parametrize("payload", [b"{", b"abc", b"\xff\xfe", b"{'a': 1}"])
def test_a_payload_that_is_not_json_never_reaches_the_function(shared: Caller, payload: bytes) -> None:
    with pytest.raises(ClientError, match="Could not parse request body into json") as caught:
        shared.invoke("echo", Payload=payload)
    assert refusal(caught) == (400, "InvalidRequestContentException")


def test_an_unknown_invocation_type_is_refused(shared: Caller) -> None:
    with pytest.raises(ClientError, match=r"enum value set: \[RequestResponse, Event, DryRun\]") as caught:
        shared.invoke("echo", InvocationType="Later")
    assert refusal(caught) == (400, "InvalidParameterValueException")


def test_a_payload_over_6_mb_is_413_and_one_below_is_not(shared: Caller) -> None:
    def payload(size: int) -> bytes:
        return b'"' + b"x" * (size - 2) + b'"'

    with pytest.raises(ClientError, match="must be smaller than 6291456 bytes") as caught:
        shared.invoke("fail", Payload=payload(6 * MB + 1))
    assert refusal(caught) == (413, "RequestTooLargeException")
    assert shared.invoke("fail", Payload=payload(6 * MB)).error == "Unhandled"
    with pytest.raises(ClientError, match="too large for the Event invocation type") as caught:
        shared.invoke("fail", Payload=payload(MB + 1), InvocationType="Event")
    assert refusal(caught) == (413, "RequestTooLargeException")


def test_an_answer_over_6_mb_is_the_functions_error(shared: Caller) -> None:
    assert len(shared.invoke("big", {"bytes": 6 * MB}).payload) == 6 * MB
    reply = shared.invoke("big", {"bytes": 6 * MB + 100})
    assert reply.error == "Unhandled"
    assert reply.payload["errorType"] == "Function.ResponseSizeTooLarge"
    assert "exceeded maximum allowed payload size (6291556 bytes)" in reply.payload["errorMessage"]
    assert shared.invoke("big", {"bytes": 1}).payload == "x"


def test_what_the_handler_raises_is_an_unhandled_error_with_its_trace(shared: Caller) -> None:
    reply = shared.invoke("fail")
    assert reply.error == "Unhandled"
    assert reply.payload["errorType"] == "KeyError"
    assert reply.payload["errorMessage"] == "'the cupboard is bare'"
    assert 'raise KeyError("the cupboard is bare")' in "".join(reply.payload["stackTrace"])
    assert "[ERROR] KeyError: 'the cupboard is bare'" in reply.log


def test_dry_run_runs_nothing(shared: Caller, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    arguments = {"FunctionName": "append", "Payload": json.dumps({"file": str(trace)}).encode()}
    answer = shared.client("lambda").invoke(InvocationType="DryRun", **arguments)
    assert (answer["StatusCode"], answer["Payload"].read()) == (204, b"")
    assert not trace.exists()


def test_an_event_is_accepted_at_once_and_runs_once(shared: Caller, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    arguments = {"FunctionName": "append", "Payload": json.dumps({"file": str(trace)}).encode()}
    answer = shared.client("lambda").invoke(InvocationType="Event", **arguments)
    assert (answer["StatusCode"], answer["Payload"].read()) == (202, b"")
    request_id = answer["ResponseMetadata"]["RequestId"]
    poll(trace.exists)
    poll(lambda: trace.read_text() == request_id + "\n")


def test_the_client_context_reaches_the_function(shared: Caller) -> None:
    context = base64.b64encode(json.dumps({"custom": {"cell": "a"}}).encode()).decode()
    assert shared.invoke("echo", ClientContext=context).payload["client"] == {"cell": "a"}
    with pytest.raises(ClientError, match="Client context must be a valid Base64-encoded JSON") as caught:
        shared.invoke("echo", ClientContext="no")
    assert refusal(caught) == (400, "InvalidRequestContentException")


def test_the_log_tail_is_framed_and_told_only_when_asked_for(shared: Caller) -> None:
    shared.invoke("echo")
    lines = shared.invoke("echo").log.splitlines()
    start, *_ = lines
    request_id = start.split()[2]
    assert lines[0] == f"START RequestId: {request_id} Version: $LATEST"
    assert lines[1] == "hello from echo ö"
    assert lines[2] == f"END RequestId: {request_id}"
    assert lines[3].startswith(f"REPORT RequestId: {request_id}\tDuration: ")
    assert "\tMemory Size: 256 MB\tMax Memory Used: " in lines[3]
    assert len(lines) == 4
    assert "LogResult" not in shared.client("lambda").invoke(FunctionName="echo")


def test_the_log_tail_is_the_last_4_kb(shared: Caller) -> None:
    shared.invoke("chatter", {"lines": 1})
    log = shared.invoke("chatter", {"lines": 20_000}).log
    assert len(log) == 4096
    assert "line 019999\nEND RequestId" in log
    assert "line 019000" not in log


def test_the_function_sees_lambdas_variables_and_nothing_of_the_host(
    shared: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = shared.invoke("echo").payload
    variables = seen["variables"]
    expected = {
        "AWS_LAMBDA_FUNCTION_NAME": "echo",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/echo",
        "AWS_LAMBDA_LOG_STREAM_NAME": seen["log_stream"],
        "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": shared.aws.url,
        "LAMBDA_TASK_ROOT": seen["cwd"],
        "TZ": ":UTC",
        "_HANDLER": "handlers.echo",
        "COLOUR": "blue",
    }
    assert expected.items() <= variables.items()
    assert variables["AWS_EXECUTION_ENV"].startswith("AWS_Lambda_python3.")
    assert not {"HOME", "USER", "PYTHONPATH", "VIRTUAL_ENV", "PYTEST_CURRENT_TEST"} & variables.keys()
    assert 0 < seen["remaining_ms"] <= 3000
