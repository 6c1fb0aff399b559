"""What a process holds: descriptors and memory."""

import gc
import os
import statistics

import psutil

GROWTH = 16 << 20  # bytes that allocators may differ by between two looks at a process that does not leak


class Meters:
    """Looks at this process when it rests. The first look comes when it is warm."""

    def __init__(self):
        self._process = psutil.Process()
        self.descriptors = []
        self.memory = []

    def look(self):
        gc.collect()
        self.descriptors.append(len(os.listdir("/proc/self/fd")) - 1)
        self.memory.append(self._process.memory_info().rss)

    def leaks(self):
        """The descriptors and bytes by which the last looks are above the first, medians of a quarter each."""
        quarter = max(1, len(self.memory) // 4)
        grown = statistics.median(self.memory[-quarter:]) - statistics.median(self.memory[:quarter])
        return max(0, self.descriptors[-1] - self.descriptors[0]), int(grown)
