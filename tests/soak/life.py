"""One loop of the stress of threads, from its making to its close: servers, links with all other loops, odd jobs."""

import asyncio
import errno
import functools
import random
import socket
import ssl
import time

from datagrams import datagram_end, pipe_end, pipe_files, udp_sockets, unix_datagram_sockets
from link import DATAGRAMS, Link, answer, ask
from message import Fault
from posting import Letterbox
from tally import Tally
from wiring import Server, connected_end, stream_end

LIMIT = 40  # seconds that a link, a child process or the end of a life may take
SERVERS = 2
DEAF = ("pipes", "udp", "unix datagrams")  # the other side does not hear of an end, or only when it writes
CARRIERS = ("pair", "tls pair", "served", "served", "served", "served", "pipes", "udp", "unix datagrams")


def cancel(task):
    """Cancel a task from any thread; one whose loop has closed has ended."""
    loop = task.get_loop()
    try:
        running = asyncio.get_running_loop()
    except RuntimeError:
        running = None
    if loop is running:
        task.cancel()
        return
    try:
        loop.call_soon_threadsafe(task.cancel)
    except RuntimeError:
        if not loop.is_closed():
            raise


class Life:
    """A loop among those of `town`, which its thread makes, runs with main(), and closes."""

    def __init__(self, town, loop, seed):
        self.town, self.loop, self.gentle, self.folder = town, loop, town.gentle, town.folder
        self.server_context, self.client_context = town.server_context, town.client_context
        self.rng = random.Random(seed)
        self.tally = Tally()
        self.letters = Letterbox(loop, self.tally.fault)
        self.servers = []
        self.serial = town.serial
        self._tasks = set()
        self._links = set()  # begun here
        loop.set_exception_handler(self.tally.reported)

    def start(self, coroutine, name=None):
        task = self.loop.create_task(coroutine, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task):
        self._tasks.discard(task)
        if not task.cancelled() and task.exception():
            self.tally.failed(repr(task), task.exception())

    # One link: the asking side is here, the answering side with any loop.

    def begin(self):
        number, carrier = self.serial(), self.rng.choice(CARRIERS)
        rng = random.Random(self.rng.random())
        if carrier in ("udp", "unix datagrams"):
            link = Link(number, carrier, rng, DATAGRAMS, window=1)
        else:
            link = Link(number, carrier, rng)
        link.started = time.monotonic()
        self.town.live[number] = link
        self._links.add(link)
        self.tally.links += 1
        if carrier == "served":
            server = self.rng.choice(self.town.servers())
            server.links.add(link)
            link.server = server
            if server.closed:  # else it finds the link when it closes
                link.cut = True
            self._side(link, functools.partial(connected_end, self, link, server, link.rng), ask)
        else:
            self._begin_between(link)
        if rng.random() < 1 / 3:
            delay = rng.choice((0, 0.001, 0.01, 0.1, 0.5)) * rng.random()
            self.loop.call_later(delay, self._cut, link)

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
        self._side(link, functools.partial(self._end, link, mine, link.rng, False), ask)

    def join(self, link, ours, seed):
        self._side(link, functools.partial(self._end, link, ours, random.Random(seed), True), answer)

    async def _end(self, link, ours, rng, server_side):
        if link.carrier == "pipes":
            return await pipe_end(self.loop, ours, rng)
        if link.carrier in DEAF:
            return await datagram_end(self.loop, ours, rng)
        context = None
        if link.carrier == "tls pair":
            context = self.server_context if server_side else self.client_context
        return await stream_end(self, link, ours, rng, context, server_side)

    def _side(self, link, make, talk):
        task = self.start(self._talk(link, make, talk), f"{talk.__name__} {link}")
        link.tasks.add(task)
        task.add_done_callback(functools.partial(self._side_ended, link))
        if link.cut:  # before there was this task to be cancelled
            task.cancel()

    def _side_ended(self, link, task):
        link.tasks.discard(task)
        self._links.discard(link)
        if not link.tasks:
            self.town.live.pop(link.number, None)

    def _cut(self, link):
        if self.gentle and link.carrier == "pipes" and len(link.ends) < 2:
            if link.tasks:
                self.loop.call_later(0.01, self._cut, link)
        elif tasks := list(link.tasks):
            self.tally.cut += not link.cut
            link.cut = True
            for task in tasks if link.carrier in DEAF else [self.rng.choice(tasks)]:
                cancel(task)

    async def _talk(self, link, make, talk):
        end = None
        try:
            end = await make()
            link.ends.append(end)
            await (ask(link, end, self.tally) if talk is ask else answer(link, end, None))
            self._close(end)
        except asyncio.CancelledError:
            await self._drop(end)
            if not link.cut:
                raise
        except Exception as exc:
            self._failed(link, exc, end)
            await self._drop(end)

    def _close(self, end):
        end.close()
        self.start(end.gone())  # the loop is not closed before

    async def _drop(self, end):
        if self.gentle:
            await asyncio.sleep(0)
        if end is not None:
            end.drop()
            self.start(end.gone())

    def _failed(self, link, exc, end):
        ordinary = isinstance(exc, (ConnectionError, EOFError, ssl.SSLError, TimeoutError))
        ordinary = ordinary or getattr(exc, "errno", None) == errno.ENOTCONN  # of shutdown(), after a reset
        gone = isinstance(exc, FileNotFoundError)  # the path of a server that has closed
        if not (ordinary if link is None else link.cut and (ordinary or gone)):
            self.tally.failed(f"{link} by {end and type(end).__name__}", exc)
        if link is not None:
            link.cut = True
            if link.carrier in DEAF:
                for task in set(link.tasks) - {asyncio.current_task()}:
                    cancel(task)

    def serve(self, server, end):
        """The answering side of a connection to a server of ours, which learns from the first message whose it is."""
        known = []

        def find(number):
            link = self.town.live.get(number)
            if link is None:  # its asking side has been cut
                link = Link(number, "served", self.rng)
                link.cut = True
            elif link.joined:
                raise Fault("crossed", f"{link} is answered twice")
            link.joined = True
            server.links.discard(link)
            link.tasks.add(task)
            link.ends.append(end)
            known.append(link)
            return link

        async def serve():
            try:
                await answer(None, end, find)
                self._close(end)
            except asyncio.CancelledError:
                await self._drop(end)
            except Exception as exc:
                self._failed(known[0] if known else None, exc, end)
                await self._drop(end)

        def ended(task):
            if known:
                self._side_ended(known[0], task)

        task = self.start(serve())
        task.add_done_callback(ended)

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
        found = await self.loop.getaddrinfo("localhost", port, family=socket.AF_INET)
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
        deadline = time.monotonic() + LIMIT
        while self._tasks and time.monotonic() < deadline:
            await asyncio.wait(self._tasks, timeout=1)
        for task in self._tasks:
            self.tally.fault("hangs", repr(task))
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=1)
        await asyncio.sleep(0.02)  # for transports that are closing, which nothing tells of
        await self.loop.shutdown_default_executor()
