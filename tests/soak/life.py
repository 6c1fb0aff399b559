"""One loop of the stress of threads, from its making to its close: servers, links with all other loops, odd jobs."""

import asyncio
import functools
import random
import socket
import time

from datagrams import datagram_end, pipe_end, pipe_files, udp_sockets, unix_datagram_sockets
from link import answer, ask
from message import Fault
from posting import Letterbox
from sides import DEAF, Sides, cancel
from wiring import Server, connected_end, stream_end

LIMIT = 40  # seconds that a link, a child process or the end of a life may take
SERVERS = 2
CARRIERS = ("pair", "tls pair", "served", "served", "served", "served", "pipes", "udp", "unix datagrams")


class Life(Sides):
    """A loop among those of `town`, which its thread makes, runs with main(), and closes."""

    def __init__(self, town, loop, seed):
        super().__init__(loop, random.Random(seed), town.live, town.gentle)
        self.town, self.folder = town, town.folder
        self.server_context, self.client_context = town.server_context, town.client_context
        self.letters = Letterbox(loop, self.tally.fault)
        self.servers = []
        self.serial = town.serial
        self._links = set()  # begun here
        loop.set_exception_handler(self.tally.reported)

    # One link: the asking side is here, the answering side with any loop.

    def begin(self):
        link = self.new_link(self.serial(), self.rng.choice(CARRIERS))
        self._links.add(link)
        if link.carrier == "served":
            server = self.rng.choice(self.town.servers())
            server.links.add(link)
            link.server = server
            if server.closed:  # else it finds the link when it closes
                link.cut = True
            self.side(link, functools.partial(connected_end, self, link, server, link.rng), ask)
        else:
            self._begin_between(link)
        self.cut_perhaps(link)

    def _begin_between(self, link):
        """Two ends that are connected from the start."""
        if link.carrier == "pipes":
            mine, others = pipe_files()
        elif link.carrier == "udp":
            mine, others = udp_sockets(link.number)
        elif link.carrier == "unix datagrams":
            mine, others = unix_datagram_sockets(self.folder, link.number)
        else:
            mine, others = socket.socketpair()
            mine.setblocking(False)
            others.setblocking(False)
        other = self.rng.choice(self.town.lives())
        seed = link.rng.random()  # a generator is one thread's
        if not other.letters.post(other.join, link, others, seed):
            self.join(link, others, seed)
        self.side(link, functools.partial(self._end, link, mine, link.rng, False), ask)

    def join(self, link, ours, seed):
        self.side(link, functools.partial(self._end, link, ours, random.Random(seed), True), answer)

    async def _end(self, link, ours, rng, server_side):
        if link.carrier == "pipes":
            return await pipe_end(self.loop, ours, rng)
        if link.carrier in DEAF:
            return await datagram_end(self.loop, ours, rng)
        context = None
        if link.carrier == "tls pair":
            context = self.server_context if server_side else self.client_context
        return await stream_end(self, link, ours, rng, context, server_side)

    def _side_ended(self, link, task):
        self._links.discard(link)
        super()._side_ended(link, task)

    def _close(self, end):
        super()._close(end)
        self.start(end.gone())  # the loop is not closed before

    async def _drop(self, end):
        await super()._drop(end)
        if end is not None:
            self.start(end.gone())

    def is_of_a_closed_server(self, exc):
        return isinstance(exc, FileNotFoundError)

    # What else a loop does.

    async def _child(self):
        code = self.rng.randrange(256)
        child = await asyncio.create_subprocess_exec(
            "/bin/sh", "-c", f"echo {code}; exit {code}", stdout=asyncio.subprocess.PIPE
        )
        out, _ = await asyncio.wait_for(child.communicate(), LIMIT)
        if (out, child.returncode) != (b"%d\n" % code, code):
            raise Fault("crossed", f"a child that was to say {code} said {out} and {child.returncode}")
        self.tally.children += 1

    async def _lookup(self):
        port = self.rng.randrange(1, 65536)
        spelled = "".join(self.rng.choice((letter, letter.upper())) for letter in "localhost")
        host = self.rng.choice(("localhost", spelled))  # whose answer may be known; for libc
        found = await self.loop.getaddrinfo(host, port, family=socket.AF_INET)
        if {address for *_, address in found} != {("127.0.0.1", port)}:
            raise Fault("crossed", f"localhost:{port} is {found}")

    async def _in_executor(self):
        number = self.rng.randrange(1 << 40)
        if await self.loop.run_in_executor(None, pow, number, 2) != number**2:
            raise Fault("crossed", f"the square of {number} is another one")

    async def _timers(self):
        order = []
        now = self.loop.time()
        handles = [self.loop.call_at(now + 0.01 * self.rng.random(), order.append, n) for n in range(20)]
        times = [handle.when() for handle in handles]
        cancelled = set(self.rng.sample(range(20), 5))
        for number in cancelled:
            handles[number].cancel()
        await asyncio.sleep(0.02)
        left = sorted(set(range(20)) - cancelled, key=lambda n: (times[n], n))
        if order != left:
            raise Fault("lost", f"timers fired as {order}, and should as {left}")

    def _post(self):
        """Calls into other loops; some are cancelled, by us or by the loop that has them."""
        other = self.rng.choice(self.town.lives())
        other.letters.post(other.came)
        if self.rng.random() < 0.2:
            try:
                handle = other.loop.call_soon_threadsafe(int)
            except RuntimeError:  # it closes
                return
            if self.rng.random() < 0.5:
                handle.cancel()
            else:
                other.letters.post(handle.cancel)

    def came(self):
        self.tally.posted += 1

    async def main(self, seconds, links):
        """Live for a time, with so many links at once, until the last has ended and nothing is open."""
        self.servers = [await Server(self, self.rng).open() for _ in range(SERVERS)]
        self.town.enter(self)
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            while len(self._links) < links:
                self.begin()
            for _ in range(self.rng.randrange(20)):
                self._post()
            if self.rng.random() < 0.05:
                self.start(self.rng.choice((self._lookup, self._in_executor, self._timers))())
            if self.rng.random() < 0.01:
                self.start(self._child())
            await asyncio.sleep(0.001 * self.rng.randrange(4))
        self.town.leave(self)
        self.letters.shut()
        for server in self.servers:
            server.close()
            for link in list(server.links):  # their connections are accepted by nobody
                for task in list(link.tasks):
                    cancel(task)
        await self.letters.emptied(LIMIT)
        await self.ended(LIMIT)
        await asyncio.sleep(0.02)  # for transports that are closing, which nothing tells of
        await self.loop.shutdown_default_executor()
