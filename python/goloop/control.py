"""The control plane: what can be known of this process's loops from any thread, also while one is stuck.

Nothing here is needed to run a loop. What it tells comes from the engine, which gopy binds: one that was built without is an ImportError.
"""

from __future__ import annotations

import atexit
import json
import os
from typing import TYPE_CHECKING, Any

from . import answering, engine, metrics
from ._version import __version__

if TYPE_CHECKING:
    from .loop import Loop

__all__ = ["loops", "metrics_of", "serve", "stalls", "unserve"]

_listening = -1  # the endpoint's descriptor
settings: tuple[str, float] | None = None  # of serve(), also a parent's


def loops() -> list[metrics.Metrics]:
    """All open loops of this process, whichever thread or interpreter has them, the oldest first. Any thread may ask."""
    return [metrics.of(found) for found in json.loads(engine.control_module().control_Loops())]


def metrics_of(loop: Loop) -> metrics.Metrics:
    """What is measured of a loop. Any thread may ask.

    Raises:
        RuntimeError: the loop is closed, or was made by a parent process.
    """
    if not loop._is_inherited():
        text = engine.control_module().control_Metrics(loop._engine_id)
        if text:
            return metrics.of(json.loads(text))
    raise RuntimeError("Event loop is closed")


def stalls() -> list[dict[str, Any]]:
    """The last hundred stalls that :func:`goloop.watch` has told, those that last first, then the newest."""
    found: list[dict[str, Any]] = json.loads(engine.control_module().control_Stalls())
    return found


def serve(address: str | os.PathLike[str] | None = None, *, stuck: float = 5.0) -> str:
    """Answer questions about this process's loops by HTTP, also while one is stuck; where it did so before, no more.

    Nothing that can be asked changes anything. ``/`` lists the pages, ``/metrics`` is for Prometheus, and ``/healthz`` is 503
    while a loop does not go on.

    Args:
        address: a path, at which a Unix socket of mode 0600 is made, or ``HOST:PORT``; ``:PORT`` is of the loopback, and any other host
            must be named. A socket at which nobody listens any more is taken over. ``{pid}`` is replaced. ``None`` is
            ``goloop-{pid}.sock`` in ``XDG_RUNTIME_DIR``, or in the folder for temporary files.
        stuck: from how many seconds on a loop that does not go on is ill, unless a question says another number.

    Returns:
        Where it listens.

    Raises:
        OSError: somebody listens there, something else lies there, or the system refuses.
        ValueError: ``stuck`` is not above zero.
        RuntimeError: in a sub-interpreter: the main interpreter's endpoint tells of its loops too.
    """
    global _listening, settings
    if not stuck > 0:
        raise ValueError(f"stuck is above zero, got {stuck!r}")
    answering.start()
    wanted = os.fspath(address) if address is not None else _default_path()
    path = wanted.replace("{pid}", str(os.getpid()))
    fd = engine.control_module().control_Serve(path, float(stuck), __version__)
    if fd < -1:
        raise OSError(-fd, os.strerror(-fd), path)
    _listening, settings = fd, (wanted, stuck)
    atexit.unregister(unserve)
    atexit.register(unserve)
    where: str = engine.control_module().control_Served()
    return where


def unserve() -> None:
    """End :func:`serve`."""
    global _listening, settings
    settings = None
    if _listening >= 0:
        _listening = -1
        engine.control_module().control_Unserve()


def _default_path() -> str:
    import tempfile

    return os.path.join(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir(), "goloop-{pid}.sock")


def _forget() -> None:
    """In a forked child: it is the parent's."""
    global _listening
    if _listening >= 0:
        os.close(_listening)
        _listening = -1


os.register_at_fork(after_in_child=_forget)
