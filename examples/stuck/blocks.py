"""Three ways to block a loop, each for so many seconds."""

import ctypes
import threading
import time

libc = ctypes.PyDLL(None)  # whose calls keep the GIL, as those of many an extension do


def sleep(seconds):
    """A call that should have been ``await asyncio.sleep(…)``. It lets other threads run."""
    time.sleep(seconds)


def native(seconds):
    """C code that keeps the GIL: no other thread runs Python meanwhile, whatever it is to find out."""
    libc.usleep(int(seconds * 1e6))


def lock(seconds):
    """A lock that its owner takes again; so that there is an end, another thread gives it back."""
    ours = threading.Lock()
    ours.acquire()
    threading.Timer(seconds, ours.release).start()
    ours.acquire()


ALL = {"sleep": sleep, "native": native, "lock": lock}
