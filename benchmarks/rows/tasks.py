"""Tasks that yield."""

from __future__ import annotations

import asyncio

from rows.host import Host, Outcome
from rows.row import InProcess

YIELDS = 20_000


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


def one(host: Host) -> Outcome:
    """One task: one callback a turn."""
    return sleepers(host, 1)


def hundred(host: Host) -> Outcome:
    """A hundred tasks: a hundred callbacks a turn."""
    return sleepers(host, 100)


ROWS = [
    InProcess("sleep0-1", "yields/s", "await sleep(0) in one task", body=one),
    InProcess("sleep0-100", "yields/s", "await sleep(0) in 100 tasks", body=hundred),
]
