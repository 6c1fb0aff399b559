"""Limits that a process of a test sets itself: threads, addresses."""

import ctypes
import os
import resource

CAPABILITIES_3 = 0x20080522  # _LINUX_CAPABILITY_VERSION_3
SYS_ADMIN, SYS_RESOURCE = 21, 24  # whoever has one may have as many threads as the system has


class _Header(ctypes.Structure):
    _fields_ = [("version", ctypes.c_uint32), ("pid", ctypes.c_int)]


class _Sets(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint32) for name in ("effective", "permitted", "inheritable")]


def limit_threads(more):
    """Allow this process, which must be root's, so many threads more: as a user of its own, who still reads root's files."""
    libc = ctypes.CDLL(None, use_errno=True)
    count = len(os.listdir("/proc/self/task")) + more
    user = 1_000_000 + os.getpid()
    os.setresuid(user, 0, 0)
    resource.setrlimit(resource.RLIMIT_NPROC, (count, count))
    header, sets = _Header(CAPABILITIES_3, 0), (_Sets * 2)()
    assert libc.capget(ctypes.byref(header), sets) == 0
    sets[0].effective &= ~(1 << SYS_ADMIN | 1 << SYS_RESOURCE)
    assert libc.capset(ctypes.byref(header), sets) == 0


def limit_addresses(mebibytes):
    """Allow this process so much more address space."""
    with open("/proc/self/statm") as file:
        used = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(
        resource.RLIMIT_AS, (used + (mebibytes << 20), resource.getrlimit(resource.RLIMIT_AS)[1])
    )


def lift_addresses():
    """The end of :func:`limit_addresses`."""
    most = resource.getrlimit(resource.RLIMIT_AS)[1]
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


def take_all():
    """Memory until there is no more, but for 3 MiB in pieces."""
    taken = []
    try:
        while True:
            taken.append(bytearray(1 << 20))
    except MemoryError:
        del taken[-3:]
    return taken


def resident():
    """MiB that are in memory."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize() / 2**20
