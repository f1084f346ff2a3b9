"""Strategies that hold everywhere, and those that almost do."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from poolbench.report.answer import Answer
from poolbench.report.settings import Setting, varying

Facts = tuple[str, ...]  # values that tell a setting from the others


@dataclass(frozen=True, slots=True)
class Headline:
    """Strategies that lost requests in the same settings, though not in most.

    Attributes:
        labels: the strategies.
        measured: settings that each was measured in.
        lost: how many of them it lost a request in.
        lost_in: which, in short titles; one stands for all that share a value with which it lost in each.

    """

    labels: tuple[str, ...]
    measured: int
    lost: int
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
    measured: dict[str, list[Facts]] = {}
    lost: dict[str, list[Facts]] = {}
    for setting, answer in found:
        facts = tuple(str(setting.facts[name]) for name in names)
        for price in answer.prices:
            measured.setdefault(price.label, []).append(facts)
            if not price.is_safe:
                lost.setdefault(price.label, []).append(facts)
    alike: dict[tuple[int, int, tuple[str, ...]], list[str]] = {}
    for label, those in lost.items():
        of = measured[label]
        if 2 * len(those) < len(of):
            alike.setdefault((len(of), len(those), tuple(_titles(those, of))), []).append(label)
    told = [Headline(tuple(labels), *settings) for settings, labels in alike.items()]
    return tuple(sorted(told, key=lambda one: one.lost / one.measured))


def _titles(those: Sequence[Facts], of: Sequence[Facts]) -> Iterator[str]:
    """Name some settings of many, by a value of a fact where it is in no others."""
    left = list(those)
    for fact in range(len(those[0])):
        for value in dict.fromkeys(facts[fact] for facts in left):
            sharing = [facts for facts in of if facts[fact] == value]
            if len(sharing) > 1 and all(facts in those for facts in sharing):
                yield f"all with {value}"
                left = [facts for facts in left if facts[fact] != value]
    yield from map(", ".join, left)


def safe_everywhere(found: Sequence[tuple[Setting, Answer]]) -> tuple[str, ...]:
    """Strategies that were measured in every setting and lost no request in any."""
    labels = found[0][0].strategies if found else ()
    return tuple(label for label in labels if all(label in answer.safe for _, answer in found))


def as_markdown(found: Sequence[tuple[Setting, Answer]]) -> str:
    """What holds everywhere, in a sentence, and what holds almost everywhere, as a list below it."""
    safe = ", ".join(f"`{label}`" for label in safe_everywhere(found)) or "none"
    lines = [f"Safe in all {len(found)} settings: {safe}."]
    if told := headlines(found):
        lines += ["", "Safe in most, but losing requests", ""]
        lines += (
            f"- in {one.lost} of {one.measured}, {'; '.join(one.lost_in)}: "
            f"{', '.join(f'`{label}`' for label in one.labels)}"
            for one in told
        )
    return "\n".join(lines)
