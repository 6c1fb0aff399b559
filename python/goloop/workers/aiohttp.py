"""aiohttp's worker."""

from __future__ import annotations

from aiohttp.worker import GunicornWebWorker  # type: ignore[import-not-found]

from .. import policy


class AiohttpWorker(GunicornWebWorker):  # type: ignore[misc]
    """aiohttp's worker on goloop, which it makes by the policy of its own process."""

    def init_process(self) -> None:
        policy.install()
        super().init_process()
