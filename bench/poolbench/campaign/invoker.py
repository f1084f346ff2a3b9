"""How the campaign calls the function: boto3's `lambda.invoke`, on AWS and locally alike."""

import base64
import json
import re
import time
from dataclasses import dataclass
from typing import Any, Protocol

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from poolbench.model.cell import LambdaReport

THROTTLE_PATIENCE_S = 15.0  # an environment may still be draining, or be replaced by a new one
ANSWER_PATIENCE_S = 30.0  # beyond the function's timeout
TIMED_OUT = "Sandbox.Timedout"
# Without a type, as in the Lambda developer guide, "Give Lambda functions access to resources in a VPC".
_TIMED_OUT_MESSAGE = re.compile(r"Task timed out after [\d.]+ seconds$")
_REPORT = re.compile(r"(Init Duration|(?<!Billed )Duration|Max Memory Used): ([\d.]+)")


class InvokeFailed(Exception):
    """The Lambda service did not run the function; the message names it and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What came back of one invocation."""

    payload: Any
    report: LambdaReport

    @property
    def error_message(self) -> str | None:
        """What the function, or the service in its place, said of a failure."""
        return self.payload.get("errorMessage") if isinstance(self.payload, dict) else None


class Invoker(Protocol):
    """Calls a function and waits for its answer."""

    def invoke(self, function: str, event: dict[str, Any]) -> Reply:
        """Run it once.

        Raises:
            InvokeFailed: the service did not run it.

        """


class LambdaInvoker:
    """The real thing; `AWS_ENDPOINT_URL` points it at the lab."""

    def __init__(self, function_timeout_s: float, *, at_once: int = 0) -> None:
        """Wait for answers longer than the function may take, for so many at once beside the sampler's."""
        # A silently repeated invoke would corrupt gap and count: no retries, no early read timeout.
        config = Config(
            retries={"total_max_attempts": 1},
            connect_timeout=5,
            read_timeout=function_timeout_s + ANSWER_PATIENCE_S,
            tcp_keepalive=True,
            max_pool_connections=10 + at_once,
        )
        self._client = boto3.client("lambda", config=config)

    def invoke(self, function: str, event: dict[str, Any]) -> Reply:  # noqa: D102
        name, _, qualifier = function.partition(":")
        arguments = {"FunctionName": name, "LogType": "Tail", "Payload": json.dumps(event).encode()}
        if qualifier:
            arguments["Qualifier"] = qualifier
        give_up = time.monotonic() + THROTTLE_PATIENCE_S
        throttled = 0
        while True:
            try:
                return _reply(self._client.invoke(**arguments), throttled)
            except ClientError as error:
                code = error.response["Error"]["Code"]
                if code != "TooManyRequestsException" or time.monotonic() > give_up:
                    message = error.response["Error"].get("Message", "")
                    raise InvokeFailed(f"function {function}: {code}: {message}") from error
                throttled += 1
                time.sleep(0.05)
            except BotoCoreError as error:  # an answer that breaks off, too
                raise InvokeFailed(f"function {function}: {error}") from error


def _reply(answer: dict[str, Any], throttled: int) -> Reply:
    payload = json.loads(answer["Payload"].read() or b"null")
    log = base64.b64decode(answer.get("LogResult", "")).decode(errors="replace")
    report = {name: float(value) for name, value in _REPORT.findall(log.rpartition("REPORT")[2])}
    failed = answer.get("FunctionError")
    return Reply(
        payload=payload,
        report=LambdaReport(
            function_error=_kind(payload, failed) if failed else None,
            duration_s=_seconds(report.get("Duration")),
            init_duration_s=_seconds(report.get("Init Duration")),
            max_memory_mb=report.get("Max Memory Used"),
            throttled=throttled,
        ),
    )


def _kind(payload: Any, failed: str) -> str:
    """Type of a function's error, or what the header calls it."""
    error = payload if isinstance(payload, dict) else {}
    if kind := error.get("errorType"):
        return str(kind)
    return TIMED_OUT if _TIMED_OUT_MESSAGE.search(str(error.get("errorMessage"))) else failed


def _seconds(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1000
