"""Strategies that hold everywhere, and those that almost do."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from bench.analysis.answer import Answer
from bench.analysis.settings import Setting, varying


@dataclass(frozen=True, slots=True)
class Headline:
    """A strategy that lost requests in some settings, though not in most.

    Attributes:
        label: the strategy.
        measured: settings that it was measured in.
        lost_in: short titles of those in which it lost a request.

    """

    label: str
    measured: int
    lost_in: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """A strategy and in how many settings it is the recommended one."""

    label: str
    times: int


def choices(found: Sequence[Answer]) -> tuple[Choice, ...]:
    """What is recommended, the most often first."""
    counted = Counter(answer.recommended for answer in found if answer.recommended)
    return tuple(Choice(label, times) for label, times in counted.most_common())


def headlines(found: Sequence[tuple[Setting, Answer]]) -> tuple[Headline, ...]:
    """Where strategies lose that are safe in more than half of their settings; the rarest losses first."""
    names = varying([setting for setting, _ in found])
    measured: dict[str, int] = {}
    lost_in: dict[str, list[str]] = {}
    for setting, answer in found:
        for price in answer.prices:
            measured[price.label] = measured.get(price.label, 0) + 1
            if not price.is_safe:
                title = ", ".join(str(setting.facts[name]) for name in names)
                lost_in.setdefault(price.label, []).append(title)
    told = [
        Headline(label, measured[label], tuple(titles))
        for label, titles in lost_in.items()
        if 2 * len(titles) < measured[label]
    ]
    return tuple(sorted(told, key=lambda one: len(one.lost_in) / one.measured))


def safe_everywhere(found: Sequence[tuple[Setting, Answer]]) -> tuple[str, ...]:
    """Strategies that were measured in every setting and lost no request in any."""
    labels = found[0][0].strategies if found else ()
    return tuple(label for label in labels if all(label in answer.safe for _, answer in found))


def as_markdown(found: Sequence[tuple[Setting, Answer]]) -> str:
    """What holds everywhere, in a sentence, and what holds almost everywhere, as a list below it."""
    safe = ", ".join(f"`{label}`" for label in safe_everywhere(found)) or "none"
    lines = [f"Safe in all {len(found)} settings: {safe}."]
    if told := headlines(found):
        lines += ["", "Safe almost everywhere, but not:", ""]
        lines += (
            f"- `{one.label}` loses requests in {len(one.lost_in)} of {one.measured} settings: "
            f"{'; '.join(one.lost_in)}"
            for one in told
        )
    return "\n".join(lines)
