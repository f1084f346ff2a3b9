"""One execution environment: a process group around the real runtime client, frozen when idle."""

import contextlib
import json
import os
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from enum import Enum
from pathlib import Path
from typing import Any

from bench.lab.aws.freezer import Freezer
from bench.lab.aws.function import REGION, FunctionConfig
from bench.lab.aws.runtime_api import Event, Result, RuntimeApi
from bench.lab.process import Child

# The parent-death signal follows the forking thread, so one thread that lives on does all the forking.
_FORKER = ThreadPoolExecutor(1, thread_name_prefix="fork")
_INHERITED = ("PATH", "HOME", "LANG", "LD_LIBRARY_PATH", "SSL_CERT_FILE", "SSL_CERT_DIR")


class Phase(Enum):
    """Where an environment is in its life."""

    STARTING = "starting"
    READY = "ready"  # frozen, waiting for an event
    BUSY = "busy"
    DRAINING = "draining"  # has answered, has not asked for the next event yet
    DEAD = "dead"


class Environment:
    """Start with `start`; `invoke` runs one event at a time; `kill` ends it, from any thread."""

    def __init__(
        self,
        name: str,
        function: FunctionConfig,
        *,
        version: str,
        provisioned: bool,
        work_dir: Path,
        freezer: Freezer,
        on_change: Callable[[], None],
    ) -> None:
        """Prepare; nothing runs yet. `on_change` is called when it becomes ready or dies."""
        self.id = name
        self.function, self.version, self.provisioned = function, version, provisioned
        self.phase = Phase.STARTING
        self.freezes = 0
        self.init_s: float | None = None
        self.init_error: bytes | None = None
        self._freezer, self._on_change = freezer, on_change
        self._log = work_dir / f"{self.id}.log"
        self._results: queue.SimpleQueue[Result | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._child: Child | None = None
        self._api = RuntimeApi(self._next, self._thaw, self._result, self._fail_init)
        self._began = time.monotonic()

    @property
    def pid(self) -> int | None:
        """Of the runtime; it leads the process group."""
        return self._child.pid if self._child else None

    def start(self) -> None:
        """Spawn the runtime and return; it becomes ready, or dies, on its own."""
        self._began = time.monotonic()
        self._child = _FORKER.submit(
            Child,
            [self.function.python, "-m", "awslambdaric", self.function.handler],
            log=self._log,
            env=self._variables(),
            cwd=Path(self.function.code) if self.function.code else None,
        ).result()
        threading.Thread(target=self._reap, args=(self._child,), daemon=True).start()

    def take(self) -> bool:
        """Reserve it for an invocation, if it is ready."""
        with self._lock:
            if self.phase is not Phase.READY:
                return False
            self.phase = Phase.BUSY
            return True

    def invoke(self, event: Event, timeout_s: float) -> Result | None:
        """Run one event in an environment that was taken; None: it died or took too long, and is dead now."""
        self._api.send(event)
        try:
            result = self._results.get(timeout=timeout_s)
        except queue.Empty:
            result = None
        if result is None:
            self.kill()
        return result

    def log_size(self) -> int:
        """Bytes that it has written so far."""
        return self._log.stat().st_size

    def log_since(self, offset: int) -> bytes:
        """What it has written after `offset` bytes."""
        with self._log.open("rb") as log:
            log.seek(offset)
            return log.read()

    def used_mb(self) -> int:
        """Peak resident memory of the runtime; 0 where the system does not tell."""
        with contextlib.suppress(OSError, ValueError, IndexError):
            status = Path(f"/proc/{self.pid}/status").read_text()
            return int(status.split("VmHWM:")[1].split()[0]) // 1024
        return 0

    def kill(self) -> None:
        """SIGKILL for the group, as Lambda ends environments: nothing in it gets to clean up."""
        with self._lock:
            was, self.phase = self.phase, Phase.DEAD
        if self._child:
            self._child.kill()
        if was is not Phase.DEAD:
            self._results.put(None)
            self._api.close()
            self._on_change()

    def describe(self) -> dict[str, Any]:
        """What the info endpoint tells of it."""
        return {
            "id": self.id,
            "function": self.function.name,
            "version": self.version,
            "provisioned": self.provisioned,
            "pid": self.pid,
            "phase": self.phase.value,
            "freezes": self.freezes,
            "init_s": self.init_s,
            "memory_mb": self.used_mb(),
        }

    def _next(self) -> None:
        """The runtime asks for an event: it is done with the last one, or with its init."""
        with self._lock:
            if self.phase is Phase.DEAD:
                return
            if self.init_s is None:
                self.init_s = time.monotonic() - self._began
            if self.pid:
                self._freezer.freeze(self.pid)
            self.freezes += 1
            self.phase = Phase.READY
        self._on_change()

    def _result(self, result: Result) -> None:
        with self._lock:
            if self.phase is Phase.BUSY:
                self.phase = Phase.DRAINING
        self._results.put(result)

    def _thaw(self) -> None:
        if self.pid:
            self._freezer.thaw(self.pid)

    def _fail_init(self, body: bytes) -> None:
        self.init_error = body

    def _reap(self, child: Child) -> None:
        """Notice that the runtime has gone, whoever ended it."""
        child.wait()
        self.kill()

    def _variables(self) -> dict[str, str]:
        """Environment variables as Lambda sets them; of the host's, only what a process needs to run."""
        function = self.function
        path = os.pathsep.join(p for p in (function.code, os.environ.get("PYTHONPATH")) if p)
        return {
            **{name: os.environ[name] for name in _INHERITED if name in os.environ},
            **({"PYTHONPATH": path} if path else {}),
            "TZ": ":UTC",
            "PYTHONUNBUFFERED": "1",
            "AWS_EXECUTION_ENV": "AWS_Lambda_python3.13",
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_LAMBDA_RUNTIME_API": self._api.address,
            "AWS_LAMBDA_FUNCTION_NAME": function.name,
            "AWS_LAMBDA_FUNCTION_VERSION": self.version,
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory_mb),
            "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{function.name}",
            "AWS_LAMBDA_LOG_STREAM_NAME": self.id,
            "AWS_LAMBDA_INITIALIZATION_TYPE": "provisioned-concurrency" if self.provisioned else "on-demand",
            "LAMBDA_TASK_ROOT": function.code or str(Path.cwd()),
            "LAMBDA_RUNTIME_DIR": "/var/runtime",
            **function.environment,
        }


def error_body(kind: str, message: str) -> bytes:
    """Body of an answer that Lambda itself makes up for a function that could not."""
    return json.dumps({"errorType": kind, "errorMessage": message}).encode()
