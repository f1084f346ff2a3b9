"""Functions and their environments: who may run now, in which environment, and what the caller gets."""

import itertools
import json
import os
import threading
import time
import uuid
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.lab.aws import log
from bench.lab.aws.environment import Environment, Phase, error_body
from bench.lab.aws.freezer import Freezer
from bench.lab.aws.function import FunctionConfig
from bench.lab.aws.runtime_api import Event, Result

RESPONSE_LIMIT = 6 * 1024 * 1024 + 100  # of a synchronous invocation, Lambda's
INIT_TIMEOUT_S = 60.0  # Lambda's is 10 s on its own cores; ours share two
DRAIN_PATIENCE_S = 5.0


class Throttled(Exception):
    """No environment may run this now: 429 TooManyRequestsException."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a synchronous caller gets."""

    request_id: str
    version: str
    payload: bytes
    function_error: str | None  # Unhandled, as Lambda says for every error of a function
    log: bytes


class Function:
    """One function's environments and its concurrency."""

    def __init__(self, config: FunctionConfig, work_dir: Path, freezer: Freezer) -> None:
        """Set up; `provision` starts the provisioned environments."""
        self.config = config
        self._work_dir, self._freezer = work_dir, freezer
        self._numbers = itertools.count()
        self._environments: list[Environment] = []
        self._in_flight = 0
        self._changed = threading.Condition()
        self._closed = False

    def environments(self) -> list[Environment]:
        """Those that live."""
        with self._changed:
            return [found for found in self._environments if found.phase is not Phase.DEAD]

    def start_one(self) -> Environment:
        """Start a provisioned environment and wait until it is ready or dead."""
        environment = self._new("1", provisioned=True)
        environment.start()
        with self._changed:
            self._changed.wait_for(lambda: environment.phase is not Phase.STARTING, INIT_TIMEOUT_S)
        if environment.phase is Phase.STARTING:
            environment.kill()
        return environment

    def invoke(self, payload: bytes, version: str) -> Outcome:
        """Run the function once.

        Raises:
            Throttled: reserved concurrency is used up.

        """
        with self._changed:
            reserved = self.config.reserved_concurrency
            if reserved is not None and self._in_flight >= reserved:
                raise Throttled
            self._in_flight += 1
        try:
            return self._run(payload, version)
        finally:
            with self._changed:
                self._in_flight -= 1

    def close(self) -> None:
        """Kill everything."""
        self._closed = True
        for environment in self.environments():
            environment.kill()

    def _run(self, payload: bytes, version: str) -> Outcome:
        request_id = str(uuid.uuid4())
        environment = self._acquire(version)
        cold = environment is None
        if environment is None:
            environment = self._new(version, provisioned=False)
            environment.start()
            with self._changed:
                self._changed.wait_for(lambda: environment.phase is not Phase.STARTING, INIT_TIMEOUT_S)
                taken = environment.take()
            if not taken:
                environment.kill()
                return self._failed_init(environment, request_id, version)
        began = time.monotonic()
        event = Event(
            request_id=request_id,
            payload=payload,
            deadline_ms=int((time.time() + self.config.timeout_s) * 1000),
            arn=f"{self.config.arn}:{self.config.alias}" if version != "$LATEST" else self.config.arn,
        )
        offset = environment.log_size()
        finished = environment.invoke(event, self.config.timeout_s)
        duration_s = time.monotonic() - began
        used_mb = environment.used_mb()
        if finished is None and environment.provisioned and not self._closed:
            # Lambda resets a failed environment: the same slot, a new runtime.
            threading.Thread(target=self.start_one, daemon=True).start()
        timed_out = finished is None and duration_s >= self.config.timeout_s
        body, error = self._body(request_id, finished, timed_out=timed_out)
        lines = log.start_line(request_id, version).encode() + environment.log_since(offset)
        lines += log.end_lines(
            request_id,
            min(duration_s, self.config.timeout_s) if timed_out else duration_s,
            self.config.memory_mb,
            used_mb,
            environment.init_s if cold else None,
        ).encode()
        return Outcome(
            request_id=request_id,
            version=version,
            payload=body,
            function_error="Unhandled" if error else None,
            log=lines,
        )

    def _body(self, request_id: str, finished: Result | None, *, timed_out: bool) -> tuple[bytes, bool]:
        """Payload and whether it is an error, worded as Lambda words it."""
        if timed_out:
            message = (
                f"RequestId: {request_id} Error: Task timed out after {self.config.timeout_s:.2f} seconds"
            )
            return error_body("Sandbox.Timedout", message), True
        if finished is None:
            message = f"RequestId: {request_id} Error: Runtime exited without providing a reason"
            return error_body("Runtime.ExitError", message), True
        if len(finished.payload) > RESPONSE_LIMIT:
            message = f"Response payload size exceeded maximum allowed payload size ({RESPONSE_LIMIT} bytes)."
            return error_body("Function.ResponseSizeTooLarge", message), True
        return finished.payload, finished.error

    def _failed_init(self, environment: Environment, request_id: str, version: str) -> Outcome:
        message = f"RequestId: {request_id} Error: Runtime exited during initialization"
        return Outcome(
            request_id=request_id,
            version=version,
            payload=environment.init_error or error_body("Runtime.ExitError", message),
            function_error="Unhandled",
            log=log.start_line(request_id, version).encode() + environment.log_since(0),
        )

    def _acquire(self, version: str) -> Environment | None:
        """Take a ready environment, the one used last first; None: start a new one.

        An environment that has answered but not yet asked for its next event is still finishing. Its caller
        already has the answer and may well call again at once, so it is worth waiting for.
        """
        deadline = time.monotonic() + DRAIN_PATIENCE_S
        with self._changed:
            while True:
                pool = [found for found in self._environments if found.version == version]
                for found in reversed(pool):
                    if found.take():
                        self._environments.remove(found)
                        self._environments.append(found)
                        return found
                coming = [
                    found
                    for found in pool
                    if found.phase is Phase.DRAINING or (found.phase is Phase.STARTING and found.provisioned)
                ]
                # As many others may already be waiting for those that come.
                if not coming or not self._changed.wait(deadline - time.monotonic()):
                    break
            limit = self.config.reserved_concurrency
            alive = [found for found in self._environments if found.phase is not Phase.DEAD]
            if limit is not None and len(alive) >= limit:
                raise Throttled
            return None

    def _new(self, version: str, *, provisioned: bool) -> Environment:
        with self._changed:
            environment = Environment(
                f"{self.config.name}-{next(self._numbers):04d}",
                self.config,
                version=version,
                provisioned=provisioned,
                work_dir=self._work_dir,
                freezer=self._freezer,
                on_change=self._notify,
            )
            self._environments = [e for e in self._environments if e.phase is not Phase.DEAD] + [environment]
            return environment

    def _notify(self) -> None:
        with self._changed:
            self._changed.notify_all()


