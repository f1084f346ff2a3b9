"""The Invoke API as boto3 and the AWS CLI speak it, as a WSGI application."""

import json
import threading
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

from werkzeug.wrappers import Request, Response

from bench.lab.aws import log
from bench.lab.aws.function import parse_reference
from bench.lab.aws.service import Function, Service, Throttled

REQUEST_LIMIT = {"RequestResponse": 6 * 1024 * 1024, "Event": 1024 * 1024, "DryRun": 6 * 1024 * 1024}
PREFIX = "/2015-03-31/functions/"


class InvokeApi:
    """`POST /2015-03-31/functions/NAME/invocations`, and the lab's own `/_lab/environments`."""

    def __init__(self, service: Service) -> None:
        """Serve these functions."""
        self._service = service

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """WSGI."""
        request = Request(environ)
        answer = self._lab(request) if request.path.startswith("/_lab/") else self._invoke(request)
        return answer(environ, start_response)

    def _lab(self, request: Request) -> Response:
        """Info, and the replacement of an environment."""
        if request.path == "/_lab/environments" and request.method == "GET":
            return _json(200, self._service.describe())
        folder, _, environment = request.path.rpartition("/")
        if folder == "/_lab/environments" and request.method == "DELETE":
            if self._service.replace(environment):
                return _json(200, {"replaced": environment})
            return _json(404, {"message": f"no environment {environment}"})
        return _json(404, {"message": "GET /_lab/environments, DELETE /_lab/environments/ID"})

    def _invoke(self, request: Request) -> Response:
        reference = request.path.removeprefix(PREFIX).removesuffix("/invocations")
        qualifier = request.args.get("Qualifier")
        parsed = parse_reference(reference, qualifier)
        if parsed is None or request.method != "POST":
            return _error(400, "ValidationException", f"'{reference}' is not a function's name or ARN")
        name, qualifier = parsed
        function = self._service.functions.get(name)
        version = function.config.version_of(qualifier) if function else None
        if function is None or version is None:
            arn = f"arn:aws:lambda:us-east-1:123456789012:function:{name}"
            arn += f":{qualifier}" if qualifier else ""
            return _error(404, "ResourceNotFoundException", f"Function not found: {arn}", Type="User")
        return _dispatch(request, function, version)


def _dispatch(request: Request, function: Function, version: str) -> Response:
    kind = request.headers.get("X-Amz-Invocation-Type", "RequestResponse")
    if kind not in REQUEST_LIMIT:
        return _error(400, "InvalidParameterValueException", f"invocation type {kind!r}")
    payload = request.get_data() or b"{}"
    if len(payload) > REQUEST_LIMIT[kind]:
        message = f"Request must be smaller than {REQUEST_LIMIT[kind]} bytes for the InvokeFunction operation"
        return _error(413, "RequestTooLargeException", message)
    try:
        json.loads(payload)
    except ValueError as error:
        message = f"Could not parse request body into json: {error}"
        return _error(400, "InvalidRequestContentException", message)
    if kind == "DryRun":
        return Response(status=HTTPStatus.NO_CONTENT)
    if kind == "Event":
        threading.Thread(target=_forget, args=(function, payload, version), daemon=True).start()
        return Response(status=HTTPStatus.ACCEPTED, headers={"X-Amz-Executed-Version": version})
    try:
        outcome = function.invoke(payload, version)
    except Throttled:
        reason = "ReservedFunctionConcurrentInvocationLimitExceeded"
        return _error(429, "TooManyRequestsException", "Rate Exceeded.", Reason=reason, Type="User")
    headers = {"X-Amz-Executed-Version": outcome.version, "X-Amzn-RequestId": outcome.request_id}
    if outcome.function_error:
        headers["X-Amz-Function-Error"] = outcome.function_error
    if request.headers.get("X-Amz-Log-Type") == "Tail":
        headers["X-Amz-Log-Result"] = log.tail(outcome.log)
    return Response(outcome.payload, 200, headers, content_type="application/json")


def _forget(function: Function, payload: bytes, version: str) -> None:
    """Run an asynchronous invocation; like Lambda, nobody is told how it went."""
    try:
        function.invoke(payload, version)
    except Throttled:
        print(f"event for {function.config.name} dropped: throttled", flush=True)  # noqa: T201 (our log)


def _json(status: int, content: dict[str, Any]) -> Response:
    return Response(json.dumps(content), status, content_type="application/json")


def _error(status: int, kind: str, message: str, **more: str) -> Response:
    """An error as Lambda's REST API words it: the type in a header, the message in the body."""
    answer = _json(status, {"Message": message, "message": message, **more})
    answer.headers["x-amzn-ErrorType"] = kind
    return answer
