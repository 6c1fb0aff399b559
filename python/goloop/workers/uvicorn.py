"""uvicorn's workers: of the package ``uvicorn_worker``, or of an older uvicorn that has them itself."""

from __future__ import annotations

from typing import Any

from uvicorn.config import Config  # type: ignore[import-not-found]

from .. import policy

try:
    from uvicorn_worker import UvicornWorker as _Worker  # type: ignore[import-not-found]
except ModuleNotFoundError as exc:
    if exc.name != "uvicorn_worker":
        raise
    try:
        from uvicorn.workers import UvicornWorker as _Worker  # type: ignore[import-not-found]
    except ModuleNotFoundError as older:
        raise exc if older.name == "uvicorn.workers" else older


# From 0.36 on uvicorn is told what makes the loop; an older one makes none of its own when it is told nothing.
_LOOP = "goloop:new_event_loop" if hasattr(Config, "get_loop_factory") else "none"


class UvicornWorker(_Worker):  # type: ignore[misc]
    """uvicorn's worker on goloop, with the fastest HTTP parser that is installed."""

    CONFIG_KWARGS: dict[str, Any] = {**_Worker.CONFIG_KWARGS, "loop": _LOOP}

    def init_process(self) -> None:
        if _LOOP == "none":
            policy.install()
        super().init_process()


class UvicornH11Worker(UvicornWorker):
    """The same with h11, which is Python and the stricter parser."""

    CONFIG_KWARGS: dict[str, Any] = {**UvicornWorker.CONFIG_KWARGS, "http": "h11"}
