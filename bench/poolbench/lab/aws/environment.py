"""The life of one execution environment: init, invocations with freezes between them, resets, the end."""

import asyncio
import contextlib
import json
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from poolbench.lab.aws.freezer import Freezer
from poolbench.lab.aws.function import FunctionConfig
from poolbench.lab.aws.runtime import (
    LogStream,
    RuntimeExited,
    RuntimeProcess,
    end_lines,
    init_report_line,
    runtime_variables,
    start_line,
)
from poolbench.lab.aws.runtime_api import HandlerResult, InitError, LambdaInvocation, error_result
from poolbench.lab.aws.watchdog import Watchdog

INIT_LIMIT_S = 10.0  # Lambda's, on demand
PROVISIONED_INIT_LIMIT_S = 900.0
_TIMEOUT, _EXIT = "timeout", "error\tError Type: Runtime.ExitError"


class EnvironmentState(StrEnum):
    """Where an environment is in its life."""

    INITIALIZING = "initializing"
    FROZEN = "frozen"  # initialised, waiting for an event
    BUSY = "busy"
    DRAINING = "draining"  # has answered, has not asked for the next event yet
    RESET = "reset"  # its runtime was killed or died: the next invocation initialises it again
    GONE = "gone"

    @property
    def available(self) -> bool:
        """Whether an invocation may take it."""
        return self in (EnvironmentState.FROZEN, EnvironmentState.RESET)

    @property
    def in_flight(self) -> bool:
        """Whether it counts against the function's concurrency."""
        return self in (EnvironmentState.INITIALIZING, EnvironmentState.BUSY, EnvironmentState.DRAINING)


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentInfo:
    """An execution environment as the service sees it."""

    id: str
    function: str
    version: str
    provisioned: bool
    pid: int | None  # of the runtime, which leads its process group; None after a reset
    state: str  # initializing, frozen, busy, draining or reset
    freezes: int
    invocations: int
    init_s: float | None
    peak_mb: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """What the environments of a service share."""

    endpoint_url: str
    log_dir: Path
    freezer: Freezer
    watchdog: Watchdog
    # Inits share the machine's cores: too many at once, and each would run into its limit.
    init_slots: asyncio.Semaphore


@dataclass(frozen=True, slots=True)
class InvocationResult:
    """What came of one invocation."""

    answer: HandlerResult
    log_tail: bytes  # at most 4 KB


@dataclass(frozen=True, slots=True)
class InitResult:
    """How an init went."""

    duration_s: float
    failure: HandlerResult | None = None
    status: str | None = None  # as in the log


