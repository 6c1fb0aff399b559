"""The transports of a server, as ``asyncio.Server`` keeps them from Python 3.13 on."""

from __future__ import annotations

import sysconfig
import weakref
from asyncio import base_events
from typing import Any

from . import _core

_FREE_THREADED = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))


class Clients(weakref.WeakSet[Any]):
    """A ``WeakSet`` in which streams of the engine stand without a weak reference each.

    Whoever looks at more than their number finds them in ``data``, as in any other.
    """

    def __init__(self, data: Any = None) -> None:
        self._attached = _core._Attached()
        super().__init__(data)

    @property
    def data(self) -> set[Any]:
        """WeakSet's: from now on all that are in it have a weak reference there."""
        if len(self._attached):  # an exit may come between any two steps
            for transport in self._attached.members():
                self._data.add(weakref.ref(transport, self._remove))  # type: ignore[attr-defined]
                self._attached.discard(transport)
        return self._data

    @data.setter
    def data(self, data: set[Any]) -> None:
        self._data = data

    def add(self, item: Any) -> None:
        if (self._data and weakref.ref(item) in self._data) or not self._attached.add(item):
            super().add(item)

    def discard(self, item: Any) -> None:
        if not self._attached.discard(item) or self._data:
            super().discard(item)

    def __len__(self) -> int:
        return super().__len__() if self._data else len(self._attached)


def keep_clients(server: Any) -> None:
    """Let an ``asyncio.Server`` that has no transport yet keep ours so; not a class of the program's."""
    if type(server) is base_events.Server and not _FREE_THREADED:
        clients = getattr(server, "_clients", None)  # until 3.12 they are counted
        if type(clients) is weakref.WeakSet and not clients:
            server._clients = Clients()  # type: ignore[attr-defined]
