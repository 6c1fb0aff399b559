"""Child processes."""

from __future__ import annotations

import asyncio

from rows.host import Host, Outcome
from rows.row import MIB, InProcess


async def true() -> None:
    process = await asyncio.create_subprocess_exec("/bin/true")
    if await process.wait() != 0:
        raise RuntimeError("/bin/true failed")


def one(host: Host) -> Outcome:
    """/bin/true, one after the other."""

    def lot() -> int:
        host.loop.run_until_complete(true())
        return 1

    return host.lots(lot)


def ten(host: Host) -> Outcome:
    """/bin/true, ten at once."""

    async def together() -> None:
        await asyncio.gather(*(true() for _ in range(10)))

    def lot() -> int:
        host.loop.run_until_complete(together())
        return 10

    return host.lots(lot)


def cat(host: Host) -> Outcome:
    """1 MiB into cat and out of it."""
    data = bytes(range(256)) * (MIB // 256)

    async def once() -> None:
        process = await asyncio.create_subprocess_exec(
            "/bin/cat", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        out, _ = await process.communicate(data)
        if out != data:
            raise RuntimeError("cat gave back something else")

    def lot() -> int:
        host.loop.run_until_complete(once())
        return 1

    return host.lots(lot)


ROWS = [
    InProcess("spawn-true", "children/s", "/bin/true, one at a time", body=one),
    InProcess("spawn-true-10", "children/s", "/bin/true, ten at once", body=ten),
    InProcess("spawn-cat-1MiB", "children/s", "1 MiB through cat", body=cat),
]
