"""What the tests of signal traffic run in an interpreter of its own: children among many signals."""

import asyncio
import functools
import os
import random
import signal
import subprocess
import threading
import time

from programs import EXEC, PIPE

# Not PROF: Go's threads never block it, so the masks below do not keep its default, which is death, away.
NAMES = [
    "HUP",
    "USR1",
    "USR2",
    "WINCH",
    "URG",
    "IO",
    "VTALRM",
    "XCPU",
    "XFSZ",
    "TTIN",
    "TTOU",
    "CONT",
    "SYS",
]
# On a loaded machine a pipe is full now and then, which is no fault: it says that there are signals.
signal.set_wakeup_fd = functools.partial(signal.set_wakeup_fd, warn_on_full_buffer=False)

SIGNALS = [getattr(signal, f"SIG{name}") for name in NAMES]
MASKED = [signal.SIGCHLD, *SIGNALS[::2]]
CHILDREN = 120


async def traffic(loop, seed):
    """Handlers come and go, masks as well, and a thread sends thousands a second; returns how many children have
    ended as they were to."""
    choose = random.Random(seed)
    handled = set()
    stop = threading.Event()

    def send():
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)  # the loop's thread takes them all
        while not stop.is_set():
            os.kill(os.getpid(), choose.choice(SIGNALS))
            time.sleep(0.0002)  # without, nothing else runs, and asyncio's pipe is full

    def remove_handlers():
        """Down to none. It leaves the default, which is death."""
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        for number in SIGNALS:
            if loop.remove_signal_handler(number):
                signal.signal(number, lambda *_: None)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)

    async def change_handlers():
        while True:
            for number in SIGNALS:
                loop.add_signal_handler(number, handled.add, number)
            await asyncio.sleep(0.002)
            remove_handlers()
            await asyncio.sleep(0)

    async def change_masks():
        while True:
            # Not over a start: a child inherits the mask.
            signal.pthread_sigmask(signal.SIG_BLOCK, MASKED)
            os.kill(os.getpid(), signal.SIGCHLD)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, MASKED)
            await asyncio.sleep(0.001)

    async def child(number):
        await asyncio.sleep(number % 10 * 0.001)
        match number % 3:
            case 0:
                process = await EXEC("sh", "-c", f"exit {number}")
            case 1:
                process = await EXEC("sleep", "60")
                process.kill()
            case 2:
                process = await EXEC("cat", stdin=PIPE, stdout=subprocess.DEVNULL)
                process.stdin.close()
        return await process.wait()

    for number in SIGNALS:
        signal.signal(number, lambda *_: None)
    sender = threading.Thread(target=send)
    background = [asyncio.create_task(change_handlers()), asyncio.create_task(change_masks())]
    sender.start()
    try:
        given = []
        for first in range(0, CHILDREN, 10):
            given += await asyncio.gather(*(child(number) for number in range(first, first + 10)))
        while len(handled) < len(SIGNALS):
            await asyncio.sleep(0.001)
    finally:
        stop.set()
        sender.join()
        for task in background:
            task.cancel()
        await asyncio.wait(background)
    remove_handlers()
    return sum(code == (number, -signal.SIGKILL, 0)[number % 3] for number, code in enumerate(given))
