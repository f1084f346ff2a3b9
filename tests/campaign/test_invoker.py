"""What the client reads out of Lambda's answers."""

import base64
import io
import json
import socketserver
import threading
from typing import Any

import pytest

from poolbench.campaign.invoker import TIMED_OUT, InvokeFailed, LambdaInvoker, _reply


def answered(payload: Any, log: str, **more: Any) -> dict[str, Any]:
    return {
        "Payload": io.BytesIO(json.dumps(payload).encode()),
        "LogResult": base64.b64encode(log.encode()).decode(),
        **more,
    }


# As printed in the Lambda documentation, tabs included.
REPORT = (
    "END RequestId: 8f5\nREPORT RequestId: 8f5\tDuration: 79.67 ms\tBilled Duration: 180 ms\t"
    "Memory Size: 128 MB\tMax Memory Used: 73 MB\tInit Duration: 100.33 ms\t\n"
)


def test_durations_come_from_the_report_line_and_billed_ones_do_not() -> None:
    reply = _reply(answered({"a": 1}, "Duration: 9 ms\n" + REPORT), throttled=2)
    assert (reply.report.duration_s, reply.report.init_duration_s) == (0.07967, 0.10033)
    assert reply.report.max_memory_mb == 73
    assert (reply.payload, reply.report.function_error, reply.report.throttled) == ({"a": 1}, None, 2)


def test_a_function_error_is_known_by_its_type() -> None:
    payload = {"errorType": "Sandbox.Timedout", "errorMessage": "Task timed out"}
    reply = _reply(answered(payload, REPORT.replace("Init", "X"), FunctionError="Unhandled"), throttled=0)
    assert reply.report.function_error == "Sandbox.Timedout"
    assert reply.report.init_duration_s is None


def test_a_timeout_is_known_without_a_type_too() -> None:
    """As printed in the Lambda documentation."""
    message = "2024-04-11T17:22:20.857Z abe12jlc-640a-8157-0249-9be825c2y1 Task timed out after 3.01 seconds"
    reply = _reply(answered({"errorMessage": message}, REPORT, FunctionError="Unhandled"), throttled=0)
    assert reply.report.function_error == TIMED_OUT
    other = _reply(answered({"errorMessage": "no"}, REPORT, FunctionError="Unhandled"), throttled=0)
    assert other.report.function_error == "Unhandled"


class BreaksOff(socketserver.StreamRequestHandler):
    """A service that is killed in the middle of its answer."""

    def handle(self) -> None:
        self.request.recv(65536)
        self.wfile.write(b'HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{"environment"')


def test_an_answer_that_breaks_off_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    with socketserver.TCPServer(("127.0.0.1", 0), BreaksOff) as server:
        threading.Thread(target=server.handle_request, daemon=True).start()
        variables = {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.server_address[1]}",
            "NO_PROXY": "127.0.0.1",
        }
        variables |= dict.fromkeys(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), "x")
        for name, value in {**variables, "AWS_DEFAULT_REGION": "us-east-1"}.items():
            monkeypatch.setenv(name, value)
        with pytest.raises(InvokeFailed, match="lane:live: An error occurred while reading"):
            LambdaInvoker(1.0).invoke("lane:live", {})
