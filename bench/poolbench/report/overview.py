"""What several campaigns say together: whom they recommend, and where each strategy lost a request."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from poolbench.function.strategies import STRATEGIES, Conduct, Strategy
from poolbench.report import render
from poolbench.report.answer import Answer, lost_none
from poolbench.report.render import Column, count, latency
from poolbench.report.settings import Setting
from poolbench.report.tradeoff import Price

IDLE_CLIENT_TIMEOUT_S = 1800  # RDS Proxy's default
_WARM = "warm request,"


@dataclass(frozen=True, slots=True)
class Campaign:
    """What was found in each setting of a campaign."""

    name: str
    found: tuple[tuple[Setting, Answer], ...]

    @property
    def weighs(self) -> bool:
        """Whether it can weigh prices: one setting, with gaps on both sides of the timeout."""
        return len(self.found) == 1 and all(price.within and price.lost_beyond.n for price in self.prices)

    @property
    def prices(self) -> tuple[Price, ...]:
        """Of every strategy, in the first setting."""
        return self.found[0][1].prices

    def lost(self, label: str) -> str:
        """Its name, with how many of its settings the strategy lost a request in; empty if in none."""
        measured = [price for _, answer in self.found for price in answer.prices if price.label == label]
        lost = sum(not price.is_safe for price in measured)
        of = f" {lost} of {len(measured)}" if len(measured) > 1 else ""
        return f"{self.name}{of}" if lost else ""


@dataclass(frozen=True, slots=True)
class Standing:
    """A strategy in all campaigns: its price in each that weighs prices, and where it lost requests."""

    label: str
    prices: tuple[Price, ...]
    lost_in: tuple[str, ...]


def standings(campaigns: Sequence[Campaign]) -> tuple[Standing, ...]:
    """The strategies that every campaign which weighs prices has measured, in the first one's order."""
    weighed = [{price.label: price for price in campaign.prices} for campaign in campaigns if campaign.weighs]
    return tuple(
        Standing(
            label,
            tuple(prices[label] for prices in weighed),
            tuple(lost for campaign in campaigns if (lost := campaign.lost(label))),
        )
        for label in (weighed[0] if weighed else {})
        if all(label in prices for prices in weighed)
    )


def as_markdown(campaigns: Sequence[Campaign]) -> str:
    """Who is recommended by which campaigns, and a table of all; nothing if no campaign weighs prices."""
    weighing = [campaign for campaign in campaigns if campaign.weighs]
    if not weighing:
        return ""
    by: dict[str | None, list[Campaign]] = {}
    for campaign in weighing:
        by.setdefault(campaign.found[0][1].recommended, []).append(campaign)
    said = [_recommendation(label, those) for label, those in by.items()]
    columns: list[Column[Standing]] = [
        Column("", "strategy", "", lambda one: one.label, is_name=True),
        Column(_WARM, "commands", "on the wire", lambda one: count(one.prices[0].wire_steady)),
        *(_median(place, campaign.name) for place, campaign in enumerate(weighing)),
        Column("", "lost requests in", "", lambda one: ", ".join(one.lost_in) or "none", is_name=True),
    ]
    return "\n\n".join([*said, render.as_markdown(render.render(columns, standings(campaigns)))])


def _recommendation(label: str | None, campaigns: Sequence[Campaign]) -> str:
    names = ", ".join(f"[{campaign.name}](#{campaign.name})" for campaign in campaigns)
    if label is None:
        return f"None is recommended by {names}."
    prices = [price for campaign in campaigns for price in campaign.prices if price.label == label]
    surest = max(prices, key=lambda price: price.lost_beyond.n)
    said = [f"Recommended by {names}: **`{label}`**."]
    if known := STRATEGIES.get(label):
        said += [f"It is {known.purpose}.", *_written(known)]
    said.append(lost_none(surest))
    if known:
        said.append(f"Where it fails: {known.fails}.")
    return "\n".join(said)


def _written(strategy: Strategy) -> Iterator[str]:
    """What to write where the proxy's timeout is its default; nothing if it takes more than arguments."""
    rest = (strategy.driver, strategy.listeners, strategy.token, strategy.conduct != Conduct())
    arguments = dict(strategy.engine)
    if strategy.recycle:
        arguments["pool_recycle"] = round(strategy.recycle * IDLE_CLIENT_TIMEOUT_S)
    if arguments and not any(rest):
        named = (f"{name}={getattr(value, '__name__', repr(value))}" for name, value in arguments.items())
        written = f"create_engine(url, {', '.join(named)})"
        yield f"Behind RDS Proxy with its default timeout of {IDLE_CLIENT_TIMEOUT_S} s: `{written}`."


def _median(place: int, campaign: str) -> Column[Standing]:
    meaning = "of requests that followed an answered one"
    return latency(_WARM, f"ms p50 in {campaign}", meaning, lambda one: one.prices[place].steady.median)
