"""The processes that a program on ``run`` starts by multiprocessing: they make goloop's loops as well.

A forked one has its parent's policy. One that begins anew (spawn, forkserver) is sent a dictionary before the object that it is
to run; what we add to it makes that process as its parent is, when it is unpickled.
"""

from __future__ import annotations

import multiprocessing.spawn
from collections.abc import Callable
from typing import Any

from .. import policy

_prepared = multiprocessing.spawn.get_preparation_data


class _Joining:
    """Calls ``begin`` where it is unpickled."""

    def __reduce__(self) -> tuple[Callable[[], None], tuple[()]]:
        return begin, ()


def _prepare(name: str) -> dict[str, Any]:
    return {**_prepared(name), "goloop": _Joining()}


def begin() -> None:
    """Make goloop's loops the ones that asyncio makes, here and in the processes that multiprocessing starts from here."""
    policy.install()
    multiprocessing.spawn.get_preparation_data = _prepare
