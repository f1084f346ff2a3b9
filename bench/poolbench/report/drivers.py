"""Commands on the wire, by strategy and driver."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from poolbench.report import render
from poolbench.report.answer import Answer
from poolbench.report.settings import Setting
from poolbench.report.tradeoff import Price


@dataclass(frozen=True, slots=True)
class Commands:
    """What a strategy costs with each driver.

    Attributes:
        label: the strategy.
        prices: by driver; those that it was not measured with are missing.

    """

    label: str
    prices: Mapping[str, Price]


def commands_by_driver(found: Sequence[tuple[Setting, Answer]]) -> render.Table | None:
    """Commands per request of each strategy with each driver; None where there is one driver.

    Of the first setting of each driver, which is that of the campaign's first failure.
    """
    first: dict[str, Answer] = {}
    for setting, answer in found:
        first.setdefault(str(setting.facts["driver"]), answer)
    if len(first) < 2:
        return None
    prices = {driver: {price.label: price for price in answer.prices} for driver, answer in first.items()}
    labels = dict.fromkeys(label for of_driver in prices.values() for label in of_driver)
    rows = [
        Commands(label, {driver: by_label[label] for driver, by_label in prices.items() if label in by_label})
        for label in labels
    ]
    name: render.Column[Commands] = render.Column("", "strategy", "", lambda row: row.label, is_name=True)
    return render.render([name, *(column for driver in first for column in _columns(driver))], rows)


def _columns(driver: str) -> list[render.Column[Commands]]:
    return [
        render.Column(
            driver,
            "steady",
            "commands per steady request; each is a round trip",
            lambda row: render.count(row.prices[driver].wire_steady) if driver in row.prices else render.NONE,
        ),
        render.Column(
            driver,
            "after",
            "commands per first request after a gap beyond the timeout, a failed ping among them; none for "
            "one that is lost",
            lambda row: (
                render.count(row.prices[driver].wire_beyond)
                if driver in row.prices and row.prices[driver].is_safe
                else render.NONE
            ),
        ),
    ]
