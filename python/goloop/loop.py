"""The loop class: asyncio's own selector loop over the engine.

What runs once per callback is in ``_core.Loop`` (C), what runs once per packet,
descriptor or timer in the engine (Go). Here is what runs once per loop or once per
connection, and the standard library's code does most of it: the classes we derive from
check arguments, resolve addresses, order connects, and keep the attributes that
libraries read.
"""

from __future__ import annotations

import asyncio
import errno
import functools
import sys
import weakref
from _socket import socket as CSocket
from asyncio import base_events, unix_events
from typing import TYPE_CHECKING, Any

from . import _core, beginning, engine, environment, shutdown
from .accepting import Acceptings
from .children import Children
from .clock import Clock
from .connecting import Connecting
from .datagrams import Datagrams
from .debugging import Debugging
from .names import Names
from .nesting import Nesting
from .pipes import Pipes
from .ready import ReadyQueue
from .selecting import EngineSelector
from .sendfile import Sendfile
from .serving import Serving
from .signals import Signals
from .sockets import Sockets
from .subprocess import Subprocesses
from .tls import TLS

if TYPE_CHECKING:
    from . import metrics


class Loop(
    Debugging,  # over _core.Loop: each call of a method of C's looks along the bases for the class that has it
    Clock,
    Acceptings,
    Serving,
    Connecting,
    TLS,
    Sockets,
    Sendfile,
    Names,
    Pipes,
    Datagrams,
    ReadyQueue,
    Subprocesses,
    Children,
    Nesting,  # from here to asyncio's: each super() looks along the bases, too, and these are called once a run
    Signals,
    asyncio.SelectorEventLoop,
):
    """An event loop for Unix with asyncio's interface and a Go engine.

    ``GOLOOP_SELECTOR`` in the environment forces a selector (``epoll``, ``kqueue``,
    ``poll``, ``select``), ``GOLOOP_CHILD_WATCHER`` a child watcher (``pidfd``, ``sigchld``,
    ``thread``); without them the system's best is taken. ``GOLOOP_IO_URING=0`` keeps the
    engine from io_uring(7), with which one system call serves many sockets.

    Raises:
        RuntimeError: the engine cannot be loaded.
        ValueError: ``GOLOOP_SELECTOR`` names no selector of this system,
            ``GOLOOP_CHILD_WATCHER`` no child watcher, or ``GOLOOP_IO_URING`` is neither 0 nor 1.
        OSError: the system refuses a descriptor.
    """

    def __init__(self) -> None:
        environment.begin_once()
        asked = environment.is_asked()
        # Not SelectorEventLoop.__init__: it opens a selector and a self-pipe of its own.
        beginning.begin(self, plain=type(self) is Loop and not asked)
        self._selector: Any = EngineSelector(self)
        self._signal_handlers: dict[int, asyncio.Handle] = {}
        self._unix_server_sockets: dict[Any, Any] = {}
        self._handshakes = {}
        self._lookups: dict[int, asyncio.Future[Any]] = {}
        self._sending: dict[Any, Any] = {}
        try:
            selector = watcher = ""
            batched: bool | None = True
            if asked:
                batched = {"": True, "1": True, "0": False}.get(environment.setting("GOLOOP_IO_URING"))
                selector = environment.setting("GOLOOP_SELECTOR")
                watcher = environment.setting("GOLOOP_CHILD_WATCHER")
            if batched is None:
                raise ValueError("goloop: GOLOOP_IO_URING is 0 or 1")
            engine.ensure()
            self._open_engine(selector, batched)
            self._internal_fds += 1  # the engine's wake-up descriptor; asyncio counts its self-pipe
            self._init_children(watcher)
        except BaseException:
            self._closed = True  # there is nothing to warn of
            self._close_engine()
            raise

    if sys.version_info >= (3, 14):

        @functools.cached_property
        def _watcher(self) -> Any:
            """asyncio's loop has one; ours leaves the work to the engine, and makes one for who asks."""
            unix: Any = unix_events
            return unix._PidfdChildWatcher() if unix.can_use_pidfd() else unix._ThreadedChildWatcher()

    @functools.cached_property
    def _transports(self) -> weakref.WeakValueDictionary[int, Any]:
        """asyncio's own transports enter themselves here; most loops have none."""
        return weakref.WeakValueDictionary()

    def _open_engine(self, selector: str, batched: bool) -> None:
        try:
            self._open(selector, batched)
        except OSError as exc:
            if exc.errno != errno.EINVAL or not selector:
                raise
            raise ValueError(
                f"goloop: this system has no selector called {selector:.50} (GOLOOP_SELECTOR)"
            ) from None

    def close(self) -> None:
        """Close the loop and its engine. Twice is once.

        Raises:
            RuntimeError: the loop is running.
        """
        if self._is_inherited():
            self._thread_id = None  # it runs in the parent, not here
        super().close()
        if self._children or self._uses_sigchld:
            self._close_children()
        self._close_engine()
        self._lookups.clear()
        self._handshakes.clear()
        if self._accepting is not None:
            asyncio._unregister_task(self._accepting)  # type: ignore[arg-type]
            self._accepting = None

    def metrics(self) -> metrics.Metrics:
        """What is measured of this loop, at this moment. Any thread may ask.

        Raises:
            RuntimeError: the loop is closed.
            ImportError: goloop was built without its control plane.
        """
        from . import control

        return control.metrics_of(self)

    def __del__(self, _modules: Any = (base_events, unix_events)) -> None:
        # A loop that outlives the modules at the interpreter's end has nothing left to close itself with.
        for module in _modules:
            if getattr(module, "sys", None) is None:
                return
        if not self.is_closed():
            super().__del__()

    def _check_running(self) -> None:
        if self._is_inherited():
            raise RuntimeError("this event loop belongs to the parent process: make a new one after fork()")
        if self.is_running() or asyncio._get_running_loop() is not None:
            super()._check_running()  # it raises

    def _close_self_pipe(self) -> None:
        """The engine has a wake-up descriptor of its own."""
        self._internal_fds -= 1

    def _inject_panic(self) -> None:
        """For tests: a panic inside the engine."""
        self._submit(_core.OP_PANIC, 0, 0, 0, -1)

    def _ensure_fd_no_transport(self, fd: Any) -> None:
        """Refuse a descriptor that a transport uses.

        Raises:
            RuntimeError: it does.
            ValueError: ``fd`` is neither a descriptor nor a file object.
        """
        if "_transports" in self.__dict__ or not isinstance(
            fd, (int, CSocket)
        ):  # asyncio's own; and its error
            try:
                super()._ensure_fd_no_transport(fd)
            except ValueError:
                known = (file for *_, reads, writes in self._watched() for file in (reads, writes))
                if fd is None or not any(file is fd for file in known):
                    raise  # not so a file that was closed while it was watched
        transport = self._fd_has_transport(fd)
        if transport is not None:
            raise RuntimeError(f"File descriptor {fd!r} is used by transport {transport!r}")

    def _remove_lost(self, exc: BaseException, file: Any, writer: bool) -> bool:
        """``_remove_reader`` or ``_remove_writer`` of what has no descriptor, as ``exc`` says: called by the extension.

        A file that was closed while it was watched is found all the same. Of it only that goes which was begun with it:
        the other direction may be the next owner's.
        """
        if isinstance(exc, OverflowError):  # nobody can have added it
            return False
        if isinstance(exc, ValueError) and file is not None:
            for fd, _, _, reads, writes in self._watched():
                if file is reads or file is writes:
                    remove = self._remove_writer if writer else self._remove_reader
                    return file is (writes if writer else reads) and remove(fd)
        raise exc


shutdown.know(Loop)
