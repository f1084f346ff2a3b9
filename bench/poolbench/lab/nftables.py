"""The kernel's packet filter, through libnftables: 40 us for a command; to start `nft` takes milliseconds."""

import ctypes
import platform
from pathlib import Path

from poolbench.lab import debs
from poolbench.lab.cache import cache_directory

_SONAME = "libnftables.so.1"
_PACKAGE = "libnftables1"


class NftablesUnavailable(Exception):
    """The packet filter cannot be had or refuses a command; the message says why."""


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
