"""A clock that costs no time, and a function that answers at once."""

from collections.abc import Callable
from typing import Any

from poolbench.campaign.invoker import Reply
from poolbench.model.cell import LambdaReport
from poolbench.model.invocation import InvocationAnswer


class FakeClock:
    """Moves only when it is slept on or pushed."""

    def __init__(self) -> None:
        self.time = 100.0

    def monotonic(self) -> float:
        return self.time

    def wall_ns(self) -> int:
        return round(self.time * 1e9)

    def sleep_until(self, moment: float) -> None:
        self.time = max(self.time, moment)


def reply(payload: Any, function_error: str | None = None) -> Reply:
    return Reply(
        payload=payload,
        report=LambdaReport(function_error=function_error, duration_s=0.001, max_memory_mb=50.0),
    )


def answer(*outcomes: str, error: str | None = None, **more: Any) -> Reply:
    stored = more.pop("stored", "key")
    return reply(
        InvocationAnswer(
            environment="env", outcomes=outcomes, first_error=error, stored=stored, **more
        ).as_dict()
    )


class FakeFunction:
    """Takes `window_s` of the clock for each invocation and keeps what it was asked."""

    def __init__(
        self,
        clock: FakeClock,
        window_s: float = 0.01,
        answers: Callable[[dict[str, Any]], Reply] = lambda _event: answer("ok", "ok"),
    ) -> None:
        self.clock, self.window_s, self.answers = clock, window_s, answers
        self.calls: list[tuple[float, float, str, dict[str, Any]]] = []  # sent, done, function, event

    def invoke(self, function: str, event: dict[str, Any]) -> Reply:
        sent = self.clock.monotonic()
        self.clock.time += self.window_s
        result = self.answers(event)
        self.calls.append((sent, self.clock.monotonic(), function, event))
        return result


def seen_by_the_client(sequence: int) -> dict[str, Any]:
    """What a finished cell holds of an invocation."""
    return {
        "sequence": sequence,
        "environment": "env",
        "client_due_wall_ns": 4,
        "function": "lane:live",
        "client_sent_wall_ns": 5,
        "client_done_wall_ns": 6,
        "function_error": None,
        "duration_s": 0.25,
        "init_duration_s": None,
        "max_memory_mb": 50.0,
        "throttled": 0,
    }
