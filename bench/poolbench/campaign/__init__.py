"""From a campaign file to cells, a schedule and rows; knows the function only through its invocations."""

from poolbench.typed import BadValue


class BadCampaign(BadValue):
    """A campaign file that cannot be run as it stands; the message names the key and the cure."""
