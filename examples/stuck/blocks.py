"""Three ways to block a loop, each for about so many seconds."""

import re
import threading
import time

PATTERN = re.compile(r"\w*\w*\w*\w*!")  # of a word without "!", it tries each way to part it in four
DEGREE = 4
word = 0  # letters, for a second


def calibrate():
    """Find out for what a regular expression takes a second here."""
    global word
    length, took = 50, 0.0
    while took < 0.1:
        length = length * 6 // 5
        took = min(timed(length) for _ in range(2))
    word = length / took ** (1 / DEGREE)


def timed(length):
    began = time.perf_counter()
    PATTERN.match("a" * length)
    return time.perf_counter() - began


def sleep(seconds):
    """A call that should have been ``await asyncio.sleep(…)``. It lets other threads run."""
    time.sleep(seconds)


def regex(seconds):
    """C code that keeps the GIL: no other thread runs Python meanwhile, whatever it is to find out."""
    PATTERN.match("a" * int(word * seconds ** (1 / DEGREE)))


def lock(seconds):
    """A lock that its owner takes again; so that there is an end, another thread gives it back."""
    ours = threading.Lock()
    ours.acquire()
    threading.Timer(seconds, ours.release).start()
    ours.acquire()


ALL = {"sleep": sleep, "regex": regex, "lock": lock}
