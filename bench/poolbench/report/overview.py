"""Many scenarios and campaigns in Markdown: what holds everywhere, what is recommended, where each fails."""

from collections.abc import Iterator, Sequence

from poolbench.function.strategies import STRATEGIES, Conduct, Strategy
from poolbench.report import render
from poolbench.report.answer import failed_none
from poolbench.report.metrics.assessment import (
    Assessed,
    AssessedCampaign,
    Standing,
    rare_failures,
    safe_everywhere,
    standings,
)
from poolbench.report.render import TableColumn, count, latency

IDLE_CLIENT_TIMEOUT_S = 1800  # RDS Proxy's default
_WARM = "warm request,"


def of_scenarios(found: Assessed) -> str:
    """What holds in all scenarios, in a sentence, and what holds in most, as a list below it."""
    safe = ", ".join(f"`{label}`" for label in safe_everywhere(found)) or "none"
    lines = [f"Safe in all {len(found)} scenarios: {safe}."]
    if rare := rare_failures(found):
        lines += ["", "Safe in most scenarios, with failed requests", ""]
        lines += (
            f"- in {one.failed} of {one.measured} ({'; '.join(one.failed_in)}): "
            f"{', '.join(f'`{label}`' for label in one.labels)}"
            for one in rare
        )
    return "\n".join(lines)


def of_campaigns(campaigns: Sequence[AssessedCampaign]) -> str:
    """Which strategies campaigns recommend, and a table of all; empty if none compares overheads."""
    comparing = [campaign for campaign in campaigns if campaign.compares_overhead]
    if not comparing:
        return ""
    by: dict[str | None, list[AssessedCampaign]] = {}
    for campaign in comparing:
        by.setdefault(campaign.found[0][1].recommended, []).append(campaign)
    parts = [_recommendation(label, those) for label, those in by.items()]
    columns: list[TableColumn[Standing]] = [
        TableColumn("", "strategy", "", lambda one: one.label, is_name=True),
        TableColumn(_WARM, "commands", "on the wire", lambda one: count(one.overheads[0].warm_commands)),
        *(_median(place, campaign.name) for place, campaign in enumerate(comparing)),
        TableColumn(
            "", "failed requests in", "", lambda one: _failed_in(one.label, campaigns) or "none", is_name=True
        ),
    ]
    return "\n\n".join([*parts, render.as_markdown(render.render(columns, standings(campaigns)))])


def _failed_in(label: str, campaigns: Sequence[AssessedCampaign]) -> str:
    """The campaigns in which a strategy failed a request, with the number of scenarios."""
    found = []
    for campaign in campaigns:
        failed, measured = campaign.failures(label)
        if failed:
            found.append(f"{campaign.name} {failed} of {measured}" if measured > 1 else campaign.name)
    return ", ".join(found)


def _recommendation(label: str | None, campaigns: Sequence[AssessedCampaign]) -> str:
    names = ", ".join(f"[{campaign.name}](#{campaign.name})" for campaign in campaigns)
    if label is None:
        return f"None is recommended by {names}."
    measured = [one for campaign in campaigns for one in campaign.overheads if one.label == label]
    surest = max(measured, key=lambda one: one.failed_after.n)
    lines = [f"Recommended by {names}: **`{label}`**."]
    known = STRATEGIES.get(label)
    if known:
        lines += [f"It is {known.purpose}.", *_written(known)]
    lines.append(failed_none(surest))
    if known:
        lines.append(f"Where it fails: {known.fails}.")
    return "\n".join(lines)


def _written(strategy: Strategy) -> Iterator[str]:
    """What to type for the proxy's default timeout; nothing for a strategy that is more than arguments."""
    rest = (strategy.driver, strategy.listeners, strategy.token, strategy.conduct != Conduct())
    arguments = dict(strategy.engine)
    if strategy.recycle:
        arguments["pool_recycle"] = round(strategy.recycle * IDLE_CLIENT_TIMEOUT_S)
    if arguments and not any(rest):
        named = (f"{name}={getattr(value, '__name__', repr(value))}" for name, value in arguments.items())
        written = f"create_engine(url, {', '.join(named)})"
        yield f"Behind RDS Proxy with its default timeout of {IDLE_CLIENT_TIMEOUT_S} s: `{written}`."


def _median(place: int, campaign: str) -> TableColumn[Standing]:
    meaning = "requests that follow a successful one of the same invocation"
    return latency(_WARM, f"ms p50 in {campaign}", meaning, lambda one: one.overheads[place].warm.median)
