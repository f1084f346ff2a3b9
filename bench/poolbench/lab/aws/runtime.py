"""One runtime process, its process group, and the moment at which it exits."""

import asyncio
import os
import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self, TypeVar

from poolbench.lab.aws.runtime_api import Answer, Invocation, RuntimeApi
from poolbench.lab.platform import exit_descriptor
from poolbench.lab.process import Child
from poolbench.lab.processes import peak_memory_mb

_POLL_S = 0.05
_Result = TypeVar("_Result")


class RuntimeExited(Exception):
    """The runtime is gone; worded as Lambda words it."""

    def __init__(self, code: int) -> None:
        """`code` as subprocess has it: negative for a signal."""
        if code == 0:
            message = "Runtime exited without providing a reason"
        elif code > 0:
            message = f"Runtime exited with error: exit status {code}"
        else:
            message = f"Runtime exited with error: signal: {(signal.strsignal(-code) or str(-code)).lower()}"
        super().__init__(message)


class Runtime:
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
            RuntimeExited: it went without a word.

        """
        await self._unless_exited(self._api.initialised)

    async def run(self, invocation: Invocation, deadline_ms: int) -> Answer:
        """Have it handle one event.

        Raises:
            RuntimeExited: it went before it answered.

        """
        if self._exited.done():
            raise RuntimeExited(self._exited.result())
        return await self._unless_exited(self._api.deliver(invocation, deadline_ms))

    def kill(self) -> None:
        """SIGKILL for the group, as Lambda ends environments: nothing in it gets to clean up.

        When the leader exits by itself, the rest of its group goes the same way.
        """
        if self._exited.done():
            return  # and reaped: its number may belong to another group by now
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
