"""Workers of gunicorn that run on goloop, by the names that its option ``-k`` takes.

``goloop.workers.UvicornWorker`` and ``UvicornH11Worker`` are uvicorn's, for ASGI applications; ``goloop.workers.AiohttpWorker``
is aiohttp's. Each is made when it is first asked for, so importing this needs neither gunicorn nor a server.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .aiohttp import AiohttpWorker as AiohttpWorker
    from .uvicorn import UvicornH11Worker as UvicornH11Worker
    from .uvicorn import UvicornWorker as UvicornWorker

# The module of each, and what PyPI calls what it stands on.
_WORKERS = {
    "AiohttpWorker": ("aiohttp", "gunicorn and aiohttp"),
    "UvicornH11Worker": ("uvicorn", "gunicorn and uvicorn-worker"),
    "UvicornWorker": ("uvicorn", "gunicorn and uvicorn-worker"),
}
__all__ = ["AiohttpWorker", "UvicornH11Worker", "UvicornWorker"]


def __getattr__(name: str) -> Any:
    if name not in _WORKERS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, packages = _WORKERS[name]
    try:
        worker = getattr(importlib.import_module(f".{module}", __name__), name)
    except ModuleNotFoundError as exc:
        missing = exc.name or ""
        raise ImportError(
            f"{__name__}.{name} needs {packages}, and there is no {missing}", name=missing
        ) from exc
    globals()[name] = worker
    return worker


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
