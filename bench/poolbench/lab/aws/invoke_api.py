"""The Invoke API, as boto3 and the AWS CLI speak it."""

import asyncio
import base64
import binascii
import json
import secrets
import time
import uuid
from collections.abc import Mapping, Sequence
from urllib.parse import unquote

from poolbench.lab.aws.fleet import FunctionFleet, Throttled
from poolbench.lab.aws.function import ACCOUNT, REGION, BadReference, parse_reference
from poolbench.lab.aws.runtime_api import LambdaInvocation
from poolbench.lab.http_server import HttpRequest, HttpResponse

PREFIX = "/2015-03-31/functions/"
_MB = 1024 * 1024
_LIMITS = {"RequestResponse": 6 * _MB, "Event": _MB, "DryRun": 6 * _MB}  # bytes of payload
# Of an asynchronous invocation whose function failed (developer guide, "Error handling for asynchronous
# invocation"), and of one that was throttled: from 1 s, doubling up to 5 minutes, for 6 hours.
EVENT_RETRIES_S = (60.0, 120.0)
_THROTTLED_FIRST_S, _THROTTLED_MOST_S, _EVENT_AGE_S = 1.0, 300.0, 6 * 3600.0


class _Refused(Exception):
    def __init__(self, status: int, kind: str, **body: str) -> None:
        super().__init__(kind)
        self.status, self.kind, self.body = status, kind, body


class InvokeApi:
    """`POST /2015-03-31/functions/NAME/invocations` for a set of functions.

    Attributes:
        events: asynchronous invocations that are not done with, repetitions included.

    """

    def __init__(
        self, fleets: Mapping[str, FunctionFleet], event_retries_s: Sequence[float] = EVENT_RETRIES_S
    ) -> None:
        """Serve these functions, by name."""
        self._fleets = fleets
        self._event_retries_s = event_retries_s
        self.events: set[asyncio.Task[None]] = set()

    async def handle(self, request: HttpRequest) -> HttpResponse:
        """Answer one request, errors as Lambda words them."""
        request_id = str(uuid.uuid4())
        try:
            return await self._invoke(request, request_id)
        except _Refused as refused:
            body = json.dumps(refused.body).encode()
            return _answer(refused.status, request_id, body, {"x-amzn-ErrorType": refused.kind})

    async def _invoke(self, request: HttpRequest, request_id: str) -> HttpResponse:
        name, _, operation = request.target.partition("?")[0].removeprefix(PREFIX).rpartition("/")
        if request.method != "POST" or operation != "invocations":
            message = "of Lambda's API this endpoint serves Invoke alone"
            raise _Refused(404, "UnknownOperationException", Message=message)
        fleet, version, arn = self._resolve(unquote(name), request.query("Qualifier"))
        kind = request.header("x-amz-invocation-type") or "RequestResponse"
        payload = _payload(request, kind)
        if kind == "DryRun":
            return _answer(204, request_id)
        invocation = LambdaInvocation(
            request_id=request_id,
            arn=arn,
            payload=payload,
            client_context=_client_context(request) if kind == "RequestResponse" else None,
            trace_id=f"Root=1-{int(time.time()):08x}-{secrets.token_hex(12)};Sampled=0",
        )
        if kind == "Event":
            task = asyncio.create_task(self._run_event(fleet, invocation, version))
            self.events.add(task)  # the loop itself keeps only a weak reference
            task.add_done_callback(self.events.discard)
            return _answer(202, request_id)
        return await _run(fleet, invocation, version, with_log=request.header("x-amz-log-type") == "Tail")

    def _resolve(self, reference: str, qualifier: str | None) -> tuple[FunctionFleet, str, str]:
        """Fleet, version, and the ARN that the function sees itself called by."""
        try:
            name, qualifier = parse_reference(reference, qualifier)
        except BadReference as error:
            raise _Refused(400, "ValidationException", message=str(error)) from error
        arn = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}" + (f":{qualifier}" if qualifier else "")
        fleet = self._fleets.get(name)
        version = fleet.config.version_of(qualifier) if fleet else None
        if fleet is None or version is None:
            raise _Refused(
                404, "ResourceNotFoundException", Type="User", Message=f"Function not found: {arn}"
            )
        return fleet, version, arn

    async def _run_event(self, fleet: FunctionFleet, invocation: LambdaInvocation, version: str) -> None:
        """Run an asynchronous invocation; its caller does not learn the outcome, as with Lambda."""
        give_up = time.monotonic() + _EVENT_AGE_S
        retries = iter(self._event_retries_s)
        patience_s = _THROTTLED_FIRST_S
        while time.monotonic() < give_up:
            try:
                failed = (await fleet.invoke(invocation, version)).answer.is_error
            except Throttled:
                await asyncio.sleep(patience_s)
                patience_s = min(2 * patience_s, _THROTTLED_MOST_S)
                continue
            delay_s = next(retries, None) if failed else None
            if delay_s is None:
                return
            await asyncio.sleep(delay_s)


async def _run(
    fleet: FunctionFleet, invocation: LambdaInvocation, version: str, *, with_log: bool
) -> HttpResponse:
    try:
        result = await fleet.invoke(invocation, version)
    except Throttled as throttled:
        raise _Refused(
            429,
            "TooManyRequestsException",
            Reason=str(throttled),
            Type="User",
            message="Rate Exceeded.",
        ) from throttled
    headers = {"X-Amz-Executed-Version": version, "X-Amzn-Trace-Id": invocation.trace_id}
    if result.answer.is_error:
        headers["X-Amz-Function-Error"] = "Unhandled"
    if with_log:
        headers["X-Amz-Log-Result"] = base64.b64encode(result.log_tail).decode()
    return _answer(200, invocation.request_id, result.answer.payload, headers)


def _payload(request: HttpRequest, kind: str) -> bytes:
    limit = _LIMITS.get(kind)
    if limit is None:
        message = (
            f"1 validation error detected: Value '{kind}' at 'invocationType' failed to satisfy constraint: "
            f"Member must satisfy enum value set: [{', '.join(_LIMITS)}]"
        )
        raise _Refused(400, "InvalidParameterValueException", Type="User", message=message)
    payload = request.body or b"{}"
    if len(payload) > limit:
        message = (
            f"{len(payload)} byte payload is too large for the Event invocation type (limit {limit} bytes)"
            if kind == "Event"
            else f"Request must be smaller than {limit} bytes for the InvokeFunction operation"
        )
        raise _Refused(413, "RequestTooLargeException", Type="User", Message=message)
    try:
        json.loads(payload)
    except ValueError as error:
        message = f"Could not parse request body into json: Could not parse payload into json: {error}"
        raise _Refused(400, "InvalidRequestContentException", Type="User", message=message) from error
    return payload


def _client_context(request: HttpRequest) -> str | None:
    encoded = request.header("x-amz-client-context")
    if encoded is None:
        return None
    try:
        return json.dumps(json.loads(base64.b64decode(encoded, validate=True)))
    except (binascii.Error, ValueError) as error:
        message = "Client context must be a valid Base64-encoded JSON object."
        raise _Refused(400, "InvalidRequestContentException", Type="User", message=message) from error


def _answer(
    status: int, request_id: str, body: bytes = b"", headers: Mapping[str, str] | None = None
) -> HttpResponse:
    return HttpResponse(
        status,
        body,
        (
            ("Content-Type", "application/json"),
            ("x-amzn-RequestId", request_id),
            *(headers or {}).items(),
        ),
    )
