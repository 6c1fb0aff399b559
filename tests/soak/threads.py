"""Two to sixteen threads, each with one loop after the other, that serve each other, call each other, cancel and fork.

    python threads.py --loop goloop:new_event_loop --seconds 300

Connections name themselves in each message. Two more threads without a loop call all loops, and one forks children that
run a loop. Prints one line of JSON. Exits 1 when bytes went to another connection ("crossed"), bytes, connections or
calls are missing ("lost"), something was raised or reported that nobody asked for, something did not end, or descriptors or
memory have grown.
"""

import argparse
import asyncio
import concurrent.futures
import faulthandler
import importlib
import json
import os
import pathlib
import random
import signal
import ssl
import sys
import sysconfig
import tempfile
import threading
import time

sys.path.insert(1, str(pathlib.Path(__file__).resolve().parent.parent))

from life import LIMIT, Life
from meters import GROWTH, Meters
from tally import Tally, figures

import forking
from certificates import Authority

# Of threads with loops, round by round; the first is the greatest, so that all is warm.
COUNTS = (16, 2, 4, 8, 3, 16, 6, 12)
LINKS = 60  # at once, in all threads
FREE_THREADED = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))


class Town:
    """What the threads share: the loops that live, their servers, the links by their numbers."""

    def __init__(self, factory, loop_name, gentle, folder, seed):
        self.factory, self.loop_name, self.gentle, self.folder = factory, loop_name, gentle, folder
        authority = Authority()
        self.server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("localhost").configure_cert(self.server_context)
        self.client_context = ssl.create_default_context()
        authority.configure_trust(self.client_context)
        self.live = {}
        self.tally = Tally()
        self.loops = self.forks = self.hung_forks = 0
        self._rng = random.Random(seed)
        self._lock = threading.Lock()  # of all that follows, and of the random seeds
        self._number = 0
        self._lives = []  # replaced, never changed, so that it is read without the lock

    def serial(self):
        with self._lock:
            self._number += 1
            return self._number

    def seed(self):
        with self._lock:
            return self._rng.random()

    def enter(self, life):
        with self._lock:
            self._lives = [*self._lives, life]

    def leave(self, life):
        with self._lock:
            self._lives = [other for other in self._lives if other is not life]

    def lives(self):
        return self._lives

    def servers(self):
        return [server for life in self._lives for server in life.servers]

    def add(self, tally):
        with self._lock:
            self.loops += 1
            self.tally.add(tally)

    # What the threads do.

    def live_on(self, until, links):
        """One loop after the other."""
        while time.monotonic() < until:
            life = Life(self, self.factory(), self.seed())
            seconds = min(life.rng.uniform(0.3, 3), until - time.monotonic())
            try:
                life.loop.run_until_complete(life.main(seconds, links))
            finally:
                self.leave(life)
                life.loop.close()
                self.add(life.tally)

    def call(self, until):
        """From a thread that has no loop."""
        rng = random.Random(self.seed())
        while time.monotonic() < until:
            for life in self.lives():
                for _ in range(rng.randrange(50)):
                    life.letters.post(life.came)
                if rng.random() < 0.1:
                    number = rng.random()
                    try:
                        answer = life.letters.ask(asyncio.sleep, 0, number, limit=LIMIT)
                    except concurrent.futures.TimeoutError:
                        self.tally.fault("hangs", "a coroutine that a thread has started")
                    else:
                        if answer not in (None, number):
                            self.tally.fault("crossed", f"{number} was asked for, and {answer} came")
            time.sleep(0.001 * rng.randrange(4))  # the pace of the stress

    def fork(self, until):
        """Children that run a loop of their own."""
        while time.monotonic() < until:
            if self.lives():
                status = os.waitpid(forking.fork(forking.do_work, self.loop_name), 0)[1]
                # Without a GIL a dict of asyncio's may be locked by another thread, and is so in the child for ever.
                if FREE_THREADED and os.waitstatus_to_exitcode(status) == -signal.SIGALRM:
                    self.hung_forks += 1
                else:
                    assert status == 0, f"a child ended with {status}"
                self.forks += 1
            time.sleep(0.2)  # the pace of the stress

    def run_for(self, seconds, count):
        """All of it, in `count` threads with loops and three without, until the last thread has ended."""
        until = time.monotonic() + seconds
        works = [(self.live_on, until, max(3, LINKS // count))] * count
        works += [(self.call, until), (self.call, until), (self.fork, until)]
        threads = [threading.Thread(target=self._guarded, args=work, daemon=True) for work in works]
        faulthandler.dump_traceback_later(seconds + 3 * LIMIT, exit=True)
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        faulthandler.cancel_dump_traceback_later()
        for link in self.live.values():
            self.tally.fault("hangs", f"{link}: {link.ends}")
        self.live.clear()

    def _guarded(self, work, *args):
        try:
            work(*args)
        except BaseException as exc:
            self.tally.failed(work.__name__, exc)


def main(options):
    module, _, name = options.loop.partition(":")
    factory = getattr(importlib.import_module(module), name)
    gentle = module != "goloop" if options.gentle is None else options.gentle
    seed = random.randrange(1 << 32) if options.seed is None else options.seed
    looks = max(4, min(16, int(options.seconds / 5)))
    counts = [options.threads] if options.threads else COUNTS
    meters, begun = Meters(), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        town = Town(factory, module, gentle, folder, seed)
        for look in range(looks):
            town.run_for(options.seconds / looks, counts[look % len(counts)])
            meters.look()
            if options.verbose:
                tally = town.tally
                print(
                    f"{counts[look % len(counts)]} threads: {tally.links} links, {tally.faults}, "
                    f"{meters.descriptors[-1]} descriptors, {meters.memory[-1] >> 10} KiB",
                    file=sys.stderr,
                )
    line = figures(options.loop, town.tally, meters, time.monotonic() - begun)
    line |= {"loops": town.loops, "children": town.tally.children, "forks": town.forks}
    line |= {"hung_forks": town.hung_forks, "seed": seed}
    line["gil"] = getattr(sys, "_is_gil_enabled", lambda: True)()
    for text in town.tally.texts:
        print(text, file=sys.stderr)
    print(json.dumps(line))
    if FREE_THREADED and line["gil"]:
        print("the GIL has come back", file=sys.stderr)
        return False
    return town.tally.clean and line["descriptors"] == 0 and line["memory_kib"] << 10 < GROWTH


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--loop", default="goloop:new_event_loop", metavar="MODULE:FACTORY")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--threads", type=int, default=None, help="always so many; default: 2 to 16")
    parser.add_argument("--gentle", action=argparse.BooleanOptionalAction, default=None)
    parser.add_argument("--verbose", action="store_true", help="a line a round")
    sys.setswitchinterval(0.0005)
    faulthandler.enable()
    ended_well = main(parser.parse_args())
    sys.stdout.flush()
    os._exit(0) if ended_well else os._exit(1)
