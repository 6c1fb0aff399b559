"""What a connection costs while nothing happens on it."""

from __future__ import annotations

from rows.row import IdleMemory

ROWS = [
    IdleMemory(
        "memory-idle-protocol",
        "B/conn",
        "resident memory of an idle connection, protocol, 2000 of them",
        module="servers.echo",
        args=("--kind", "protocol"),
    ),
    IdleMemory(
        "memory-idle-streams",
        "B/conn",
        "the same, streams",
        module="servers.echo",
        args=("--kind", "streams"),
    ),
]
