"""The policy: asyncio's own, with our loop as what it makes."""

from __future__ import annotations

import asyncio
import sys
import threading
from typing import TYPE_CHECKING, Any

from .loop import Loop

if sys.version_info < (3, 14):
    from .childwatcher import ChildWatcher

if TYPE_CHECKING:
    _Policy = asyncio.DefaultEventLoopPolicy
else:
    # 3.14 deprecates the public name and keeps the class under a private one.
    _Policy = getattr(asyncio.unix_events, "_DefaultEventLoopPolicy", None) or asyncio.DefaultEventLoopPolicy


_lock = threading.Lock()  # held while a policy makes its child watcher


class EventLoopPolicy(_Policy):
    """asyncio's default policy that makes :class:`goloop.Loop`.

    Until Python 3.13 it has a child watcher: :class:`goloop.ChildWatcher`, unless the program sets
    one of asyncio's.
    """

    _loop_factory = Loop
    _watcher: Any

    if sys.version_info < (3, 14):

        def _init_watcher(self) -> None:
            with _lock:
                if self._watcher is None:
                    self._watcher = ChildWatcher()


def install() -> None:
    """Make goloop what ``asyncio.new_event_loop()`` and ``asyncio.run()`` use from now on.

    A ``loop_factory`` (``asyncio.run(main(), loop_factory=goloop.new_event_loop)``, from
    Python 3.12) changes one program's loop only, and is the better choice where it exists:
    Python 3.14 deprecates policies.
    """
    # 3.14 warns of the public name; this is what it calls.
    set_policy = getattr(asyncio.events, "_set_event_loop_policy", None) or asyncio.set_event_loop_policy
    set_policy(EventLoopPolicy())
