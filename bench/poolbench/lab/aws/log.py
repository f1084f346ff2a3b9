"""The log stream of an execution environment, with the lines that Lambda adds to it.

It stays in a file, whose end is read when a caller asks for it; nothing piles up in memory.
"""

import math
import os
from pathlib import Path

TAIL_BYTES = 4096  # of X-Amz-Log-Result


def start_line(request_id: str, version: str) -> str:
    """Line before the handler's own output."""
    return f"START RequestId: {request_id} Version: {version}\n"


def end_lines(
    request_id: str,
    duration_s: float,
    *,
    memory_mb: int,
    used_mb: int,
    init_s: float | None = None,
    status: str | None = None,
) -> str:
    """Lines after it.

    Args:
        request_id: of the invocation.
        duration_s: from the event's delivery to the answer.
        memory_mb: configured.
        used_mb: peak.
        init_s: for the invocation that had to wait for the init of its environment; billed since August 2025.
        status: `timeout`, or `error` and its type, where Lambda ended the invocation itself.

    """
    duration_ms, init_ms = duration_s * 1000, (init_s or 0.0) * 1000
    report = [
        f"REPORT RequestId: {request_id}",
        f"Duration: {duration_ms:.2f} ms",
        f"Billed Duration: {math.ceil(duration_ms + init_ms)} ms",
        f"Memory Size: {memory_mb} MB",
        f"Max Memory Used: {used_mb} MB",
        *([f"Init Duration: {init_ms:.2f} ms"] if init_s is not None else []),
        *([f"Status: {status}"] if status else []),
    ]
    return f"END RequestId: {request_id}\n" + "\t".join(report) + "\t\n"


def init_report_line(init_s: float, phase: str, status: str | None = None) -> str:
    """Line that Lambda writes for a provisioned environment, and for an init that failed.

    Args:
        init_s: how long it took.
        phase: `init`, or `invoke` where an invocation had to repeat it.
        status: `timeout`, or `error` and its type.

    """
    parts = [f"INIT_REPORT Init Duration: {init_s * 1000:.2f} ms", f"Phase: {phase}"]
    return "\t".join([*parts, *([f"Status: {status}"] if status else [])]) + "\n"


class LogStream:
    """A file that the environment's processes and the service both append to."""

    def __init__(self, path: Path) -> None:
        """Create it."""
        self.path = path
        self._descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_APPEND, 0o600)

    def position(self) -> int:
        """Bytes written so far."""
        return os.fstat(self._descriptor).st_size

    def write(self, text: str) -> None:
        """Append lines, on a new line even if the handler's output ended in the middle of one."""
        end = self.position()
        if end and os.pread(self._descriptor, 1, end - 1) != b"\n":
            text = "\n" + text
        os.write(self._descriptor, text.encode())

    def tail(self, since: int) -> bytes:
        """What was written after position `since`, no more than its last 4 KB."""
        end = self.position()
        begin = max(since, end - TAIL_BYTES)
        return os.pread(self._descriptor, end - begin, begin)

    def close(self) -> None:
        """No more is written; the file stays."""
        os.close(self._descriptor)
