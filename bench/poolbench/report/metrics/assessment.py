"""Assess strategies: which are safe in a scenario, which one to take, and what holds in many scenarios."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from poolbench.report.metrics.comparison import Comparison, compare, noise_floor, noise_share
from poolbench.report.metrics.overhead import Overhead, overheads, pareto_front, recommended
from poolbench.report.scenarios import Scenario, varying
from poolbench.report.statistics import Estimate

Facts = tuple[str, ...]  # values that tell a scenario from the others


@dataclass(frozen=True, slots=True)
class Assessment:
    """What was found in one scenario."""

    overheads: tuple[Overhead, ...]  # of every strategy
    safe: tuple[str, ...]  # labels of the strategies that failed no request
    front: tuple[str, ...]  # the safe strategies that are Pareto-optimal
    # the safe strategies with the cheapest warm request, see `overhead.recommended`
    cheapest: tuple[Overhead, ...]
    comparisons: tuple[Comparison, ...]  # of warm requests with the reference's
    noise: Estimate | None  # ratio of the A/A control to the reference; None without the control

    @property
    def recommended(self) -> str | None:
        """Label of the first of the cheapest."""
        return self.cheapest[0].label if self.cheapest else None


def assess(scenario: Scenario) -> Assessment:
    """Find the safe strategies, their Pareto front, and the recommendation."""
    found = overheads(scenario)
    comparisons = compare(scenario)
    noise = noise_floor(comparisons)
    safe = [one for one in found if one.is_safe]
    share = noise_share(noise)
    return Assessment(
        found,
        tuple(one.label for one in safe),
        pareto_front(safe, share),
        recommended(found, share),
        comparisons,
        noise,
    )


Assessed = Sequence[tuple[Scenario, Assessment]]


@dataclass(frozen=True, slots=True)
class RareFailure:
    """Strategies that failed requests in the same scenarios, though not in most."""

    labels: tuple[str, ...]  # the strategies
    measured: int  # number of scenarios that each was measured in
    failed: int  # number of scenarios that it failed a request in
    # short titles of these; one stands for all that share a value with which it always failed
    failed_in: tuple[str, ...]


def safe_everywhere(found: Assessed) -> tuple[str, ...]:
    """Strategies that were measured in every scenario and failed no request in any."""
    labels = found[0][0].strategies if found else ()
    return tuple(label for label in labels if all(label in assessment.safe for _, assessment in found))


def recommendations(found: Assessed) -> list[tuple[str, int]]:
    """Each recommended strategy with the number of scenarios, the most frequent first."""
    counted = Counter(one.recommended for _, one in found if one.recommended)
    return counted.most_common()


def rare_failures(found: Assessed) -> tuple[RareFailure, ...]:
    """Where strategies fail that are safe in more than half of their scenarios; the rarest failures first."""
    names = varying([scenario for scenario, _ in found])
    measured: dict[str, list[Facts]] = {}
    failed: dict[str, list[Facts]] = {}
    for scenario, assessment in found:
        facts = tuple(str(scenario.facts[name]) for name in names)
        for one in assessment.overheads:
            measured.setdefault(one.label, []).append(facts)
            if not one.is_safe:
                failed.setdefault(one.label, []).append(facts)
    alike: dict[tuple[int, int, tuple[str, ...]], list[str]] = {}
    for label, those in failed.items():
        of = measured[label]
        if 2 * len(those) < len(of):
            alike.setdefault((len(of), len(those), tuple(_titles(those, of))), []).append(label)
    rare = [RareFailure(tuple(labels), *counts) for counts, labels in alike.items()]
    return tuple(sorted(rare, key=lambda one: one.failed / one.measured))


def _titles(those: Sequence[Facts], of: Sequence[Facts]) -> Iterator[str]:
    """Name some scenarios of many: by the value of a fact if no other scenario has it."""
    left = list(those)
    for fact in range(len(those[0])):
        for value in dict.fromkeys(facts[fact] for facts in left):
            sharing = [facts for facts in of if facts[fact] == value]
            if len(sharing) > 1 and all(facts in those for facts in sharing):
                yield f"all with {value}"
                left = [facts for facts in left if facts[fact] != value]
    yield from map(", ".join, left)


@dataclass(frozen=True, slots=True)
class AssessedCampaign:
    """What was found in each scenario of a campaign."""

    name: str
    found: tuple[tuple[Scenario, Assessment], ...]

    @property
    def compares_overhead(self) -> bool:
        """Whether it can compare overheads: one scenario, with gaps on both sides of the timeout."""
        both = (one.within_timeout and one.failed_after.n for one in self.overheads)
        return len(self.found) == 1 and all(both)

    @property
    def overheads(self) -> tuple[Overhead, ...]:
        """Of every strategy, in the first scenario."""
        return self.found[0][1].overheads

    def failures(self, label: str) -> tuple[int, int]:
        """In how many scenarios a strategy failed a request, of how many in which it was measured."""
        measured = [one for _, found in self.found for one in found.overheads if one.label == label]
        return sum(not one.is_safe for one in measured), len(measured)


@dataclass(frozen=True, slots=True)
class Standing:
    """A strategy in all campaigns that compare overheads, in the order of these campaigns."""

    label: str
    overheads: tuple[Overhead, ...]


def standings(campaigns: Sequence[AssessedCampaign]) -> tuple[Standing, ...]:
    """The strategies that every campaign which compares overheads has measured, in the first one's order."""
    found = [{one.label: one for one in each.overheads} for each in campaigns if each.compares_overhead]
    labels = found[0] if found else {}
    return tuple(
        Standing(label, tuple(of_campaign[label] for of_campaign in found))
        for label in labels
        if all(label in of_campaign for of_campaign in found)
    )
