"""A plain hello under aiohttp's own web server."""

from __future__ import annotations

from aiohttp import web

from servers import common


async def hello(request: web.Request) -> web.Response:
    """The handler."""
    return web.Response(text="Hello, world!")


def main() -> None:
    options = common.parser(__doc__).parse_args()

    async def start() -> None:
        app = web.Application()
        app.router.add_get("/", hello)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        where = common.place(options)
        await web.TCPSite(runner, **where, backlog=common.BACKLOG).start()
        common.ready(where)

    common.serve(options, start)


if __name__ == "__main__":
    main()
