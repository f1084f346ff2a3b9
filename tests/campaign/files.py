"""Campaign files of a test's own."""

from pathlib import Path

from poolbench.campaign.file import CampaignFile
from poolbench.campaign.plan import Campaign


def campaign_file(folder: Path, text: str) -> CampaignFile:
    """Written and read again, as a user has it."""
    path = folder / "c.toml"
    path.write_text(text)
    return CampaignFile.load(str(path))


def load(folder: Path, text: str) -> Campaign:
    """The campaign of such a file."""
    return campaign_file(folder, text).campaign
