"""What a process holds: descriptors, and memory without what glibc has freed and keeps, which swings by tens of MiB."""

import ctypes
import gc
import os

import psutil

_libc = ctypes.CDLL(None)

# Bytes by which allocators may grow while they learn what links of all kinds need; 8.4 MiB in 18 s were seen.
GROWTH = 16 << 20


class Meters:
    """Looks at this process when it rests. The first look comes when it is warm."""

    def __init__(self):
        self._process = psutil.Process()
        self.descriptors = []
        self.memory = []

    def look(self):
        gc.collect()
        if trim := getattr(_libc, "malloc_trim", None):  # glibc's; elsewhere what is free may count as held
            trim(0)
        self.descriptors.append(len(os.listdir("/proc/self/fd")) - 1)
        self.memory.append(self._process.memory_info().rss)

    def leaks(self):
        """The descriptors and bytes by which the last looks are above those of the first half.

        Allocators keep some and give back some: the least of the last quarter is compared with the most of the half.
        Go's runtime opens two descriptors for its own timers when it has the first, and keeps them.
        """
        half, quarter = max(1, len(self.memory) // 2), max(1, len(self.memory) // 4)
        grown = min(self.memory[-quarter:]) - max(self.memory[:half])
        return max(0, self.descriptors[-1] - max(self.descriptors[:half])), grown
