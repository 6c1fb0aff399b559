"""Tasks that yield."""

from __future__ import annotations

import asyncio

from rows.host import Host, Outcome
from rows.row import InProcess

YIELDS = 20_000
LOT = 5000


def sleepers(host: Host, tasks: int) -> Outcome:
    """``tasks`` tasks share 20,000 times ``await sleep(0)``."""
    each = YIELDS // tasks

    async def sleeper() -> None:
        for _ in range(each):
            await asyncio.sleep(0)

    async def together() -> None:
        await asyncio.gather(*(sleeper() for _ in range(tasks)))

    def lot() -> int:
        host.loop.run_until_complete(sleeper() if tasks == 1 else together())
        return each * tasks

    return host.lots(lot)


def thousand(host: Host) -> Outcome:
    """A thousand tasks."""
    return sleepers(host, 1000)


async def nothing() -> None:
    """A task that ends in its first step."""


def created(host: Host) -> Outcome:
    """A task made and awaited, one after the other."""

    async def tasks() -> None:
        create_task = host.loop.create_task
        for _ in range(LOT):
            await create_task(nothing())

    def lot() -> int:
        host.loop.run_until_complete(tasks())
        return LOT

    return host.lots(lot)


def gathered(host: Host) -> Outcome:
    """``gather`` of a thousand coroutines that end in their first step."""

    async def gathers() -> None:
        for _ in range(10):
            await asyncio.gather(*(nothing() for _ in range(1000)))

    def lot() -> int:
        host.loop.run_until_complete(gathers())
        return 10

    return host.lots(lot)


def futures(host: Host) -> Outcome:
    """A future made, given its result by a callback, and awaited."""
    loop = host.loop

    async def awaits() -> None:
        for _ in range(LOT):
            future = loop.create_future()
            loop.call_soon(future.set_result, None)
            await future

    def lot() -> int:
        loop.run_until_complete(awaits())
        return LOT

    return host.lots(lot)


def queue(host: Host) -> Outcome:
    """A ``Queue`` of one place between two tasks."""

    async def produce(items: asyncio.Queue[int]) -> None:
        for i in range(LOT):
            await items.put(i)

    async def consume() -> None:
        items: asyncio.Queue[int] = asyncio.Queue(1)
        producer = asyncio.ensure_future(produce(items))
        for i in range(LOT):
            if await items.get() != i:
                raise RuntimeError("a queue gave its items in another order")
        await producer

    def lot() -> int:
        host.loop.run_until_complete(consume())
        return LOT

    return host.lots(lot)


def one(host: Host) -> Outcome:
    """One task: one callback a turn."""
    return sleepers(host, 1)


def hundred(host: Host) -> Outcome:
    """A hundred tasks: a hundred callbacks a turn."""
    return sleepers(host, 100)


ROWS = [
    InProcess("sleep0-1", "yields/s", "await sleep(0) in one task", body=one),
    InProcess("sleep0-100", "yields/s", "await sleep(0) in 100 tasks", body=hundred),
    InProcess("sleep0-1000", "yields/s", "await sleep(0) in 1000 tasks", body=thousand),
    InProcess("create-task", "tasks/s", "create_task and await, one after the other", body=created),
    InProcess("gather-1000", "gathers/s", "gather of 1000 coroutines that do nothing", body=gathered),
    InProcess("futures", "futures/s", "a future, its result by call_soon, await", body=futures),
    InProcess("queue", "items/s", "asyncio.Queue(1) between two tasks", body=queue),
]
