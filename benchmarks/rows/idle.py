"""What a loop does while there is nothing to do."""

from __future__ import annotations

from rows.row import Idle

ROWS = [
    Idle("idle-2s", "wake-ups/s", "a server, a quiet connection and a timer far away, for 2 s", seconds=2.0),
    Idle("idle-10s", "wake-ups/s", "the same for 10 s", default=False, seconds=10.0),
]
