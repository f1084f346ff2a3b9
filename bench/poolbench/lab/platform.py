"""What the operating system offers: free ports, and what only Linux has, with what is lost elsewhere."""

import contextlib
import ctypes
import fcntl
import functools
import os
import resource
import signal
import socket
import struct
import sys
from collections.abc import Callable
from pathlib import Path

IS_LINUX = sys.platform == "linux"
_OPEN_MAX = 10_240  # <sys/syslimits.h> of macOS
_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>
_CLONE_NEWNET = 0x40000000  # <linux/sched.h>
_IFREQ = "16sH14x"  # netdevice(7)
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 1  # <linux/sockios.h>, <linux/if.h>


def fidelity_notes() -> list[str]:
    """Differences from Linux that make this machine less faithful, one sentence each; empty on Linux."""
    if IS_LINUX:
        return []
    return [
        f"made for Linux, and never tried on this platform ({sys.platform})",
        "no parent-death signal on this platform: after a SIGKILL of poolbench, run `poolbench doctor`",
    ]


@functools.cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def parent_death_hook() -> Callable[[], None] | None:
    """A `preexec_fn` after which the child dies (SIGKILL) with the thread that forked it; None off Linux.

    The signal follows the forking *thread*, not the process (prctl(2)): fork from one that lives long.
    libc is loaded here, in the parent, because the child of a fork must not import or allocate much.
    """
    if not IS_LINUX:
        return None
    prctl, parent = _libc().prctl, os.getpid()

    def die_with_parent() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:  # it died between fork and prctl
            os.kill(os.getpid(), signal.SIGKILL)

    return die_with_parent


def exit_descriptor(pid: int) -> int | None:
    """Open a descriptor that becomes readable when the child `pid` exits (pidfd_open(2)); None off Linux."""
    return os.pidfd_open(pid) if IS_LINUX else None


def raise_file_limit() -> None:
    """Allow as many connections as the system permits: the usual limit, 1024, is too low.

    macOS names no limit and refuses what is above OPEN_MAX (its setrlimit(2)).
    """
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most if IS_LINUX else min(most, _OPEN_MAX), most))


def run_before_others() -> None:
    """Give this process, but none that it starts, real-time priority (sched(7)), where that is allowed."""
    if IS_LINUX:
        with contextlib.suppress(PermissionError):
            os.sched_setscheduler(0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(1))


def available_memory_mb() -> int | None:
    """Memory that new processes can have without swapping (MemAvailable of proc(5)); None off Linux."""
    if not IS_LINUX:
        return None
    _, found, rest = Path("/proc/meminfo").read_text().partition("MemAvailable:")
    return int(rest.split()[0]) // 1024 if found else None


def enter_private_network() -> None:
    """Move this process, before it has threads, to a network of its own that has loopback and nothing else.

    Raises:
        OSError: not Linux, or not root.

    """
    if not IS_LINUX:
        raise OSError("only Linux has private networks")
    if _libc().unshare(_CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), f"private network: {os.strerror(ctypes.get_errno())}")
    request = struct.pack(_IFREQ, b"lo", _interface_flags("lo") | _IFF_UP)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, request)


def in_private_network() -> bool:
    """Whether this process's network has loopback and nothing else."""
    if not IS_LINUX:
        return False
    up = {name for _, name in socket.if_nameindex() if _interface_flags(name) & _IFF_UP}
    return up == {"lo"}


def _interface_flags(name: str) -> int:
    request = struct.pack(_IFREQ, name.encode(), 0)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        flags: int = struct.unpack(_IFREQ, fcntl.ioctl(any_socket, _SIOCGIFFLAGS, request))[1]
    return flags


LOOPBACK = "127.0.0.1"


def free_port() -> int:
    """Return a port that is free now; another program may still bind it first."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


def answers(host: str, port: int, timeout_s: float = 0.5) -> bool:
    """Whether something accepts connections there."""
    try:
        with socket.create_connection((host, port), timeout=timeout_s):
            return True
    except OSError:
        return False
