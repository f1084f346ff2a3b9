"""Small functions that do one thing each, for the Lambda service to run."""

import os
import subprocess
import threading
import time
import uuid
from typing import Any

ENVIRONMENT = uuid.uuid4().hex
TICKS = {"count": 0}


def _tick() -> None:
    while True:
        TICKS["count"] += 1
        time.sleep(0.01)


def echo(event: Any, context: Any) -> dict[str, Any]:
    print("hello from", context.function_name)
    return {
        "event": event,
        "environment": ENVIRONMENT,
        "pid": os.getpid(),
        "type": os.environ["AWS_LAMBDA_INITIALIZATION_TYPE"],
        "version": context.function_version,
        "arn": context.invoked_function_arn,
        "left_ms": context.get_remaining_time_in_millis(),
        "secret": os.environ.get("SECRET"),
        "leaked": os.environ.get("LEAKED"),
    }


def tick(event: Any, context: Any) -> int:
    if event.get("start"):
        threading.Thread(target=_tick, daemon=True).start()
    return TICKS["count"]


def child(event: Any, context: Any) -> int:
    """Leave a child behind that counts into a file."""
    script = f"i=0; while :; do i=$((i+1)); echo $i > {event['file']}; sleep 0.01; done"
    return subprocess.Popen(["sh", "-c", script]).pid


def sleep(event: Any, context: Any) -> str:
    time.sleep(event["seconds"])
    return ENVIRONMENT


def fail(event: Any, context: Any) -> None:
    raise KeyError("the cupboard is bare")


def leave(event: Any, context: Any) -> None:
    os._exit(3)


def big(event: Any, context: Any) -> str:
    return "x" * event["bytes"]
