"""What a connection costs while nothing happens on it."""

from __future__ import annotations

from rows.row import GoneMemory, IdleMemory

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
    GoneMemory(
        "memory-after-10000",
        "KiB",
        "what 10,000 connections leave in resident memory, 1000 at a time, each used once; protocol",
        module="servers.echo",
        args=("--kind", "protocol"),
    ),
]
