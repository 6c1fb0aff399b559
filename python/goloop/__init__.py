"""An asyncio event loop whose engine is written in Go.

    import asyncio, goloop
    asyncio.run(main(), loop_factory=goloop.new_event_loop)

Importing the package starts no thread and loads no Go code; the first loop does.
"""

from __future__ import annotations

import sys

from ._version import __version__
from .loop import Loop
from .policy import EventLoopPolicy, install
from .runners import new_event_loop, run
from .watching import unwatch, watch

__all__ = ["EventLoopPolicy", "Loop", "__version__", "install", "new_event_loop", "run", "unwatch", "watch"]

if sys.version_info < (3, 14):  # policies have no child watchers from 3.14
    from .childwatcher import ChildWatcher as ChildWatcher

    __all__ += ["ChildWatcher"]
