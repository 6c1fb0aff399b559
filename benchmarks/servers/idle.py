"""Echo by a Protocol, as in echo.py, on a loop that also has a timer which is never due: a program that waits."""

from __future__ import annotations

import asyncio

from servers import common, echo

FAR = 86400.0  # s until the timer


def main() -> None:
    options = common.parser(__doc__).parse_args()

    async def start() -> None:
        loop = asyncio.get_running_loop()
        loop.call_later(FAR, loop.stop)
        await common.serve_protocol(options, echo.Echo)

    common.serve(options, start)


if __name__ == "__main__":
    main()
