"""One runtime process: its environment variables, its log stream, and the moment at which it exits."""

import asyncio
import math
import os
import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self, TypeVar

from poolbench.lab.aws.function import REGION, FunctionConfig, python_version
from poolbench.lab.aws.runtime_api import HandlerResult, LambdaInvocation, RuntimeApi
from poolbench.lab.platform import exit_descriptor
from poolbench.lab.process import Child, peak_memory_mb

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


# Of the machine's own variables only what a process needs to run at all; Lambda passes none.
_INHERITED = ("PATH", "LD_LIBRARY_PATH", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR")


def runtime_variables(
    config: FunctionConfig,
    *,
    version: str,
    provisioned: bool,
    log_stream: str,
    runtime_api: str,
    endpoint_url: str,
) -> Mapping[str, str]:
    """Return all variables of one runtime; the function's own come last.

    AWS_ENDPOINT_URL and the credentials point the function's SDK at this service instead of at AWS.
    """
    return {
        **{name: os.environ[name] for name in _INHERITED if name in os.environ},
        "LANG": "C.UTF-8",
        "TZ": ":UTC",
        "AWS_ENDPOINT_URL": endpoint_url,
        "AWS_ACCESS_KEY_ID": "lab",
        "AWS_SECRET_ACCESS_KEY": "lab",
        "AWS_SESSION_TOKEN": "lab",
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_EXECUTION_ENV": f"AWS_Lambda_python{python_version(config.interpreter)}",
        "AWS_LAMBDA_FUNCTION_NAME": config.name,
        "AWS_LAMBDA_FUNCTION_VERSION": version,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(config.memory_mb),
        "AWS_LAMBDA_INITIALIZATION_TYPE": "provisioned-concurrency" if provisioned else "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{config.name}",
        "AWS_LAMBDA_LOG_STREAM_NAME": log_stream,
        "AWS_LAMBDA_RUNTIME_API": runtime_api,
        "LAMBDA_TASK_ROOT": str(config.task_root()),
        "LAMBDA_RUNTIME_DIR": "/var/runtime",
        "_HANDLER": config.handler,
        **config.environment,
    }


_POLL_S = 0.05
_Result = TypeVar("_Result")


class RuntimeExited(Exception):
    """The runtime has exited; the message is Lambda's."""

    def __init__(self, code: int) -> None:
        """`code` as subprocess has it: negative for a signal."""
        if code == 0:
            message = "Runtime exited without providing a reason"
        elif code > 0:
            message = f"Runtime exited with error: exit status {code}"
        else:
            message = f"Runtime exited with error: signal: {(signal.strsignal(-code) or str(-code)).lower()}"
        super().__init__(message)


class RuntimeProcess:
    """A process group led by the runtime client, and its Runtime API.

    Started from the thread of the event loop, which lives as long as the service: the parent-death signal
    follows the forking thread.
    """

    def __init__(self, child: Child, api: RuntimeApi) -> None:
        """Watch a child that has just been started; see `start`."""
        self._child, self._api = child, api
        self._loop = asyncio.get_running_loop()
        self._exited: asyncio.Future[int] = self._loop.create_future()
        self._descriptor = exit_descriptor(child.pid)
        if self._descriptor is not None:
            self._loop.add_reader(self._descriptor, self.kill)
        else:
            self._loop.call_later(_POLL_S, self._poll)

    @classmethod
    async def start(
        cls,
        argv: list[str],
        variables: Callable[[str], Mapping[str, str]],
        *,
        log: Path,
        cwd: Path,
        gid: int | None,
        on_next: Callable[[], None],
    ) -> Self:
        """Start `argv` with the variables that go with an address of the Runtime API.

        Raises:
            OSError: it cannot be executed.

        """
        api = RuntimeApi(on_next)
        address = await api.start()
        try:
            child = Child(argv, log=log, env=variables(address), cwd=cwd, gid=gid)
        except OSError:
            api.close()
            raise
        return cls(child, api)

    @property
    def pid(self) -> int:
        """Of the leader and of the group."""
        return self._child.pid

    @property
    def exited(self) -> asyncio.Future[int]:
        """Done when it is gone, with its exit code."""
        return self._exited

    @property
    def waiting(self) -> bool:
        """Whether it has asked for an event and not got one yet."""
        return self._api.waiting

    def peak_memory_mb(self) -> int | None:
        """Of the leader; None where the system does not tell."""
        return peak_memory_mb(self.pid)

    async def initialised(self) -> None:
        """Wait until it asks for its first event.

        Raises:
            InitError: it says that it could not load the handler.
            RuntimeExited: it exited without a report.

        """
        await self._unless_exited(self._api.initialised)

    async def run(self, invocation: LambdaInvocation, deadline_ms: int) -> HandlerResult:
        """Have it handle one event.

        Raises:
            RuntimeExited: it exited before it answered.

        """
        if self._exited.done():
            raise RuntimeExited(self._exited.result())
        return await self._unless_exited(self._api.deliver(invocation, deadline_ms))

    def kill(self) -> None:
        """SIGKILL for the group, as Lambda ends environments: nothing in it gets to clean up.

        When the leader exits by itself, the rest of its group goes the same way.
        """
        if self._exited.done():
            return  # and reaped: another group may have its number by now
        if self._descriptor is not None:
            self._loop.remove_reader(self._descriptor)
            os.close(self._descriptor)
        self._child.kill()
        self._api.close()
        code = self._child.exit_code()
        assert code is not None
        self._exited.set_result(code)

    async def _unless_exited(self, expected: asyncio.Future[_Result]) -> _Result:
        either: set[asyncio.Future[Any]] = {expected, self._exited}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if expected.done():
            return expected.result()
        raise RuntimeExited(self._exited.result())

    def _poll(self) -> None:
        if self._child.exit_code() is None:
            self._loop.call_later(_POLL_S, self._poll)
        else:
            self.kill()
