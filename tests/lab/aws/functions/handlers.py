"""Small functions that do one thing each, for the Lambda service to run."""

import os
import subprocess
import sys
import threading
import time
import uuid
from pathlib import Path
from typing import Any

from awslambdaric.lambda_runtime_client import LambdaRuntimeClient

ENVIRONMENT = uuid.uuid4().hex  # new for each runtime
CALLS: list[str] = []
TICKS: list[float] = []


def echo(event: Any, context: Any) -> dict[str, Any]:
    """Answer with the event and all that the function is told about itself."""
    CALLS.append(context.aws_request_id)
    print("hello from", context.function_name, "ö")  # noqa: T201 (its log)
    return {
        "event": event,
        "runtime": ENVIRONMENT,
        "call": len(CALLS),
        "pid": os.getpid(),
        "version": context.function_version,
        "arn": context.invoked_function_arn,
        "memory": context.memory_limit_in_mb,
        "log_stream": context.log_stream_name,
        "remaining_ms": context.get_remaining_time_in_millis(),
        "client": context.client_context.custom if context.client_context else None,
        "variables": dict(os.environ),
        "cwd": str(Path.cwd()),
    }


def tick(event: dict[str, Any], context: Any) -> list[float]:
    """Start a thread that ticks every 5 ms, stay for a while, say when it ticked so far: CLOCK_MONOTONIC."""

    def run() -> None:
        while True:
            TICKS.append(time.monotonic())
            time.sleep(0.005)

    if not TICKS:
        threading.Thread(target=run, daemon=True).start()
    time.sleep(event.get("stay_s", 0))
    return TICKS


def leave_child(event: dict[str, Any], context: Any) -> int:
    """Leave a process behind that counts in a file, and stay for a while; its pid."""
    script = "import sys, time; n = 0\nwhile True: n += 1; print(n, flush=True); time.sleep(0.005)"
    with Path(event["file"]).open("wb") as sink:
        child = subprocess.Popen([sys.executable, "-S", "-c", script], stdout=sink)
    time.sleep(event.get("stay_s", 0))
    return child.pid


def sleep(event: dict[str, float], context: Any) -> str:
    time.sleep(event["seconds"])
    return ENVIRONMENT


def fail(event: Any, context: Any) -> None:
    raise KeyError("the cupboard is bare")


def leave(event: dict[str, int], context: Any) -> str:
    """Exit with a status, or die of a signal where it is negative; without one, answer."""
    print("last words")  # noqa: T201
    if "status" not in event:
        return ENVIRONMENT
    if event["status"] < 0:
        os.kill(os.getpid(), -event["status"])
        time.sleep(10)
    os._exit(event["status"])


def stop_asking(event: dict[str, str], context: Any) -> str:
    """Answer, and then do something else than to ask for the next event, or something else before it."""
    ask = LambdaRuntimeClient.wait_next_invocation

    def exit_instead(_client: LambdaRuntimeClient) -> None:
        os._exit(0)

    def hang_instead(_client: LambdaRuntimeClient) -> None:
        time.sleep(600)

    def wait_for_file(client: LambdaRuntimeClient) -> Any:
        while not Path(event["file"]).exists():
            time.sleep(0.01)
        return ask(client)

    if "then" in event:
        instead = {"exit": exit_instead, "hang": hang_instead, "wait": wait_for_file}[event["then"]]
        LambdaRuntimeClient.wait_next_invocation = instead
    return ENVIRONMENT


def big(event: dict[str, int], context: Any) -> str:
    return "x" * event["bytes"]


def chatter(event: dict[str, int], context: Any) -> None:
    """Write many lines."""
    for number in range(event["lines"]):
        print(f"line {number:06d}")  # noqa: T201


def append(event: dict[str, Any], context: Any) -> None:
    """Leave a trace of the call in a file, then do as told."""
    with Path(event["file"]).open("a") as trace:
        trace.write(context.aws_request_id + "\n")
    time.sleep(event.get("stay_s", 0))
    if event.get("then") == "fail":
        raise RuntimeError("as asked")
