"""A campaign file, and the list of cells that it stands for."""

import hashlib
import tomllib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Self

from bench.campaign.strict import BadCampaign, build, unknown
from bench.function.strategies import CONTROL, REFERENCE, UnknownStrategy, get
from bench.function.workload import WORKLOADS
from bench.store import LONGEST_PUT_S

USUAL = "idle_close"  # what RDS Proxy does after its idle client timeout; the only one there is on AWS


@dataclass(frozen=True, slots=True, kw_only=True)
class Factors:
    """What is varied: the cells are the product, the A/A twin and the control come by themselves."""

    strategies: tuple[str, ...]
    gaps: tuple[float, ...] = ()  # multiples of the idle client timeout
    gaps_s: tuple[float, ...] = ()  # and absolute, in seconds
    failures: tuple[str, ...] = (USUAL,)  # what ends a connection that is idle for too long


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What each invocation does."""

    workload: str = "point_select"
    requests: int = 3  # back to back: the first after the gap, the others steady
    deadline_s: float = 5.0  # for each; after it the row says `hang`


@dataclass(frozen=True, slots=True, kw_only=True)
class Repetition:
    """How often; a cell yields replicates x rounds x gaps_per_round first-after-gap requests."""

    lanes: int  # execution environments that wait side by side
    replicates: int = 1  # cells of the same kind, on lanes of their own
    rounds: int = 1
    gaps_per_round: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Campaign:
    """A campaign file, checked."""

    name: str
    description: str
    seed: int
    idle_client_timeout_s: float  # what the proxy is, or must be, set to
    function_timeout_s: int = 60
    added_rtt_s: float = 0.0  # round-trip time that the lab adds in front of the proxy; none on AWS
    factors: Factors
    request: Request = Request()
    repetition: Repetition

    def __post_init__(self) -> None:
        """Refuse what cannot be measured.

        Raises:
            BadCampaign: see the message.

        """
        factors, request, repetition = self.factors, self.request, self.repetition
        if not factors.strategies:
            raise BadCampaign("factors.strategies is empty: name at least one (see `poolbench strategies`)")
        if not factors.gaps and not factors.gaps_s:
            raise BadCampaign("factors.gaps and factors.gaps_s are empty: give at least one gap")
        for name in factors.strategies:
            try:
                get(name)
            except UnknownStrategy as error:
                raise BadCampaign(f"factors.strategies: {error}") from None
        if request.workload not in WORKLOADS:
            raise BadCampaign(f"request.workload: {unknown(request.workload, WORKLOADS)}")
        for label, values in (("strategies", factors.strategies), ("gaps", self.gaps_s())):
            twice = {value for value in values if values.count(value) > 1}
            if twice:
                raise BadCampaign(f"factors.{label}: {', '.join(map(str, sorted(twice)))} given twice")
        positive = {
            "idle_client_timeout_s": self.idle_client_timeout_s,
            "function_timeout_s": self.function_timeout_s,
            **{f"request.{name}": value for name, value in asdict(request).items() if name != "workload"},
            **{f"repetition.{name}": value for name, value in asdict(repetition).items()},
        }
        for key, value in positive.items():
            if value <= 0:
                raise BadCampaign(f"{key} is {value}: it must be positive")
        if self.added_rtt_s < 0:
            raise BadCampaign(f"added_rtt_s is {self.added_rtt_s}: it must not be negative")
        if min(self.gaps_s()) < 0:
            raise BadCampaign(f"factors.gaps: {min(self.gaps_s())} s is negative")
        longest = request.deadline_s * request.requests + LONGEST_PUT_S
        if longest >= self.function_timeout_s:
            raise BadCampaign(
                f"request.requests x request.deadline_s, and {LONGEST_PUT_S} s for the slowest store, make "
                f"{longest:g} s, which is not below function_timeout_s = {self.function_timeout_s}: the "
                "function would be killed before its rows are written; raise function_timeout_s or lower the "
                "others"
            )

    def gaps_s(self) -> tuple[float, ...]:
        """Every idle gap, in seconds, in the order of the file."""
        return tuple(gap for gap, _ in self._gaps())

    def _gaps(self) -> list[tuple[float, str]]:
        relative = [(ratio * self.idle_client_timeout_s, f"{ratio:g}x") for ratio in self.factors.gaps]
        return relative + [(seconds, f"{seconds:g}s") for seconds in self.factors.gaps_s]

    def cells(self) -> tuple["Cell", ...]:
        """Expand to cells: strategies x failures x gaps x replicates.

        The A/A twin and the control are added with the first of the failures.
        """
        names = [*self.factors.strategies]
        names += [REFERENCE] if REFERENCE not in names else []
        contenders = [(name, False, failure) for name in names for failure in self.factors.failures]
        contenders += [
            (REFERENCE, True, self.factors.failures[0]),
            (CONTROL, False, self.factors.failures[0]),
        ]
        return tuple(
            Cell(
                id=_cell_id(strategy, twin, failure, label, replicate),
                strategy=strategy,
                twin=twin,
                control=strategy == CONTROL,
                failure=failure,
                gap_s=gap_s,
                gap_ratio=gap_s / self.idle_client_timeout_s,
                replicate=replicate,
                workload=self.request.workload,
            )
            for strategy, twin, failure in contenders
            for gap_s, label in self._gaps()
            for replicate in range(self.repetition.replicates)
        )


def _cell_id(strategy: str, twin: bool, failure: str, gap: str, replicate: int) -> str:
    parts = [strategy, *(["twin"] if twin else []), *([failure] if failure != USUAL else []), gap]
    return "-".join([*parts, str(replicate)])


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One combination of factors, measured on one lane."""

    id: str
    strategy: str
    twin: bool  # the second half of the A/A pair: the same strategy again
    control: bool  # the request that touches no server
    gap_s: float
    gap_ratio: float  # gap / idle client timeout
    replicate: int
    workload: str
    failure: str  # what ends the connection during the gap
    driver: str = "pymysql"

    @property
    def endpoint(self) -> str:
        """Which of the proxy's endpoints connections go to; each failure has its own."""
        return "proxy" if self.failure == USUAL else f"proxy_{self.failure}"

    @property
    def label(self) -> str:
        """Name of the strategy with its twin told apart; what its connections announce to the server."""
        return f"{self.strategy}-twin" if self.twin else self.strategy


