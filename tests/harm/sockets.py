"""Who listens where, from /proc (proc(5))."""

import contextlib
import re
import socket
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path

_LISTEN = "0A"  # TCP_LISTEN of <net/tcp_states.h>


def listeners(pids: Iterable[int]) -> dict[tuple[str, int], int]:
    """Addresses and ports that processes listen on, with the process."""
    inodes = {inode: pid for pid in pids for inode in _sockets(pid)}
    return {where: inodes[inode] for where, inode in _listening() if inode in inodes}


def _sockets(pid: int) -> Iterator[str]:
    with contextlib.suppress(OSError):
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                if found := re.fullmatch(r"socket:\[(\d+)\]", str(entry.readlink())):
                    yield found[1]


def _listening() -> Iterator[tuple[tuple[str, int], str]]:
    for family, name in ((socket.AF_INET, "tcp"), (socket.AF_INET6, "tcp6")):
        for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]:
            fields = line.split()
            address, _, port = fields[1].partition(":")
            if fields[3] == _LISTEN:
                yield (_address(family, address), int(port, 16)), fields[9]


def _address(family: socket.AddressFamily, text: str) -> str:
    """The kernel prints each 32-bit word in the machine's own order."""
    words = (int(text[at : at + 8], 16) for at in range(0, len(text), 8))
    return socket.inet_ntop(family, b"".join(struct.pack("=I", word) for word in words))
