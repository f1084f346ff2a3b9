"""Stops and resumes execution environments, as Lambda does between invocations."""

import contextlib
import itertools
import os
import signal
from enum import StrEnum
from typing import Protocol

from poolbench.lab.nftables import Nftables, NftablesUnavailable
from poolbench.lab.platform import in_private_network

_TABLE = "poolbench"
_FIRST_GID = 20_000
# A connection is marked with the group of the environment that opened it; while that is frozen, packets of
# the connection are dropped in both directions.
_RULES = f"""
table inet {_TABLE} {{
    map marks {{ type gid : mark; }}
    set frozen {{ type mark; }}
    chain output {{
        type filter hook output priority filter;
        ct mark 0 ct mark set meta skgid map @marks
        ct mark @frozen drop;
    }}
    chain input {{
        type filter hook input priority filter;
        ct mark @frozen drop;
    }}
}}
"""


class Freeze(StrEnum):
    """What a frozen environment is cut off from, by the name that results record."""

    SIGNAL = "SIGSTOP"
    DROP = "SIGSTOP+drop"


class Freezer(Protocol):
    """A way to freeze a process group."""

    kind: Freeze

    def admit(self) -> int | None:
        """Return the group id that the processes of the next environment are to run with; None: any."""

    def freeze(self, group: int, gid: int | None) -> None:
        """Stop every process of the group; no error if it is gone."""

    def thaw(self, group: int, gid: int | None) -> None:
        """Let them go on; no error if it is gone."""


class SignalFreezer:
    """SIGSTOP and SIGCONT. The kernel stays awake: it acknowledges what peers send meanwhile.

    A frozen microVM does not even do that, so a check that only looks at the local socket sees more here
    than it would see on Lambda; a check that makes a round trip sees the same.
    """

    kind = Freeze.SIGNAL

    def admit(self) -> int | None:  # noqa: D102
        return None

    def freeze(self, group: int, gid: int | None) -> None:  # noqa: ARG002, D102
        _signal(group, signal.SIGSTOP)

    def thaw(self, group: int, gid: int | None) -> None:  # noqa: ARG002, D102
        _signal(group, signal.SIGCONT)


class DropFreezer:
    """SIGSTOP, and no packet comes in or goes out: what peers send meanwhile is lost, as on a microVM.

    An environment that ends while it is frozen stays silent for ever; its peers see no FIN. A gid tells the
    environments apart, not a uid: files stay as accessible as they were.
    """

    kind = Freeze.DROP

    def __init__(self) -> None:
        """Set up the table.

        Raises:
            NftablesUnavailable: not root, not in a private network, or the kernel lacks it.

        """
        if not in_private_network():
            raise NftablesUnavailable(
                "packets are dropped in a private network only: start the lab as root in one "
                "(`unshare --net`, with its loopback up)"
            )
        self._nftables = Nftables()
        self._nftables.run(_RULES)
        self._gids = itertools.count(_FIRST_GID)

    def admit(self) -> int | None:  # noqa: D102
        gid = next(self._gids)
        self._nftables.run(f"add element inet {_TABLE} marks {{ {gid} : {gid} }}")
        return gid

    def freeze(self, group: int, gid: int | None) -> None:  # noqa: D102
        _signal(group, signal.SIGSTOP)
        self._nftables.run(f"add element inet {_TABLE} frozen {{ {gid} }}")

    def thaw(self, group: int, gid: int | None) -> None:  # noqa: D102
        self._nftables.run(f"delete element inet {_TABLE} frozen {{ {gid} }}")
        _signal(group, signal.SIGCONT)


def make_freezer(kind: Freeze) -> Freezer:
    """Make the one of a kind.

    Raises:
        NftablesUnavailable: this machine cannot do it.

    """
    return SignalFreezer() if kind is Freeze.SIGNAL else DropFreezer()


def _signal(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):  # it has died; whoever watches it will notice
        os.killpg(group, number)
