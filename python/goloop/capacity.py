"""What Go's runtime takes when it starts, asked for beforehand: without a thread or an address it ends
the process, where a Python program expects an exception.

Memory is asked for by mapping as much and giving it back, which costs two microseconds and sees whatever
refuses it. Threads are started only where a limit is near, for they cost 30 us each: ``RLIMIT_NPROC``, or
``pids.max`` of a cgroup that can be seen. Not seen are cgroups above a container's own,
``kernel.threads-max``, and a filter of system calls that refuses ``clone(2)``.
"""

from __future__ import annotations

import mmap
import os
import sys

from ._core import (
    START_BESIDES,
    START_PROCS_LEAST,
    count_threads,
    stack_size,
)

# Of Go 1.26, measured by lowering the limits until it failed. On 64-bit Linux it reserves 0.6 GiB for the
# summary of its pages, whatever it uses of it, and one arena of 64 MiB for its heap or two (pybind/heap.go).
_MIB = 1 << 20
_WRITABLE = 72 * _MIB  # what RLIMIT_DATA and strict overcommitting count, without the threads' stacks;
_RESERVED = 696 * _MIB  # other addresses
_PROCS_MOST = 8  # for the first loop; further loops bring more


def processors() -> int:
    """On how many processors the runtime may run here; 0: on as many as it likes.

    Raises:
        RuntimeError: it cannot start.
    """
    if sys.platform != "linux":
        return 0
    wanted = _within_threads(min(max(len(os.sched_getaffinity(0)), START_PROCS_LEAST), _PROCS_MOST))
    if not _lacking_memory(wanted + START_BESIDES):
        return wanted
    lacking = _lacking_memory(START_PROCS_LEAST + START_BESIDES)
    if lacking:
        raise RuntimeError(
            f"goloop: its engine needs {(_RESERVED + lacking) // _MIB} MiB of addresses, {lacking // _MIB} MiB of"
            f" them writable, to start, and the system does not give them{_limits_of_memory()}"
        )
    return START_PROCS_LEAST


def _lacking_memory(threads: int) -> int:
    """0, or the bytes of writable memory, the threads' stacks included, that the system does not give together
    with the addresses."""
    writable = _WRITABLE + threads * stack_size()
    private = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
    try:
        # Both at once: RLIMIT_AS counts them together.
        with mmap.mmap(-1, _RESERVED, private, 0), mmap.mmap(-1, writable, private):
            return 0
    except (MemoryError, OSError, OverflowError):
        return writable
    except Exception:  # an audit hook refuses it: nothing is known
        return 0


def _within_threads(wanted: int) -> int:
    """So many processors, or as few as there are threads for."""
    scarce = _full_group(wanted + START_BESIDES) or _full_user(wanted + START_BESIDES)
    if scarce is None:
        return wanted
    n = count_threads(wanted + START_BESIDES)
    if n < START_PROCS_LEAST + START_BESIDES:
        raise RuntimeError(
            f"goloop: its engine needs {START_PROCS_LEAST + START_BESIDES} threads to start, and the system gives"
            f" this process {n} more: {scarce}"
        )
    return min(wanted, n - START_BESIDES)


def _full_user(wanted: int) -> str | None:
    """The limit that has no room for so many more threads, as text, or None."""
    limit = os.sysconf("SC_CHILD_MAX")  # RLIMIT_NPROC
    if limit == -1:
        return None
    try:  # those of all users are an upper bound of this one's, and known without counting
        there = int(_read("/proc/loadavg").split()[3].partition("/")[2])
    except (IndexError, ValueError):
        there = limit
    return f"RLIMIT_NPROC is {limit}" if there + wanted > limit else None


def _full_group(wanted: int) -> str | None:
    """The same of this process's cgroups."""
    for line in _read("/proc/self/cgroup").splitlines():  # hierarchy:controllers:/path
        _, controllers, path = (line.split(":", 2) + ["", ""])[:3]
        if not path.startswith("/") or controllers not in ("", "pids"):
            continue
        root = "/sys/fs/cgroup/pids" if controllers else "/sys/fs/cgroup"
        path = path if path != "/" else ""
        while True:
            most = _number(f"{root}{path}/pids.max")
            if most is not None and (_number(f"{root}{path}/pids.current") or 0) + wanted > most:
                return f"pids.max of its cgroup is {most}"
            if not path:
                break
            path = path[: path.rindex("/")]
    return None


def _limits_of_memory() -> str:
    """Which limits of memory are set, of those that can be seen."""
    names = {"Max address space": "RLIMIT_AS", "Max data size": "RLIMIT_DATA"}
    said = []
    for start, name in names.items():
        for line in _read("/proc/self/limits").splitlines():
            soft = line.removeprefix(start).split()[:1] if line.startswith(start) else []
            if soft and soft != ["unlimited"]:
                said.append(f"{name} is {int(soft[0]) // _MIB} MiB")
    return ": " + ", ".join(said) if said else ""


def _number(path: str) -> int | None:
    """The number in a small file; None when there is none, as in "max"."""
    try:
        return int(_read(path))
    except ValueError:
        return None


def _read(path: str) -> str:
    """The head of a small file; empty when there is none, or an audit hook refuses it."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except Exception:
        return ""
    try:
        return os.fsdecode(os.read(fd, 4095))
    except OSError:
        return ""
    finally:
        os.close(fd)
