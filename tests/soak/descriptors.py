"""A thread that keeps taking descriptor numbers and giving them back, so that a closed one has its next owner at once."""

import os
import random
import socket
import threading
import time
from collections import deque

HELD = 40  # descriptors at once


class Numbers:
    """Start with `with`. `rest()` closes what the thread holds and keeps it from taking more, until `go_on()`."""

    def __init__(self, seed, task=lambda: None):
        self._rng = random.Random(seed)
        self._task = task  # called a few hundred times a second, in the thread
        self._held = deque()
        self._given = deque()  # duplicates that others hand over
        self._going = threading.Event()
        self._resting = threading.Event()
        self._ended = False
        self._thread = threading.Thread(target=self._run, name="numbers", daemon=True)

    def __enter__(self):
        self._going.set()
        self._thread.start()
        return self

    def __exit__(self, *exc):
        self._ended = True
        self._going.set()
        self._thread.join()

    def keep(self, sock):
        """Hold a duplicate of a socket for a while: its file outlives its descriptor."""
        self._given.append(sock.dup())

    def rest(self):
        self._resting.clear()
        self._going.clear()
        self._resting.wait()

    def go_on(self):
        self._going.set()

    def _run(self):
        while not self._ended:
            if not self._going.is_set():
                self._release(0)
                self._resting.set()
                self._going.wait()
            for _ in range(self._rng.randrange(1, 6)):
                self._held.extend(self._take())
            self._release(self._rng.randrange(HELD))
            self._task()
            time.sleep(self._rng.choice((0, 0.0002, 0.002)))  # the pace of the stress
        self._release(0)

    def _take(self):
        choice = self._rng.randrange(6)
        if choice == 0:
            return socket.socketpair()
        if choice == 1:
            return [socket.socket()]
        if choice == 2:
            return [socket.socket(type=socket.SOCK_DGRAM)]
        if choice == 3:
            return [open(end, "rb" if place == 0 else "wb", 0) for place, end in enumerate(os.pipe())]
        if choice == 4:
            return [open("/dev/null", "rb", 0)]
        readable, writable = socket.socketpair()
        writable.send(b"of nobody")  # ready at once, for whoever watches the number still
        writable.close()
        return [readable, readable.dup()]

    def _release(self, keep):
        while self._given:
            self._held.append(self._given.popleft())
        while len(self._held) > keep:
            self._held.rotate(self._rng.randrange(len(self._held)))
            self._held.popleft().close()
