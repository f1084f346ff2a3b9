"""What Lambda writes to a function's log around an invocation; pure."""

import base64
import math

TAIL_BYTES = 4096


def start_line(request_id: str, version: str) -> str:
    """Line before the handler's own output."""
    return f"START RequestId: {request_id} Version: {version}\n"


def end_lines(request_id: str, duration_s: float, memory_mb: int, used_mb: int, init_s: float | None) -> str:
    """Lines after it. `init_s` is given for the invocation that had to wait for the init."""
    duration_ms = duration_s * 1000
    init = f"Init Duration: {init_s * 1000:.2f} ms\t" if init_s is not None else ""
    # Init is billed since 2025, also where it is part of a cold start.
    billed = math.ceil(duration_ms + (init_s or 0.0) * 1000)
    return (
        f"END RequestId: {request_id}\n"
        f"REPORT RequestId: {request_id}\tDuration: {duration_ms:.2f} ms\tBilled Duration: {billed} ms\t"
        f"Memory Size: {memory_mb} MB\tMax Memory Used: {used_mb} MB\t{init}\n"
    )


def tail(log: bytes) -> str:
    """Value of X-Amz-Log-Result: the last 4 KB, base64."""
    return base64.b64encode(log[-TAIL_BYTES:]).decode()
