"""A plain ASGI hello under uvicorn with httptools. uvicorn runs inside our loop and chooses none itself."""

from __future__ import annotations

import asyncio
from typing import Any

import uvicorn

from servers import common

BODY = b"Hello, world!"
HEADERS = [(b"content-type", b"text/plain"), (b"content-length", str(len(BODY)).encode())]


async def hello(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """The application."""
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    await send({"type": "http.response.body", "body": BODY})


class Server(uvicorn.Server):
    """Says READY once uvicorn listens."""

    async def startup(self, sockets: list[Any] | None = None) -> None:
        await super().startup(sockets)
        common.ready({"host": self.config.host, "port": self.config.port})


def main() -> None:
    options = common.parser(__doc__).parse_args()
    config = uvicorn.Config(
        hello,
        **common.place(options),
        http="httptools",
        ws="none",
        lifespan="off",
        log_level="error",
        access_log=False,
        backlog=common.BACKLOG,
    )

    async def start() -> None:
        await asyncio.ensure_future(Server(config).serve())

    common.serve(options, start)


if __name__ == "__main__":
    main()
