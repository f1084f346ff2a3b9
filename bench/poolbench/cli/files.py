"""The campaign file that a command names, as the command line changes it."""

import sys
from collections.abc import Sequence
from pathlib import Path

from poolbench.campaign import BadCampaign
from poolbench.campaign.file import CampaignFile
from poolbench.lab import libraries
from poolbench.lab.proxy.relay import LONGEST_S, SHORTEST_S
from poolbench.targets.faults import proxy_settings
from poolbench.targets.functions import how_to_install, is_installed
from poolbench.typed import unknown


def load(file: str, strategies: Sequence[str] = (), failures: Sequence[str] = ()) -> CampaignFile:
    """Read a campaign file, change it as the command line says, and check it against what the lab can do.

    Modules in the current directory can be named, here and in the functions.

    Raises:
        BadCampaign: see the message.

    """
    sys.path.insert(0, str(Path.cwd()))
    loaded = CampaignFile.load(file).with_strategies(strategies).with_failures(failures)
    for name in loaded.campaign.factors.drivers:
        if not is_installed(name):
            raise BadCampaign(f"{file}: factors.drivers: {name} is not installed: {how_to_install(name)}")
    series = loaded.campaign.sqlalchemy
    if series and series not in libraries.SQLALCHEMY:
        raise BadCampaign(f"{file}: sqlalchemy: {unknown(series, libraries.SQLALCHEMY)}")
    proxy_settings(loaded.campaign)  # raises what the proxy would, before anything is started
    rtt_s = loaded.campaign.added_rtt_s
    if rtt_s and not SHORTEST_S <= rtt_s <= LONGEST_S:
        raise BadCampaign(f"{file}: added_rtt_s is {rtt_s}, not 0 and not {SHORTEST_S} to {LONGEST_S}")
    return loaded
