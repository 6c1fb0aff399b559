"""Making and closing loops."""

from __future__ import annotations

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


ROWS = [
    InProcess("loop-create-close", "loops/s", "a loop made and closed, in a warm process", body=create_close)
]