class Service:
    """All functions of a lab."""

    def __init__(self, configs: Sequence[FunctionConfig], work_dir: Path, freezer: Freezer) -> None:
        self.functions = {config.name: Function(config, work_dir, freezer) for config in configs}
        self.freezer = freezer

    def provision(self) -> list[str]:
        """Start all provisioned environments, a few at a time; what went wrong, one line for each."""
        wanted = [
            function
            for function in self.functions.values()
            for _ in range(function.config.provisioned_concurrency)
        ]
        with ThreadPoolExecutor(max(2, os.cpu_count() or 2)) as starters:
            started = list(starters.map(Function.start_one, wanted))
        return [
            f"{environment.function.name}: {_why(environment)}"
            for environment in started
            if environment.phase is Phase.DEAD
        ]

    def describe(self) -> dict[str, Any]:
        """Content of the info endpoint."""
        return {
            "freeze": self.freezer.name,
            "environments": [
                environment.describe()
                for function in self.functions.values()
                for environment in function.environments()
            ],
        }

    def replace(self, environment_id: str) -> bool:
        """Kill an environment as Lambda does every few hours; a provisioned one is started anew."""
        for function in self.functions.values():
            for environment in function.environments():
                if environment.id == environment_id:
                    environment.kill()
                    if environment.provisioned:
                        function.start_one()
                    return True
        return False

    def close(self) -> None:
        """Kill everything."""
        for function in self.functions.values():
            function.close()


def _why(environment: Environment) -> str:
    """Why an environment did not start: the init error if the runtime reported one, else its last words."""
    if environment.init_error:
        error = json.loads(environment.init_error)
        return f"{error.get('errorType')}: {error.get('errorMessage')}"
    lines = environment.log_since(0).decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else f"not ready after {INIT_TIMEOUT_S:g} s"
