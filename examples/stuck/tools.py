"""What there is on any loop to find out what blocks it. Each says so on standard error, after its name; faulthandler, which
writes its lines in pieces, on standard output.
"""

import asyncio
import contextlib
import faulthandler
import logging
import sys
import threading
import time
import traceback

LATE = 0.25  # seconds, as goloop's watchdog has in this demonstration
BEAT = 0.05

NAMES = ["debug", "heartbeat", "thread", "faulthandler"]


def say(tool, text):
    sys.stderr.write(f"{tool}: {text}\n")


def debug(loop):
    """asyncio's debug mode, which logs a callback that was slow."""
    logging.basicConfig(format="debug: %(message)s")
    loop.set_debug(True)
    loop.slow_callback_duration = LATE


async def heartbeat():
    """A task that notices that it was late. It feeds the two others that need that."""
    global beat
    thread = threading.get_ident()
    threading.Thread(target=look, args=[thread], daemon=True).start()
    while True:
        began = beat = time.monotonic()
        # In C, so that it needs no GIL; it writes all stacks when it is not put off in time.
        faulthandler.dump_traceback_later(LATE, file=sys.stdout)
        await asyncio.sleep(BEAT)
        if (late := time.monotonic() - began - BEAT) > LATE:
            say("heartbeat", f"late by {late:.2f} s")


beat = 0.0


def look(thread):
    """A thread that looks at the loop's, once when the heartbeat is late."""
    told = 0.0
    while True:
        time.sleep(BEAT)
        if time.monotonic() - beat > LATE and beat != told:
            told = beat
            frames = traceback.extract_stack(sys._current_frames()[thread])
            say("thread", f"{frames[-1].filename}:{frames[-1].lineno} {frames[-1].name}")


async def begin(app):
    """For aiohttp's ``cleanup_ctx``."""
    debug(asyncio.get_running_loop())
    task = asyncio.create_task(heartbeat())
    yield
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    faulthandler.cancel_dump_traceback_later()
