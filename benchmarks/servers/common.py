"""What all servers share: the command line, the loop with its check, the READY line."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import socket
import ssl
from collections.abc import Awaitable, Callable
from typing import Any

import loopspec

BACKLOG = 2048  # more than the most connections any row opens at once


def parser(doc: str | None) -> argparse.ArgumentParser:
    """A parser with what every server takes; ``doc`` is the module's docstring."""
    result = argparse.ArgumentParser(description=doc)
    result.add_argument("--loop", required=True, metavar="MODULE:FACTORY")
    result.add_argument("--unix", metavar="PATH", help="listen on a Unix socket instead of 127.0.0.1")
    return result


def serve(options: argparse.Namespace, start: Callable[[], Awaitable[None]]) -> None:
    """Run ``start`` on a new loop of the wanted kind, then for ever: the harness ends the process.

    ``start`` listens and calls ``ready``, or leaves both to ``serve_protocol`` or ``serve_streams``.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    loop = loopspec.factory(options.loop)()
    loopspec.check(loop, options.loop)

    async def main() -> None:
        loopspec.check(asyncio.get_running_loop(), options.loop)
        await start()
        await asyncio.Event().wait()

    loop.run_until_complete(main())


async def serve_protocol(
    options: argparse.Namespace,
    factory: Callable[[], asyncio.BaseProtocol],
    context: ssl.SSLContext | None = None,
) -> None:
    """Listen, with protocols."""
    loop = asyncio.get_running_loop()
    create = loop.create_unix_server if options.unix else loop.create_server
    where = place(options)
    await create(factory, **where, ssl=context, backlog=BACKLOG)  # type: ignore[operator]
    ready(where)


async def serve_streams(
    options: argparse.Namespace,
    callback: Callable[..., Awaitable[None]],
    context: ssl.SSLContext | None = None,
) -> None:
    """Listen, with streams."""
    start = asyncio.start_unix_server if options.unix else asyncio.start_server
    where = place(options)
    await start(callback, **where, ssl=context, backlog=BACKLOG)  # type: ignore[operator]
    ready(where)


def place(options: argparse.Namespace) -> dict[str, Any]:
    """Where to listen, as words for ``create_server``: not all loops take a socket that they have not made."""
    if options.unix:
        return {"path": options.unix}
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("127.0.0.1", 0))
        host, port = sock.getsockname()
    return {"host": host, "port": port}


def listener(options: argparse.Namespace) -> tuple[socket.socket, dict[str, Any]]:
    """A bound, listening, non-blocking socket, and where it is."""
    where = place(options)
    if options.unix:
        sock = socket.socket(socket.AF_UNIX)
        sock.bind(options.unix)
    else:
        # The protocol is named: asyncio sets TCP_NODELAY only on sockets that carry it, and accepted ones inherit it.
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((where["host"], where["port"]))
    sock.listen(BACKLOG)
    sock.setblocking(False)
    return sock, where


def ready(where: dict[str, Any]) -> None:
    """Tell the harness where to connect to."""
    addr = f"unix:{where['path']}" if "path" in where else f"{where['host']}:{where['port']}"
    kind = type(asyncio.get_running_loop())
    line = {"addr": addr, "pid": os.getpid(), "loop": f"{kind.__module__}.{kind.__qualname__}"}
    print("READY", json.dumps(line), flush=True)
