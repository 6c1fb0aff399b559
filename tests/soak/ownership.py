"""Who gets what: connections of all kinds that name themselves, a third of them cut, while numbers change their owners.

    python ownership.py --loop goloop:new_event_loop --seconds 60

Prints one line of JSON. Exits 1 when bytes went to another connection ("crossed"), are missing in one that nobody
cut ("lost"), a descriptor's new owner was refused, something was raised or reported that nobody asked for, a link
did not end, or descriptors or memory have grown.
"""

import argparse
import asyncio
import functools
import gc
import importlib
import json
import pathlib
import random
import socket
import ssl
import sys
import tempfile
import time

sys.path.insert(1, str(pathlib.Path(__file__).resolve().parent.parent))

from datagrams import datagram_end, pipe_end, pipe_files, udp_sockets, unix_datagram_sockets
from descriptors import Numbers
from link import answer, ask
from meters import GROWTH, Meters
from sides import Sides
from tally import figures
from wiring import Server, connected_end, stream_end

from certificates import Authority

LINKS = 60  # at once
LIMIT = 40  # seconds that a link may take
CARRIERS = ("pair", "tls pair", "served", "served", "served", "pipes", "udp", "unix datagrams")


class Stress(Sides):
    """Starts links until the time is up, cuts a third of them, and looks after servers."""

    def __init__(self, loop, seed, gentle, folder):
        super().__init__(loop, random.Random(seed), {}, gentle)
        self.folder = folder
        self.servers = []
        self._serial = 0
        authority = Authority()
        self.server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("localhost").configure_cert(self.server_context)
        self.client_context = ssl.create_default_context()
        authority.configure_trust(self.client_context)
        self.numbers = Numbers(seed, self._from_the_thread)
        self._posted = 0

    def serial(self):
        self._serial += 1
        return self._serial

    def _from_the_thread(self):
        self._posted += 1
        self.loop.call_soon_threadsafe(self._post)

    def _post(self):
        self.tally.posted += 1

    # One link.

    def begin(self):
        link = self.new_link(self.serial(), self.rng.choice(CARRIERS))
        self.cut_perhaps(link)
        if link.carrier == "served":
            server = self.rng.choice(self.servers)
            server.links.add(link)
            self.side(link, functools.partial(connected_end, self, link, server, link.rng), ask)
            return
        if link.carrier in ("pair", "tls pair"):
            socks = socket.socketpair()
            for sock in socks:
                sock.setblocking(False)
            contexts = (
                (self.client_context, self.server_context) if link.carrier == "tls pair" else (None, None)
            )
            makers = [
                functools.partial(stream_end, self, link, sock, link.rng, context, bool(side))
                for side, (sock, context) in enumerate(zip(socks, contexts))
            ]
        elif link.carrier == "pipes":
            makers = [functools.partial(pipe_end, self.loop, files, link.rng) for files in pipe_files()]
        else:
            socks = (
                udp_sockets(link.number)
                if link.carrier == "udp"
                else unix_datagram_sockets(self.folder, link.number)
            )
            makers = [functools.partial(datagram_end, self.loop, sock, link.rng) for sock in socks]
        if link.carrier != "pipes" and link.rng.random() < 0.2:
            self.numbers.keep(socks[0])
        self.side(link, makers[0], ask)
        self.side(link, makers[1], answer)

    def _side_ended(self, link, task):
        super()._side_ended(link, task)
        if not link.tasks:
            for server in self.servers:
                server.links.discard(link)

    # The whole.

    def _watch(self):
        """End links that take too long."""
        for link in list(self.live.values()):
            if time.monotonic() - link.started > LIMIT:
                self.tally.fault("hangs", f"{link}: {len(link.tasks)} tasks, {link.ends}")
                link.cut = True
                for task in link.tasks:
                    task.cancel()
                self.live.pop(link.number, None)

    async def _change_a_server(self):
        if len(self.servers) >= 6 or (self.servers and self.rng.random() < 0.2):
            self.servers.pop(self.rng.randrange(len(self.servers))).close()
        if len(self.servers) < 6:
            try:
                self.servers.append(await Server(self, self.rng).open())
            except Exception as exc:
                self.tally.failed("a new server", exc)

    async def run_for(self, seconds):
        """Links for a time, until the last has ended and nothing is open."""
        until = time.monotonic() + seconds
        for _ in range(6):
            await self._change_a_server()
        change = time.monotonic()
        while time.monotonic() < until:
            while len(self.live) < LINKS:
                self.begin()
            await asyncio.sleep(0.001 * self.rng.randrange(4))
            if time.monotonic() > change:
                change += 0.1 * self.rng.random()
                await self._change_a_server()
                self._watch()
        while self.live:
            await asyncio.sleep(0.01)
            self._watch()
        while self.servers:
            self.servers.pop().close()
        self.numbers.rest()
        await self.ended(LIMIT)
        await asyncio.sleep(0.1)  # for transports that are closing, which nothing tells of

    def end(self):
        if self.tally.posted != self._posted:
            self.tally.fault("lost", f"{self._posted} calls were posted, and {self.tally.posted} came")


async def main(loop, seed, seconds, gentle, looks):
    meters = Meters()
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        stress = Stress(loop, seed, gentle, folder)
        loop.set_exception_handler(stress.tally.reported)
        with stress.numbers:
            for _ in range(looks):
                await stress.run_for(seconds / looks)
                meters.look()
                stress.numbers.go_on()
            stress.numbers.rest()
            await asyncio.sleep(0)
            stress.end()
    return stress.tally, meters


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--loop", default="goloop:new_event_loop", metavar="MODULE:FACTORY")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--gentle", action=argparse.BooleanOptionalAction, default=None)
    options = parser.parse_args()
    module, _, factory = options.loop.partition(":")
    gentle = module != "goloop" if options.gentle is None else options.gentle
    seed = random.randrange(1 << 32) if options.seed is None else options.seed
    sys.setswitchinterval(0.0005)
    loop = getattr(importlib.import_module(module), factory)()
    begun = time.monotonic()
    looks = max(3, min(12, int(options.seconds / 3)))
    tally, meters = loop.run_until_complete(main(loop, seed, options.seconds, gentle, looks))
    loop.close()
    gc.collect()
    line = figures(options.loop, tally, meters, time.monotonic() - begun)
    for text in tally.texts:
        print(text, file=sys.stderr)
    print(json.dumps({**line, "seed": seed}))
    sys.exit(not (tally.clean and line["descriptors"] == 0 and line["memory_kib"] << 10 < GROWTH))
