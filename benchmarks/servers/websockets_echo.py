"""Echo of messages by the websockets library, without compression."""

from __future__ import annotations

from websockets.asyncio.server import ServerConnection, serve

from servers import common


async def echo(connection: ServerConnection) -> None:
    """What came in goes out, until the peer hangs up."""
    async for message in connection:
        await connection.send(message)


def main() -> None:
    options = common.parser(__doc__).parse_args()

    async def start() -> None:
        where = common.place(options)
        await serve(echo, **where, backlog=common.BACKLOG, compression=None, ping_interval=None)
        common.ready(where)

    common.serve(options, start)


if __name__ == "__main__":
    main()
