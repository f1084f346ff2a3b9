"""What no campaign is meant to be: limits that catch a slip before it costs a night, or a machine."""

import re
from collections.abc import Sequence

from poolbench.campaign import BadCampaign

LONGEST_GAP_S = 7 * 24 * 3600
LONGEST_FUNCTION_S = 900  # Lambda's own
MOST_INVOCATIONS = 1_000_000  # a hundred times what `full` has
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def check_name(name: str) -> None:
    """Refuse a campaign's name that cannot be part of a file's.

    Raises:
        BadCampaign: see the message.

    """
    if not _NAME.fullmatch(name):
        raise BadCampaign(
            f"name is {name!r}: files are named after it, so use up to 64 letters, digits, '-', '_' and '.'"
        )


def check_gaps(gaps: Sequence[tuple[float, str]]) -> None:
    """Refuse gaps, in seconds and as cells are named after them, that are too long or have the same name.

    Raises:
        BadCampaign: see the message.

    """
    labels = [label for _, label in gaps]
    for gap_s, label in gaps:
        if not 0 <= gap_s <= LONGEST_GAP_S:
            raise BadCampaign(f"factors.gaps: {gap_s:g} s is not 0 to {LONGEST_GAP_S} s, which is a week")
        if labels.count(label) > 1:
            raise BadCampaign(f"factors.gaps: {label} given twice; six digits tell gaps apart")


def check_extent(function_timeout_s: float, invocations: int) -> None:
    """Refuse what Lambda does not run, and what nobody waits for.

    Raises:
        BadCampaign: see the message.

    """
    if function_timeout_s > LONGEST_FUNCTION_S:
        raise BadCampaign(f"function_timeout_s is {function_timeout_s}: Lambda allows {LONGEST_FUNCTION_S}")
    if invocations > MOST_INVOCATIONS:
        raise BadCampaign(
            f"repetition: {invocations:,} invocations are more than {MOST_INVOCATIONS:,}: "
            "lower replicates, rounds or gaps_per_round"
        )
