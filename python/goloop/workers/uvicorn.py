"""uvicorn's workers: of the package ``uvicorn_worker``, or of an older uvicorn that has them itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import policy

if TYPE_CHECKING:

    class _Worker:
        """What is used of uvicorn's, for checkers that have no uvicorn."""

        CONFIG_KWARGS: dict[str, Any]

        def init_process(self) -> None: ...

    _takes_factories: bool
else:
    from uvicorn.config import Config

    try:
        from uvicorn_worker import UvicornWorker as _Worker
    except ModuleNotFoundError as exc:
        if exc.name != "uvicorn_worker":
            raise
        try:
            from uvicorn.workers import UvicornWorker as _Worker
        except ModuleNotFoundError as older:
            raise exc if older.name == "uvicorn.workers" else older
    _takes_factories = hasattr(Config, "get_loop_factory")  # from 0.36

# One that takes none makes no loop of its own either when it is told nothing, and has the policy's.
_LOOP = "goloop:new_event_loop" if _takes_factories else "none"


class UvicornWorker(_Worker):
    """uvicorn's worker on goloop, with the fastest HTTP parser that is installed."""

    CONFIG_KWARGS: dict[str, Any] = {**_Worker.CONFIG_KWARGS, "loop": _LOOP}

    def init_process(self) -> None:
        if not _takes_factories:
            policy.install()
        super().init_process()


class UvicornH11Worker(UvicornWorker):
    """The same with h11, which is Python and the stricter parser."""

    CONFIG_KWARGS: dict[str, Any] = {**UvicornWorker.CONFIG_KWARGS, "http": "h11"}
