"""Web servers as people use them."""

from __future__ import annotations

from harness.loadgen import Load
from rows.row import Row, Served


def hello(server: str, what: str, conns: int, default: bool) -> Row:
    return Served(
        f"{server}-hello-{conns}c",
        "req/s",
        f"keep-alive GET of a plain hello, {what}, {conns} connections",
        default,
        module=f"servers.{server}_hello",
        load=Load("http", conns),
    )


ROWS = [
    hello("uvicorn", "uvicorn with httptools", 100, True),
    hello("aiohttp", "aiohttp", 100, True),
    Served(
        "websockets-1KiB-10c",
        "req/s",
        "echo of binary messages by the websockets library, 1 KiB, 10 connections",
        module="servers.websockets_echo",
        load=Load("websocket", 10, 1024),
    ),
    hello("uvicorn", "uvicorn with httptools", 10, False),
    hello("aiohttp", "aiohttp", 10, False),
]
