"""The policy: asyncio's own, with our loop as what it makes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from .loop import Loop

if TYPE_CHECKING:
    _Policy = asyncio.DefaultEventLoopPolicy
else:
    # 3.14 deprecates the public name and keeps the class under a private one.
    _Policy = getattr(asyncio.unix_events, "_DefaultEventLoopPolicy", None) or asyncio.DefaultEventLoopPolicy


class EventLoopPolicy(_Policy):
    """asyncio's default policy, child watchers included, that makes :class:`goloop.Loop`."""

    _loop_factory = Loop


def install() -> None:
    """Make goloop what ``asyncio.new_event_loop()`` and ``asyncio.run()`` use from now on.

    A ``loop_factory`` (``asyncio.run(main(), loop_factory=goloop.new_event_loop)``, from
    Python 3.12) changes one program's loop only, and is the better choice where it exists:
    Python 3.14 deprecates policies.
    """
    # 3.14 warns of the public name; this is what it calls.
    set_policy = getattr(asyncio.events, "_set_event_loop_policy", None) or asyncio.set_event_loop_policy
    set_policy(EventLoopPolicy())
