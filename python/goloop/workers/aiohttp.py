"""aiohttp's worker."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import policy

if TYPE_CHECKING:

    class GunicornWebWorker:
        """What is used of aiohttp's, for checkers that have no aiohttp."""

        def init_process(self) -> None: ...
else:
    from aiohttp.worker import GunicornWebWorker


class AiohttpWorker(GunicornWebWorker):
    """aiohttp's worker on goloop, which it makes by the policy of its own process."""

    def init_process(self) -> None:
        policy.install()
        super().init_process()
