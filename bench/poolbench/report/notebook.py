"""What notebooks call: one name for each table, chart and sentence, of whichever campaign there is."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
from IPython.display import Image, Markdown, display
from matplotlib.figure import Figure

from poolbench.report import burst_columns, columns, render
from poolbench.report.answer import Answer, answer, as_markdown, cannot_say
from poolbench.report.burst_report import CHARTS as BURST_CHARTS
from poolbench.report.bursts import burst_table, is_burst
from poolbench.report.cautions import cautions
from poolbench.report.charts import CHARTS
from poolbench.report.errors import errors
from poolbench.report.figures.contest import contest
from poolbench.report.figures.matrix import matrix
from poolbench.report.load import Dataset, load
from poolbench.report.questions import QUESTIONS
from poolbench.report.settings import Setting, split, varying
from poolbench.report.style import to_png

Shown = Markdown | Image
_NO_CHART = Markdown("*The rows of this campaign do not support this chart.*")


@dataclass(frozen=True, slots=True)
class Results:
    """Campaigns by name.

    Attributes:
        directory: of synced campaigns, each under its name; or of one campaign, which then stands in for all.

    """

    directory: Path

    def campaign(self, name: str) -> "View":
        """The campaign of that name, or the only one there is."""
        if (self.directory / "header.json").exists():
            return View(load([self.directory]))
        if not (self.directory / name / "header.json").exists():
            return View(None, f"There is no campaign `{name}` here; `poolbench campaign {name}` measures it.")
        return View(load([self.directory / name]))

    def ask(self, name: str) -> None:
        """Show a question of `questions.QUESTIONS` with its answer, its chart, and what stays open."""
        question = next(question for question in QUESTIONS if question.name == name)
        view = self.campaign(question.campaign)
        threads = ", ".join(f"`{thread}`" for thread in question.threads)
        display(_markdown(f"**{question.asked}**" + (f" ({threads})" if threads else "")))
        if view.setting is None:
            display(view.absent)
            return
        display(_markdown(question.reply(view.setting)))
        display(_picture(question.draw(view.setting, question.labels), question.asked))
        display(_markdown(f"*What these data cannot tell:* {question.open}"))


class View:
    """One campaign, or word of why it is not there; what a method returns is for the notebook to display."""

    def __init__(
        self, dataset: Dataset | None, absent: str = "This campaign has nothing of the kind."
    ) -> None:
        self.dataset, self.absent = dataset, _markdown(f"*{absent}*")
        self.bursts = burst_table(dataset) if dataset and is_burst(dataset) else ()
        self.settings: tuple[Setting, ...] = split(dataset) if dataset and not self.bursts else ()
        self.setting = self.settings[0] if self.settings else None

    @cached_property
    def _answers(self) -> list[tuple[Setting, Answer]]:
        return [(setting, answer(setting)) for setting in self.settings]

    def about(self) -> Markdown:
        """What was measured, on what, and what asks for care."""
        if self.dataset is None:
            return self.absent
        lines = [line for header in self.dataset.headers for line in _of_header(header.content)]
        compared = [(setting, found.comparisons) for setting, found in self._answers]
        found = [f"*{finding.what}.* {finding.caution.value}" for finding in cautions(self.dataset, compared)]
        return _markdown("\n".join(f"- {line}" for line in (*lines, *found)))

    def chart(self, name: str) -> Shown:
        """A chart of `charts.CHARTS`, of the first setting, or of `burst_report.CHARTS`."""
        if self.dataset is None:
            return self.absent
        if self.bursts:
            drawn = {chart.name: chart.draw for chart in BURST_CHARTS}
            return _picture(drawn[name](self.dataset, self.bursts) if name in drawn else None, name)
        of_name = [chart for chart in CHARTS if chart.name == name and self._answers]
        return _picture(of_name[0].draw(*self._answers[0]) if of_name else None, name)

    def table(self) -> Markdown:
        """Connections and requests of bursts."""
        if not self.bursts:
            return self.absent
        return _markdown(render.as_markdown(render.render(burst_columns.BURSTS, self.bursts)))

    def contest(self, *labels: str) -> Shown:
        """These strategies side by side, in the first setting."""
        if self.setting is None:
            return self.absent
        return _picture(contest(self.setting, labels), "strategies side by side")

    def matrix(self) -> Shown:
        """Strategy by everything else that was varied."""
        if not self.settings:
            return self.absent
        return _picture(matrix(self.settings), "lost requests by strategy and setting")

    def prices(self) -> Markdown:
        """The price of each strategy, a table for each setting."""
        return self._tables(lambda _, found: render.render(columns.PRICES, found.prices))

    def comparisons(self) -> Markdown:
        """Steady requests against the reference's, with the A/A pair."""
        return self._tables(lambda _, found: render.render(columns.COMPARISONS, found.comparisons))

    def errors(self) -> Markdown:
        """What the lost requests said, a table for each driver."""
        drivers: dict[str, list[Setting]] = {}
        for setting in self.settings:
            drivers.setdefault(str(setting.facts["driver"]), []).append(setting)
        tables = []
        for driver, settings in drivers.items():
            together = replace(settings[0], rows=pd.concat([setting.rows for setting in settings]))
            table = render.as_markdown(render.render(columns.ERRORS, errors(together)))
            tables.append(f"**{driver}**\n\n{table}" if len(drivers) > 1 else table)
        return _markdown("\n\n".join(tables)) if tables else self.absent

    def recommendation(self) -> Markdown:
        """Which strategies lost nothing, and which of them to take, for each setting."""
        parts = [self._title(setting) + as_markdown(found) for setting, found in self._answers]
        return _markdown("\n\n".join(parts)) if parts else self.absent

    def limits(self) -> Markdown:
        """What the campaign cannot say, of its first setting."""
        if self.dataset is None or self.setting is None:
            return self.absent
        said = cannot_say(self.setting, self.dataset.headers, self._answers[0][1])
        return _markdown("\n".join(f"- {claim}" for claim in said))

    def _tables(self, make: Callable[[Setting, Answer], render.Table]) -> Markdown:
        tables = [
            self._title(setting) + render.as_markdown(make(setting, found))
            for setting, found in self._answers
        ]
        return _markdown("\n\n".join(tables)) if tables else self.absent

    def _title(self, setting: Setting) -> str:
        return f"**{setting.title(varying(self.settings))}**\n\n" if len(self.settings) > 1 else ""


def _markdown(text: str) -> Markdown:
    return Markdown(render.inert(text))


def _picture(figure: Figure | None, what: str) -> Shown:
    return Image(to_png(figure), format="png", alt=what) if figure else _NO_CHART


def _of_header(content: Mapping[str, Any]) -> Iterator[str]:
    target, server = content["target"], content["server"]
    versions = ", ".join(f"{name} {version}" for name, version in content["versions"].items())
    yield f"`{content['campaign']}`: {content['description']}"
    place = "on AWS" if target.get("kind") == "aws" else "in the local lab, not on AWS"
    yield (
        f"Measured {place}: {server['flavour']} {server['version']}, idle client timeout "
        f"{target['idle_client_timeout_s']:g} s, {render.milliseconds(target.get('added_rtt_s') or 0)} ms "
        f"added to each round trip; {versions}."
    )