@dataclass(frozen=True, slots=True)
class CampaignFile:
    """A campaign with the text it came from, which is what its rows are filed under."""

    campaign: Campaign
    text: str

    @property
    def sha256(self) -> str:
        """Hash of the text."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    @classmethod
    def load(cls, name: str) -> Self:
        """Read a file, or one that comes with poolbench by its bare name (`quick`).

        Raises:
            BadCampaign: no such file, not TOML, or not a campaign.

        """
        text = _read(name)
        try:
            table = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise BadCampaign(f"{name}: not TOML: {error}") from None
        try:
            return cls(build(Campaign, table), text)
        except BadCampaign as error:
            raise BadCampaign(f"{name}: {error}") from None

    def with_strategies(self, names: Sequence[str]) -> Self:
        """Add strategies to the file's; they become part of its text, and so of what is resumed.

        Raises:
            BadCampaign: there is no such strategy, or it is in the file already.

        """
        if not names:
            return self
        factors = replace(self.campaign.factors, strategies=(*self.campaign.factors.strategies, *names))
        return type(self)(
            replace(self.campaign, factors=factors), f"{self.text}# and strategies {', '.join(names)}\n"
        )


def packaged() -> list[str]:
    """Names of the campaign files that come with poolbench."""
    folder = resources.files("bench.campaign") / "files"
    return sorted(Path(entry.name).stem for entry in folder.iterdir() if entry.name.endswith(".toml"))


def _read(name: str) -> str:
    if name in packaged():
        return (resources.files("bench.campaign") / "files" / f"{name}.toml").read_text(encoding="utf-8")
    try:
        return Path(name).read_text(encoding="utf-8")
    except OSError as error:
        known = ", ".join(packaged())
        raise BadCampaign(f"campaign file {name!r}: {error.strerror}; packaged are: {known}") from None
    except UnicodeDecodeError:
        raise BadCampaign(f"{name}: not a text file") from None
