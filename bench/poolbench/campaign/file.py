"""Campaign files: those that come with poolbench, and anybody's own."""

import hashlib
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Self

from poolbench.campaign import BadCampaign
from poolbench.campaign.checks import check
from poolbench.campaign.plan import Campaign
from poolbench.typed import BadValue, build


@dataclass(frozen=True, slots=True)
class CampaignFile:
    """A campaign with the text it came from, which is what its rows are filed under."""

    campaign: Campaign
    text: str

    def __post_init__(self) -> None:
        """Refuse what cannot be measured.

        Raises:
            BadCampaign: the message names the key and the cure.

        """
        check(self.campaign)

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
        except (ValueError, RecursionError) as error:  # also of numbers too long, and of tables too deep
            raise BadCampaign(f"{name}: not TOML: {error}") from None
        try:
            return cls(build(Campaign, table), text)
        except BadValue as error:
            raise BadCampaign(f"{name}: {error}") from None

    def with_failures(self, names: Sequence[str]) -> Self:
        """Take these failures instead of the file's; they become part of its text, as strategies do.

        Raises:
            BadCampaign: a failure mode of that name does not exist.

        """
        if not names:
            return self
        factors = replace(self.campaign.factors, failures=tuple(names))
        return type(self)(
            replace(self.campaign, factors=factors), f"{self.text}# and failures {', '.join(names)}\n"
        )

    def with_strategies(self, names: Sequence[str]) -> Self:
        """Add strategies to the file's; they become part of its text, and so of what is resumed.

        Raises:
            BadCampaign: a strategy of that name does not exist, or the file has it already.

        """
        if not names:
            return self
        factors = replace(self.campaign.factors, strategies=(*self.campaign.factors.strategies, *names))
        return type(self)(
            replace(self.campaign, factors=factors), f"{self.text}# and strategies {', '.join(names)}\n"
        )


def packaged() -> list[str]:
    """Names of the campaign files that come with poolbench."""
    folder = resources.files("poolbench.campaign") / "files"
    return sorted(Path(entry.name).stem for entry in folder.iterdir() if entry.name.endswith(".toml"))


def _read(name: str) -> str:
    if name in packaged():
        return (resources.files("poolbench.campaign") / "files" / f"{name}.toml").read_text(encoding="utf-8")
    try:
        return Path(name).read_text(encoding="utf-8")
    except OSError as error:
        known = ", ".join(packaged())
        raise BadCampaign(f"campaign file {name!r}: {error.strerror}; packaged are: {known}") from None
    except UnicodeDecodeError:
        raise BadCampaign(f"{name}: not a text file") from None
