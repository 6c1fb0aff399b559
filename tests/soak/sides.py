"""The links that a loop has a side of: each side is a task, which asks or answers until the end or until it is cut."""

import asyncio
import errno
import functools
import random
import ssl
import time

from link import DATAGRAMS, Link, answer, ask
from message import Fault
from tally import Tally

DEAF = ("pipes", "udp", "unix datagrams")  # the other side does not hear of an end, or only when it writes


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


class Sides:
    """Those of one loop. `live` has all links by number, of other loops too."""

    def __init__(self, loop, rng, live, gentle):
        self.loop, self.rng, self.live, self.gentle = loop, rng, live, gentle
        self.tally = Tally()
        self._tasks = set()

    def start(self, coroutine, name=None):
        task = self.loop.create_task(coroutine, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task):
        self._tasks.discard(task)
        if not task.cancelled() and task.exception():
            self.tally.failed(repr(task), task.exception())

    def new_link(self, number, carrier):
        rng = random.Random(self.rng.random())
        if carrier in ("udp", "unix datagrams"):
            link = Link(number, carrier, rng, DATAGRAMS, window=1)
        else:
            link = Link(number, carrier, rng)
        link.started = time.monotonic()
        self.live[number] = link
        self.tally.links += 1
        return link

    def cut_perhaps(self, link):
        """A third of all, at some time."""
        if link.rng.random() < 1 / 3:
            delay = link.rng.choice((0, 0.001, 0.01, 0.1, 0.5)) * link.rng.random()
            self.loop.call_later(delay, self._cut, link)

    def _cut(self, link):
        if self.gentle and link.carrier == "pipes" and len(link.ends) < 2:
            if link.tasks:
                self.loop.call_later(0.01, self._cut, link)
        elif tasks := list(link.tasks):
            self.tally.cut += not link.cut
            link.cut = True
            for task in tasks if link.carrier in DEAF else [self.rng.choice(tasks)]:
                cancel(task)

    def side(self, link, make, talk):
        """Begin one: `make` makes its end, `talk` is ask or answer."""
        task = self.start(self._talk(link, make, talk), f"{talk.__name__} {link}")
        link.tasks.add(task)
        task.add_done_callback(functools.partial(self._side_ended, link))
        if link.cut:  # before there was this task to be cancelled
            task.cancel()

    def _side_ended(self, link, task):
        link.tasks.discard(task)
        if not link.tasks:
            self.live.pop(link.number, None)

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

    async def _drop(self, end):
        if self.gentle:
            await asyncio.sleep(0)
        if end is not None:
            end.drop()

    def is_of_a_closed_server(self, exc):
        """Whether it says that the path of a server is gone."""
        return isinstance(exc, FileNotFoundError) and exc.filename

    def _failed(self, link, exc, end):
        ordinary = isinstance(exc, (ConnectionError, EOFError, ssl.SSLError, TimeoutError))
        ordinary = ordinary or getattr(exc, "errno", None) == errno.ENOTCONN  # of shutdown(), after a reset
        expected = ordinary if link is None else link.cut and (ordinary or self.is_of_a_closed_server(exc))
        if not expected:
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
            link = self.live.get(number)
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

    async def ended(self, limit):
        """Until all tasks have ended, within `limit` seconds."""
        deadline = time.monotonic() + limit
        while self._tasks and time.monotonic() < deadline:
            await asyncio.wait(self._tasks, timeout=1)
        for task in self._tasks:
            self.tally.fault("hangs", repr(task))
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=1)