class ExecutionEnvironment:
    """First `initialise`; then `take` and `invoke` whenever its state is available; `kill` ends it.

    A runtime that times out or exits resets the environment, which keeps its id and its place: the next
    invocation initialises it again and pays for that with its own time.
    """

    def __init__(
        self,
        config: FunctionConfig,
        host: Host,
        *,
        version: str,
        provisioned: bool,
        on_rest: Callable[[], None],
    ) -> None:
        """Prepare; nothing runs yet. `on_rest` is called each time that it becomes available."""
        self.id = uuid.uuid4().hex
        self.version, self.provisioned = version, provisioned
        self.state = EnvironmentState.INITIALIZING
        self.rested_at = time.monotonic()  # when it last became available
        self.freezes = self.invocations = 0
        self.init_s: float | None = None  # of the last init
        self._config, self._host, self._on_rest = config, host, on_rest
        self._day = time.strftime("%Y/%m/%d", time.gmtime())
        self._log = LogStream(host.log_dir / f"{config.name}-{self.id}.log")
        self._gid = host.freezer.admit()
        self._runtime: RuntimeProcess | None = None
        self._peak_mb = 0
        self._overdue: asyncio.TimerHandle | None = None

    @property
    def pid(self) -> int | None:
        """Process id of the runtime, which leads its process group; None while none runs."""
        return self._runtime.pid if self._runtime else None

    @property
    def peak_mb(self) -> int:
        """Peak resident memory of its runtimes; 0 where the system does not tell."""
        self._note_memory()
        return self._peak_mb

    @property
    def info(self) -> EnvironmentInfo:
        """What users of the lab are told of it."""
        return EnvironmentInfo(
            id=self.id,
            function=self._config.name,
            version=self.version,
            provisioned=self.provisioned,
            pid=self.pid,
            state=self.state,
            freezes=self.freezes,
            invocations=self.invocations,
            init_s=self.init_s,
            peak_mb=self.peak_mb,
        )

    async def initialise(self) -> InitResult:
        """Load the handler before there is an event; it stays closed to callers until `admit` or `take`."""
        init = await self._initialise("init", PROVISIONED_INIT_LIMIT_S if self.provisioned else INIT_LIMIT_S)
        if self.provisioned and not init.failure:
            self._log.write(init_report_line(init.duration_s, "init"))
        return init

    def admit(self) -> None:
        """Open it to callers."""
        self._settle(left_s=0.0)

    def take(self) -> None:
        """Reserve it for a caller."""
        self.state = EnvironmentState.BUSY

    async def invoke(self, invocation: LambdaInvocation) -> InvocationResult:
        """Run one event, in an environment that was taken."""
        first = self.invocations == 0 and not self.provisioned
        since = 0 if first else self._log.position()  # a cold start's log begins with its init
        cold_init_s = self.init_s if first and self._runtime else None
        self.invocations += 1
        timeout_s = self._config.timeout_s
        request_id = invocation.request_id
        init = InitResult(0.0) if self._runtime else await self._initialise("invoke", timeout_s, request_id)
        self._log.write(start_line(request_id, self.version))
        began = time.monotonic()
        if init.failure:
            answer, status = init.failure, init.status
        else:
            answer, status = await self._run(invocation, timeout_s - init.duration_s)
        duration_s = init.duration_s + time.monotonic() - began
        self._log.write(
            end_lines(
                request_id,
                timeout_s if status is _TIMEOUT else duration_s,
                memory_mb=self._config.memory_mb,
                used_mb=self.peak_mb,
                init_s=cold_init_s,
                status=status,
            )
        )
        tail = self._log.tail(since)
        if status:
            self._reset()
        else:
            self._settle(left_s=timeout_s - duration_s)
        return InvocationResult(answer, tail)

    def kill(self) -> None:
        """End it; its log stays."""
        self._drop_runtime()
        self.state = EnvironmentState.GONE
        self._log.close()

    async def _initialise(self, phase: str, limit_s: float, request_id: str = "") -> InitResult:
        failure, status = None, None
        prefix = f"RequestId: {request_id} Error: " if request_id else ""
        async with self._host.init_slots:
            began = time.monotonic()
            try:
                async with asyncio.timeout(limit_s):
                    await self._start_runtime()
            except TimeoutError:
                message = f"{prefix}Task timed out after {limit_s:.2f} seconds"
                failure, status = error_result("Sandbox.Timedout", message), _TIMEOUT
            except InitError as error:
                failure = HandlerResult(error.payload, is_error=True)
                status = f"error\tError Type: {_error_type(error.payload)}"
            except RuntimeExited as error:
                failure, status = error_result("Runtime.ExitError", f"{prefix}{error}"), _EXIT
            except OSError as error:
                failure = error_result("Runtime.InvalidEntrypoint", f"{prefix}fork/exec: {error}")
                status = "error\tError Type: Runtime.InvalidEntrypoint"
        init = InitResult(time.monotonic() - began, failure, status)
        self.init_s = init.duration_s
        self._note_memory()
        if failure:
            self._drop_runtime()
            self._log.write(init_report_line(init.duration_s, phase, status))
        return init

    async def _start_runtime(self) -> None:
        config = self._config
        runtime = self._runtime = await RuntimeProcess.start(
            [str(config.interpreter), "-m", "awslambdaric", config.handler],
            lambda address: runtime_variables(
                config,
                version=self.version,
                provisioned=self.provisioned,
                log_stream=f"{self._day}/[{self.version}]{self.id}",
                runtime_api=address,
                endpoint_url=self._host.endpoint_url,
            ),
            log=self._log.path,
            cwd=config.task_root(),
            gid=self._gid,
            on_next=self._freeze,
        )
        self._host.watchdog.guard(runtime.pid)
        runtime.exited.add_done_callback(lambda _: self._notice_exit(runtime))
        await runtime.initialised()

    async def _run(self, invocation: LambdaInvocation, left_s: float) -> tuple[HandlerResult, str | None]:
        """Return the answer, and the status for the log if Lambda had to end the invocation."""
        assert self._runtime is not None
        request_id = invocation.request_id
        try:
            async with asyncio.timeout(left_s):
                self._host.freezer.thaw(self._runtime.pid, self._gid)
                return await self._runtime.run(invocation, int((time.time() + left_s) * 1000)), None
        except TimeoutError:
            message = f"Task timed out after {self._config.timeout_s:.2f} seconds"
            now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
            self._log.write(f"{now} {request_id} {message}\n\n")
            answer = error_result("Sandbox.Timedout", f"RequestId: {request_id} Error: {message}")
            return answer, _TIMEOUT
        except RuntimeExited as error:
            message = f"RequestId: {request_id} Error: {error}"
            self._log.write(f"{message}\nRuntime.ExitError\n")
            return error_result("Runtime.ExitError", message), _EXIT

    def _settle(self, left_s: float) -> None:
        """Come to rest, or first drain, if the runtime has answered but not asked for the next event yet."""
        if self._runtime is None or self._runtime.exited.done():
            self._reset()
        elif self._runtime.waiting:
            self._rest(EnvironmentState.FROZEN)
        else:
            self.state = EnvironmentState.DRAINING
            self._overdue = asyncio.get_running_loop().call_later(left_s, self._reset)

    def _freeze(self) -> None:
        """At the runtime's Next, not at its answer: only then has it finished."""
        assert self._runtime is not None
        self._host.freezer.freeze(self._runtime.pid, self._gid)
        self.freezes += 1
        if self.state is EnvironmentState.DRAINING:
            self._rest(EnvironmentState.FROZEN)

    def _notice_exit(self, runtime: RuntimeProcess) -> None:
        # While it is initialising or busy, the code that waits for the runtime handles its exit.
        if self._runtime is runtime and self.state in (EnvironmentState.FROZEN, EnvironmentState.DRAINING):
            self._reset()

    def _reset(self) -> None:
        self._drop_runtime()
        self._rest(EnvironmentState.RESET)

    def _rest(self, state: EnvironmentState) -> None:
        self._cancel_overdue()
        self.state = state
        self.rested_at = time.monotonic()
        self._on_rest()

    def _cancel_overdue(self) -> None:
        if self._overdue:
            self._overdue.cancel()
            self._overdue = None

    def _drop_runtime(self) -> None:
        self._cancel_overdue()
        runtime, self._runtime = self._runtime, None
        if runtime:
            runtime.kill()
            self._host.watchdog.release(runtime.pid)

    def _note_memory(self) -> None:
        if self._runtime:
            self._peak_mb = max(self._peak_mb, self._runtime.peak_memory_mb() or 0)


def _error_type(payload: bytes) -> str:
    with contextlib.suppress(ValueError, AttributeError):
        return str(json.loads(payload).get("errorType"))
    return "Runtime.Unknown"
