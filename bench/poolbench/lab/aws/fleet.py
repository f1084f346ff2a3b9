"""One function's execution environments, and which of them runs an invocation: Lambda's concurrency rules."""

import asyncio
import json
from collections.abc import Sequence
from enum import Enum

from poolbench.lab.aws.environment import (
    EnvironmentState,
    ExecutionEnvironment,
    Host,
    InitResult,
    InvocationResult,
)
from poolbench.lab.aws.function import PUBLISHED, FunctionConfig
from poolbench.lab.aws.runtime_api import LambdaInvocation

ACCOUNT_CONCURRENCY = 1000  # of a function without reserved concurrency; Lambda's default quota
# On-demand environments end after so much idleness. Of Lambda's it is only documented that they do; it took
# 10 minutes in 2019 (mikhail.io, "AWS Lambda Cold Starts After 10 Minutes"), and 5 to 60 in other years.
KEEP_IDLE_S = 600.0


class Fallback(Enum):
    """What to do where no environment is free."""

    WAIT = "one is draining"
    START = "start an on-demand environment"
    THROTTLE = "429"


def choose(
    environments: Sequence[ExecutionEnvironment], version: str, *, waiting: int, provisioned: int, limit: int
) -> ExecutionEnvironment | Fallback:
    """Choose for an invocation of `version`.

    An environment that drains is worth waiting for: its caller has the answer already and may well call
    again at once. Without the wait such a caller would be throttled, or cost a cold start.

    Args:
        environments: all of the function's, the last used last; of equals the last is taken.
        version: that is called.
        waiting: how many callers of this version already wait for one that drains.
        provisioned: provisioned concurrency, which always counts against the limit.
        limit: reserved concurrency, or the account's.

    """
    mine = [found for found in environments if found.version == version]
    spare = limit - provisioned - sum(not e.provisioned and e.state.in_flight for e in environments)
    for found in reversed(mine):
        if found.provisioned and found.state.available:
            return found
    if sum(found.state is EnvironmentState.DRAINING for found in mine) > waiting:
        return Fallback.WAIT
    if spare <= 0:
        return Fallback.THROTTLE
    for found in reversed(mine):
        if found.state.available:
            return found
    return Fallback.START


class Throttled(Exception):
    """No environment may run this now; the message is Lambda's reason."""


class ProvisioningFailed(Exception):
    """A provisioned environment could not be initialised; the message names the function and why."""


class FunctionFleet:
    """The environments of one function."""

    def __init__(self, config: FunctionConfig, host: Host) -> None:
        """Set up; nothing runs before `provision` or an invocation."""
        self.config = config
        self.environments: list[ExecutionEnvironment] = []  # the last used last
        self._host = host
        # With the version that it is to run, None for who has nothing to run and leaves the place to others.
        self._waiting: list[tuple[str | None, asyncio.Future[None]]] = []

    async def provision(self) -> None:
        """Start the provisioned environments.

        Raises:
            ProvisioningFailed: one of them could not be initialised.

        """
        new = [self._add(PUBLISHED, provisioned=True) for _ in range(self.config.provisioned_concurrency)]
        for environment, init in zip(
            new, await asyncio.gather(*(each.initialise() for each in new)), strict=True
        ):
            self._check(init)
            environment.admit()

    async def invoke(self, invocation: LambdaInvocation, version: str) -> InvocationResult:
        """Run the function once.

        Raises:
            Throttled: its concurrency is used up.

        """
        environment = await self._acquire(version)
        # Moved to the end, as the one used last: like Lambda, as far as is known, keep to few warm ones.
        self.environments.remove(environment)
        self.environments.append(environment)
        return await environment.invoke(invocation)

    async def replace(self, environment: ExecutionEnvironment) -> ExecutionEnvironment | None:
        """End an environment as Lambda does every few hours, and return the successor of a provisioned one.

        It ends when it is idle, and not before its successor is ready; on demand it has no successor.

        Raises:
            ProvisioningFailed: the successor could not be initialised; the old one stays.

        """
        successor = self._add(PUBLISHED, provisioned=True) if environment.provisioned else None
        if successor:
            init = await successor.initialise()
            if init.failure:
                self._remove(successor)
                self._check(init)
        while environment.state.in_flight:
            await self._next_rest(None)
        if environment.state is EnvironmentState.GONE:  # another call replaced it meanwhile
            if successor:
                self._remove(successor)
            return None
        self._remove(environment)
        if successor:
            successor.admit()
        return successor

    def reap(self, rested_before: float) -> None:
        """End on-demand environments that have been idle since before that time, monotonic clock."""
        for environment in list(self.environments):
            idle = environment.state.available and environment.rested_at < rested_before
            if idle and not environment.provisioned:
                self._remove(environment)

    def close(self) -> None:
        """Kill everything."""
        for environment in self.environments:
            environment.kill()
        self.environments.clear()

    async def _acquire(self, version: str) -> ExecutionEnvironment:
        reserved = self.config.reserved_concurrency
        while True:
            choice = choose(
                self.environments,
                version,
                waiting=sum(waiting == version for waiting, _ in self._waiting),
                provisioned=self.config.provisioned_concurrency,
                limit=ACCOUNT_CONCURRENCY if reserved is None else reserved,
            )
            if choice is Fallback.THROTTLE:
                raise Throttled(
                    "ConcurrentInvocationLimitExceeded"
                    if reserved is None
                    else "ReservedFunctionConcurrentInvocationLimitExceeded"
                )
            if choice is Fallback.WAIT:
                await self._next_rest(version)
            elif choice is Fallback.START:
                environment = self._add(version, provisioned=False)
                await environment.initialise()  # if that fails, the invocation tries again, as Lambda's does
                environment.take()
                return environment
            else:
                choice.take()
                return choice

    def _add(self, version: str, *, provisioned: bool) -> ExecutionEnvironment:
        environment = ExecutionEnvironment(
            self.config, self._host, version=version, provisioned=provisioned, on_rest=self._wake
        )
        self.environments.append(environment)
        return environment

    def _remove(self, environment: ExecutionEnvironment) -> None:
        self.environments.remove(environment)
        environment.kill()

    async def _next_rest(self, version: str | None) -> None:
        """Wait until some environment comes to rest, to run that version."""
        rest: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((version, rest))
        await rest

    def _wake(self) -> None:
        """Let all waiting callers choose again, in order."""
        waiting, self._waiting = self._waiting, []
        for _, rest in waiting:
            if not rest.cancelled():
                rest.set_result(None)

    def _check(self, init: InitResult) -> None:
        if init.failure:
            error = json.loads(init.failure.payload)
            raise ProvisioningFailed(
                f"function {self.config.name}: a provisioned environment could not be initialised: "
                f"{error.get('errorType')}: {error.get('errorMessage')}"
            )
