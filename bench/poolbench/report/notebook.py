"""What notebooks call: one name for each table, chart and text, of any campaign."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import pandas as pd
from IPython.display import Image, Markdown, display
from matplotlib.figure import Figure

from poolbench.model.header import Header
from poolbench.report import columns, render
from poolbench.report.answer import as_markdown, limitations
from poolbench.report.charts.contest import contest
from poolbench.report.charts.matrix import matrix
from poolbench.report.charts.registry import BURST_CHARTS, CHARTS
from poolbench.report.charts.style import to_png
from poolbench.report.load import Dataset, load
from poolbench.report.metrics.assessment import Assessment, assess
from poolbench.report.metrics.bursts import burst_table, is_burst
from poolbench.report.metrics.failures import errors, failure_matrix
from poolbench.report.metrics.latency import strategy_requests
from poolbench.report.questions import QUESTIONS
from poolbench.report.scenarios import Scenario, split, varying
from poolbench.report.warnings import find_warnings

Shown = Markdown | Image
_NO_CHART = Markdown("*The rows of this campaign do not support this chart.*")


@dataclass(frozen=True, slots=True)
class Results:
    """Campaigns by name."""

    directory: Path  # of synced campaigns, each under its name; or of one campaign, which stands for all

    def campaign(self, name: str) -> "View":
        """The campaign of that name, or the only one there is."""
        if (self.directory / "header.json").exists():
            return View(load([self.directory]))
        if not (self.directory / name / "header.json").exists():
            return View(None, f"Campaign `{name}` is not here; `poolbench campaign {name}` measures it.")
        return View(load([self.directory / name]))

    def ask(self, name: str) -> None:
        """Show a question of `questions.QUESTIONS` with its answer, its chart, and its limitations."""
        question = next(question for question in QUESTIONS if question.name == name)
        view = self.campaign(question.campaign)
        threads = ", ".join(f"`{thread}`" for thread in question.threads)
        display(_markdown(f"**{question.asked}**" + (f" ({threads})" if threads else "")))
        if view.scenario is None:
            display(view.absent)
            return
        display(_markdown(question.reply(view.scenario)))
        display(_picture(question.draw(view.scenario, question.labels), question.asked))
        display(_markdown(f"*Limitations:* {question.open}"))


class View:
    """One campaign, or why it is absent; the notebook displays what a method returns."""

    def __init__(self, dataset: Dataset | None, absent: str = "This campaign has no such results.") -> None:
        self.dataset, self.absent = dataset, _markdown(f"*{absent}*")
        self.bursts = burst_table(dataset) if dataset and is_burst(dataset) else ()
        self.scenarios: tuple[Scenario, ...] = split(dataset) if dataset and not self.bursts else ()
        self.scenario = self.scenarios[0] if self.scenarios else None

    @cached_property
    def _assessed(self) -> list[tuple[Scenario, Assessment]]:
        return [(scenario, assess(scenario)) for scenario in self.scenarios]

    def about(self) -> Markdown:
        """What was measured, on what, and the warnings."""
        if self.dataset is None:
            return self.absent
        lines = [line for header in self.dataset.headers for line in _of_header(header)]
        compared = [(scenario, found.comparisons) for scenario, found in self._assessed]
        found = [f"*{one.text}.* {one.kind.value}" for one in find_warnings(self.dataset, compared)]
        return _markdown("\n".join(f"- {line}" for line in (*lines, *found)))

    def chart(self, name: str) -> Shown:
        """A chart of `registry.CHARTS`, for the first scenario, or of `registry.BURST_CHARTS`."""
        if self.dataset is None:
            return self.absent
        if self.bursts:
            drawn = {chart.name: chart.draw for chart in BURST_CHARTS}
            return _picture(drawn[name](self.dataset, self.bursts) if name in drawn else None, name)
        of_name = [chart for chart in CHARTS if chart.name == name and self._assessed]
        return _picture(of_name[0].draw(*self._assessed[0]) if of_name else None, name)

    def table(self) -> Markdown:
        """Connections and requests of bursts."""
        if not self.bursts:
            return self.absent
        return _markdown(render.as_markdown(render.render(columns.BURSTS, self.bursts)))

    def contest(self, *labels: str) -> Shown:
        """These strategies side by side, in the first scenario."""
        if self.scenario is None:
            return self.absent
        return _picture(contest(strategy_requests(self.scenario, labels)), "strategies side by side")

    def matrix(self) -> Shown:
        """Strategy by everything else that was varied."""
        if not self.scenarios:
            return self.absent
        return _picture(matrix(failure_matrix(self.scenarios)), "failed requests by strategy and scenario")

    def overheads(self) -> Markdown:
        """The overhead of each strategy, a table for each scenario."""
        return self._tables(lambda _, found: render.render(columns.OVERHEADS, found.overheads))

    def comparisons(self) -> Markdown:
        """Warm requests against the reference's, with the A/A control."""
        return self._tables(lambda _, found: render.render(columns.COMPARISONS, found.comparisons))

    def errors(self) -> Markdown:
        """Errors of the failed requests, a table for each driver."""
        drivers: dict[str, list[Scenario]] = {}
        for scenario in self.scenarios:
            drivers.setdefault(str(scenario.facts["driver"]), []).append(scenario)
        tables = []
        for driver, scenarios in drivers.items():
            together = replace(scenarios[0], rows=pd.concat([scenario.rows for scenario in scenarios]))
            table = render.as_markdown(render.render(columns.ERRORS, errors(together)))
            tables.append(f"**{driver}**\n\n{table}" if len(drivers) > 1 else table)
        return _markdown("\n\n".join(tables)) if tables else self.absent

    def recommendation(self) -> Markdown:
        """Which strategies failed no request, and which of them to take, for each scenario."""
        parts = [self._title(scenario) + as_markdown(found) for scenario, found in self._assessed]
        return _markdown("\n\n".join(parts)) if parts else self.absent

    def limitations(self) -> Markdown:
        """Limitations of the first scenario's results."""
        if self.dataset is None or self.scenario is None:
            return self.absent
        found = limitations(self.scenario, self.dataset.headers, self._assessed[0][1])
        return _markdown("\n".join(f"- {claim}" for claim in found))

    def _tables(self, make: Callable[[Scenario, Assessment], render.Table]) -> Markdown:
        tables = [
            self._title(scenario) + render.as_markdown(make(scenario, found))
            for scenario, found in self._assessed
        ]
        return _markdown("\n\n".join(tables)) if tables else self.absent

    def _title(self, scenario: Scenario) -> str:
        return f"**{scenario.title(varying(self.scenarios))}**\n\n" if len(self.scenarios) > 1 else ""


def _markdown(text: str) -> Markdown:
    return Markdown(render.inert(text))


def _picture(figure: Figure | None, what: str) -> Shown:
    return Image(to_png(figure), format="png", alt=what) if figure else _NO_CHART


def _of_header(header: Header) -> Iterator[str]:
    target, server = header.target, header.server
    versions = ", ".join(f"{name} {version}" for name, version in header.versions.items())
    yield f"`{header.campaign}`: {header.description}"
    place = "in the local lab, not on AWS" if target.is_local else "on AWS"
    yield (
        f"Measured {place}: {server.flavour} {server.version}, idle client timeout "
        f"{target.idle_client_timeout_s:g} s, {render.milliseconds(target.added_rtt_s)} ms "
        f"added to each round trip; {versions}."
    )
