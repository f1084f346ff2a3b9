"""Stops and resumes execution environments, as Lambda does between invocations.

Packets are dropped through libnftables: a command takes 40 us, starting `nft` would take milliseconds.
"""

import contextlib
import ctypes
import itertools
import os
import platform
import signal
from enum import StrEnum
from pathlib import Path

from poolbench.lab import debs
from poolbench.lab.cache import cache_directory
from poolbench.lab.platform import in_private_network

_SONAME = "libnftables.so.1"
_PACKAGE = "libnftables1"


class NftablesUnavailable(Exception):
    """The packet filter is missing or refuses a command; the message says why."""


class Nftables:
    """The tables of this process's network namespace. Needs CAP_NET_ADMIN."""

    def __init__(self) -> None:
        """Load the library.

        Raises:
            NftablesUnavailable: it is neither on the system nor on LD_LIBRARY_PATH.

        """
        try:
            self._library = ctypes.CDLL(_SONAME)
        except OSError as error:
            raise NftablesUnavailable(f"{error}: install {_PACKAGE}") from error
        self._library.nft_ctx_new.restype = ctypes.c_void_p
        self._library.nft_ctx_get_error_buffer.restype = ctypes.c_char_p
        self._context = ctypes.c_void_p(self._library.nft_ctx_new(ctypes.c_uint32(0)))
        self._library.nft_ctx_buffer_error(self._context)

    def run(self, commands: str) -> None:
        """Run commands in the language of nft(8), all of them or none.

        Raises:
            NftablesUnavailable: the kernel or the library refuses them.

        """
        if self._library.nft_run_cmd_from_buffer(self._context, ctypes.c_char_p(commands.encode())):
            why = self._library.nft_ctx_get_error_buffer(self._context).decode().strip()
            raise NftablesUnavailable(f"nftables: {why}")


def library_path() -> Path | None:
    """Directory for LD_LIBRARY_PATH of a process that is to use `Nftables`; None where the system has it.

    Raises:
        NftablesUnavailable: the system has it not, and it cannot be fetched.

    """
    try:
        ctypes.CDLL(_SONAME)
    except OSError:
        prefix = cache_directory() / f"nftables-{debs.release()}-{platform.machine()}"
    else:
        return None
    try:
        debs.fetch([_PACKAGE], into=prefix)
    except debs.FetchFailed as error:
        raise NftablesUnavailable(f"{_PACKAGE} is not installed and cannot be fetched: {error}") from error
    found = sorted(prefix.glob(f"usr/lib/*/{_SONAME}"))
    if not found:
        raise NftablesUnavailable(f"{prefix} holds no {_SONAME}; remove it, and it is fetched again")
    return found[0].parent


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


class Freezer:
    """Freezes process groups by SIGSTOP. The kernel stays awake: it acknowledges what peers send meanwhile.

    A frozen microVM does not even do that, so a check that only looks at the local socket sees more here
    than it would see on Lambda; a check that makes a round trip sees the same.
    """

    kind = Freeze.SIGNAL

    def admit(self) -> int | None:
        """Return the group id that the processes of the next environment are to run with; None: any."""
        return None

    def freeze(self, group: int, gid: int | None) -> None:  # noqa: ARG002 (for those who drop packets)
        """Stop every process of the group; no error if it is gone."""
        _signal(group, signal.SIGSTOP)

    def thaw(self, group: int, gid: int | None) -> None:  # noqa: ARG002
        """Let them go on; no error if it is gone."""
        _signal(group, signal.SIGCONT)


class DropFreezer(Freezer):
    """SIGSTOP, and no packet comes in or goes out: what peers send meanwhile is lost, as on a microVM.

    An environment that ends while it is frozen stays silent; its peers never see a FIN. A gid tells the
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
        super().freeze(group, gid)
        self._nftables.run(f"add element inet {_TABLE} frozen {{ {gid} }}")

    def thaw(self, group: int, gid: int | None) -> None:  # noqa: D102
        self._nftables.run(f"delete element inet {_TABLE} frozen {{ {gid} }}")
        super().thaw(group, gid)


def make_freezer(kind: Freeze) -> Freezer:
    """Make the one of a kind.

    Raises:
        NftablesUnavailable: this machine cannot do it.

    """
    return Freezer() if kind is Freeze.SIGNAL else DropFreezer()


def _signal(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):  # it has died, which its environment will notice
        os.killpg(group, number)
