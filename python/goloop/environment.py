"""What the environment asks for of the control plane, once in each process: before its first loop, and before a forked child's."""

from __future__ import annotations

import os

from . import interpreter

_begun = False


def setting(name: str) -> str:
    """``os.environ.get(name, "")``, which raises and catches two exceptions where there is none: each new loop asks three times."""
    values = getattr(os.environ, "_data", None)
    if values is None or name.encode() in values:
        return os.environ.get(name, "")
    return ""


# What a new loop asks for, asyncio's debug mode included.
_OF_LOOPS = frozenset(
    {b"GOLOOP_IO_URING", b"GOLOOP_SELECTOR", b"GOLOOP_CHILD_WATCHER", b"PYTHONASYNCIODEBUG"},
)


def is_asked() -> bool:
    """Whether any of these is in the environment."""
    values = getattr(os.environ, "_data", None)
    return values is None or not values.keys().isdisjoint(_OF_LOOPS)


def begin() -> None:
    """Begin to watch and to serve as ``GOLOOP_WATCHDOG`` and ``GOLOOP_CONTROL`` say, and in a forked child, as its parent did.

    Raises:
        ValueError: ``GOLOOP_WATCHDOG`` is no number of seconds above zero.
        OSError: the system refuses the address of ``GOLOOP_CONTROL``.
    """
    global _begun
    _begun = True
    threshold, address = setting("GOLOOP_WATCHDOG"), setting("GOLOOP_CONTROL")
    if not (threshold or address or _inherited) or not interpreter.is_main():
        return
    from . import control, watching

    if threshold:
        try:
            watching.watch(float(threshold))
        except ValueError:
            raise ValueError("goloop: GOLOOP_WATCHDOG is a number of seconds above zero") from None
    elif watching.settings is not None:
        watching.watch(*watching.settings)
    where, stuck = control.settings or (address, 5.0)
    if where and (not _inherited or "{pid}" in where):  # else it is the parent's
        control.serve(where, stuck=stuck)


def begin_once() -> None:
    """The same, if it has not been done in this process."""
    if not _begun:
        begin()


_inherited = False


def _forget() -> None:
    global _begun, _inherited
    _begun, _inherited = False, True


os.register_at_fork(after_in_child=_forget)
