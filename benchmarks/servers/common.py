"""What all servers share: the command line, the loop with its check, the READY line."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import socket
from collections.abc import Awaitable, Callable

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

    ``start`` listens and calls ``ready``.
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


def listener(options: argparse.Namespace) -> socket.socket:
    """A bound, listening, non-blocking socket."""
    if options.unix:
        sock = socket.socket(socket.AF_UNIX)
        sock.bind(options.unix)
    else:
        # The protocol is named: asyncio sets TCP_NODELAY only on sockets that carry it, and accepted ones inherit it.
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("127.0.0.1", 0))
    sock.listen(BACKLOG)
    sock.setblocking(False)
    return sock


def ready(sock: socket.socket) -> None:
    """Tell the harness where to connect to."""
    name = sock.getsockname()
    addr = f"unix:{name}" if sock.family == socket.AF_UNIX else f"{name[0]}:{name[1]}"
    kind = type(asyncio.get_running_loop())
    line = {"addr": addr, "pid": os.getpid(), "loop": f"{kind.__module__}.{kind.__qualname__}"}
    print("READY", json.dumps(line), flush=True)
