"""What only Linux offers, in one place, and what is lost elsewhere."""

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
_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>
_CLONE_NEWNET = 0x40000000  # <linux/sched.h>
_IFREQ = "16sH14x"  # netdevice(7)
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 1  # <linux/sockios.h>, <linux/if.h>


def fidelity_notes() -> list[str]:
    """What is less faithful on this machine than on Linux, one sentence each; empty on Linux."""
    if IS_LINUX:
        return []
    return [
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


def started_at(pid: int) -> str:
    """When a process started, which tells it from a later one with the same number.

    Empty if it is gone, and off Linux. Field 22 of /proc/PID/stat (proc(5)), in clock ticks since boot,
    counted from behind the command's name, which may hold spaces.
    """
    try:
        return _stat(Path(f"/proc/{pid}"))[19]
    except OSError:
        return ""


def descendants() -> dict[int, str]:
    """Command lines of this process and of all below it, by process id; of this one alone off Linux."""
    parents, commands = {}, {}
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            commands[int(entry.name)] = os.fsdecode((entry / "cmdline").read_bytes().replace(b"\0", b" "))
            parents[int(entry.name)] = int(_stat(entry)[1])
    found = {os.getpid()}
    while below := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= below
    return {pid: commands.get(pid, "") for pid in found}


def _stat(process: Path) -> list[str]:
    """Fields of /proc/PID/stat behind the command's name, which may be any bytes."""
    return (process / "stat").read_bytes().rpartition(b")")[2].decode().split()


def anonymous_mb(pid: int) -> float:
    """Resident memory of a process that is its own: RssAnon of /proc/PID/status (proc(5)).

    The rest are pages of files, libraries most of all, which the kernel drops and reads again as it sees fit.

    Raises:
        OSError: it has gone, or this is not Linux.

    """
    for line in Path(f"/proc/{pid}/status").read_text(errors="replace").splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) / 1024
    raise ProcessLookupError(f"process {pid} has ended, and has no memory left")


def open_files(pid: int) -> int:
    """Number of file descriptors of a process.

    Raises:
        OSError: it has gone, or this is not Linux.

    """
    return len(os.listdir(f"/proc/{pid}/fd"))  # noqa: PTH208 (numbers, not paths)


def raise_file_limit() -> None:
    """As many connections as the system lets us have: the usual limit, 1024, is for programs with few."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def run_before_others() -> None:
    """Give this process, but none that it starts, real-time priority (sched(7)), where that is allowed."""
    if IS_LINUX:
        with contextlib.suppress(PermissionError):
            os.sched_setscheduler(0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(1))


def peak_memory_mb(pid: int) -> int | None:
    """Peak resident memory of a process (VmHWM of proc(5)), rounded up; None if it has gone, or off Linux."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return None
    _, found, rest = status.partition("VmHWM:")
    return -(-int(rest.split()[0]) // 1024) if found else None


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
