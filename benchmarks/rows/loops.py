"""Making and closing loops."""

from __future__ import annotations

import asyncio

from rows.host import Host, Outcome
from rows.row import InProcess

LOT = 50


def create_close(host: Host) -> Outcome:
    """Make a loop and close it."""

    def lot() -> int:
        for _ in range(LOT):
            host.new_loop().close()
        return LOT

    return host.lots(lot)


def run_nothing(host: Host) -> Outcome:
    """What ``asyncio.run`` does, with a coroutine that does nothing; ``Runner`` is of Python 3.11 and later."""
    if not hasattr(asyncio, "Runner"):
        raise RuntimeError("asyncio.Runner is of Python 3.11 and later")

    async def nothing() -> None:
        pass

    def lot() -> int:
        for _ in range(LOT):
            with asyncio.Runner(loop_factory=host.new_loop) as runner:
                runner.run(nothing())
        return LOT

    return host.lots(lot)


ROWS = [
    InProcess("loop-create-close", "loops/s", "a loop made and closed, in a warm process", body=create_close),
    InProcess("run-nothing", "runs/s", "asyncio.run of a coroutine that does nothing", body=run_nothing),
]
