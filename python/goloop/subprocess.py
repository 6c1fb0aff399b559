"""Subprocesses: the standard library's Popen and transport, watched by the engine."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import select
import signal
import subprocess
import sys
import threading
import warnings
from asyncio.log import logger
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._base import LoopBase as _Base
    from ._base import UnixSubprocessTransport as _UnixSubprocessTransport
else:
    # The class, not its module: what a module of ours holds is emptied at exit, before the last loop closes.
    from asyncio.unix_events import _UnixSubprocessTransport

    _Base = object

if sys.version_info < (3, 14):
    from .childwatcher import ChildWatcher

    def _watcher_of_program() -> asyncio.AbstractChildWatcher | None:
        """The child watcher that the policy holds, unless it is the engine's: then that one decides."""
        policy = asyncio.get_event_loop_policy()
        lookup = asyncio.DefaultEventLoopPolicy.get_child_watcher
        if getattr(type(policy), "get_child_watcher", None) is lookup:
            # Not to be asked: the answer would be one that it makes for the purpose.
            watcher: asyncio.AbstractChildWatcher | None = policy._watcher  # type: ignore[attr-defined]
        else:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)
                try:
                    watcher = policy.get_child_watcher()
                except NotImplementedError:
                    return None
        return None if isinstance(watcher, ChildWatcher) else watcher

else:

    def _watcher_of_program() -> Any:
        """Policies have no child watchers any more."""
        return None


# Whether asyncio's close() leaves the pipes alone when the loop is closed, where their close() raises.
_QUIET = "is_closed" in _UnixSubprocessTransport.close.__code__.co_names

_DIES_WITHIN = 0.5  # seconds: a killed process has ended by then, unless the kernel holds it


class SubprocessTransport(_UnixSubprocessTransport):
    """asyncio's transport of a process.

    Its signals reach that process or nobody, and three promises hold that asyncio's does not keep:
    :meth:`_wait` ends with the child, whoever holds its pipes; a start that is cut short leaves no pipe open; and
    :meth:`close` takes no status from who watches the child.
    """

    _closed: bool
    _returncode: Any  # an int, or None
    _exit_waiters: Any  # a list of futures or a set of them, None after connection_lost
    _number = 0  # of the child on the loop, when the engine watches it

    def send_signal(self, signal: int) -> None:
        """Send a signal; nothing happens when the process has ended already.

        Raises:
            ProcessLookupError: the transport is done with its process.
            OSError: the system refuses.
        """
        self._check_proc()
        if self._is_engines():
            self._loop._signal_child(self._number, signal)
        else:
            super().send_signal(signal)

    def terminate(self) -> None:
        """Send SIGTERM: see :meth:`send_signal`."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL: see :meth:`send_signal`."""
        self.send_signal(signal.SIGKILL)

    def close(self) -> None:
        """Close the pipes, and kill the process unless its end has been told."""
        if self._closed:
            return
        self._closed = True
        if self._proc is None:
            return
        try:
            if self._returncode is None:
                self._kill_running()
        finally:
            self._close_pipes()

    def __del__(self, _warn: Any = warnings.warn) -> None:
        if self._closed or self._loop is None or not self._loop.is_closed():
            super().__del__(_warn)
            return
        # Each pipe closes itself when it is collected.
        _warn(f"unclosed transport {self!r}", ResourceWarning, source=self)
        self._closed = True
        if self._proc is not None and self._returncode is None:
            self._kill_running()

    def _kill_running(self) -> None:
        engines = self._is_engines()
        # Popen's own look would take a status that the engine has not seen.
        if not (_is_running(self._pid) if engines else self._proc.poll() is None):
            return
        if self._loop.get_debug():
            logger.warning("Close running child process: kill %r", self)
        try:
            if engines and "kill" not in vars(self._proc):  # one that the program has put there is called
                self._loop._signal_child(self._number, signal.SIGKILL)
            else:
                self._proc.kill()
        except (ProcessLookupError, PermissionError):
            pass  # it has ended, or runs as somebody else

    def _is_engines(self) -> bool:
        return self._number != 0 and self._loop._owns_children()

    def _close_pipes(self) -> None:
        if _QUIET and self._loop.is_closed():
            return  # each pipe closes itself when it is collected
        for proto in self._pipes.values():
            if proto is not None:
                proto.pipe.close()

    def _leave(self) -> None:
        """The loop ends, which would have reaped the child. One that ``close`` has killed is waited for; for
        another a thread waits, as asyncio's child watcher of threads does."""
        try:
            self._returncode = self._proc.wait(_DIES_WITHIN if self._closed else 0)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(RuntimeError):  # no more threads: it is reaped with the Popen object
                threading.Thread(target=self._proc.wait, name=f"goloop-wait-{self._pid}", daemon=True).start()

    # ---- the start ----

    def _connect_pipes(self, waiter: asyncio.Future[None] | None) -> Coroutine[Any, Any, None]:
        """What the constructor makes a task of. The work has a task of its own, for one that is cancelled
        before its first step could not tell."""
        connecting = self._loop.create_task(super()._connect_pipes(waiter))
        connecting.add_done_callback(functools.partial(self._tried, waiter))
        return _nothing()

    def _tried(self, waiter: asyncio.Future[None] | None, connecting: asyncio.Task[None]) -> None:
        """The pipes are connected, or will never be: ``connection_made`` has not been called then."""
        if self._pending_calls is None:
            if self._closed:  # meanwhile
                self._close_pipes()
            return
        self._close_pipes()
        for file in (self._proc.stdin, self._proc.stdout, self._proc.stderr):
            if file is not None and not file.closed and self._loop._fd_has_transport(file.fileno()) is None:
                file.close()
        if waiter is not None and not waiter.done():
            waiter.cancel()

    # ---- the end ----

    def _process_exited(self, returncode: int) -> None:
        super()._process_exited(returncode)
        self._end_waits()

    def _end_waits(self) -> None:
        """The child has ended, and so does ``_wait``: after ``connection_lost`` as on asyncio, where nothing but the
        next turns stand before it."""
        if not self._exit_waiters:
            return
        if self._pipes_end():
            self._loop.call_soon(self._end_waits)
            return
        waiters, self._exit_waiters = self._exit_waiters, type(self._exit_waiters)()
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(self._returncode)

    def _pipes_end(self) -> bool:
        """Whether each pipe is at its end or being read to it, so that ``connection_lost`` is called whatever the
        program does: not while a grandchild holds one, nor when reading is paused."""
        if self._pending_calls is not None:
            return False
        if not self._pipes:
            return True
        ends = select.poll()
        left = 0
        for number, proto in self._pipes.items():
            pipe = proto.pipe
            if proto.disconnected or (pipe.is_closing() and (number or not pipe.get_write_buffer_size())):
                continue
            if number and not pipe.is_reading():
                return False
            ends.register(pipe.get_extra_info("pipe"), 0)
            left += 1
        return len(ends.poll(0)) == left


async def _nothing() -> None:
    pass


def _is_running(pid: int) -> bool:
    """Whether a child of ours has not ended. Its status stays where it is."""
    try:
        return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None
    except ChildProcessError:
        return False


class Subprocesses(_Base):
    """The hook of ``subprocess_exec`` and ``subprocess_shell``."""

    async def _make_subprocess_transport(
        self,
        protocol: asyncio.SubprocessProtocol,
        args: Any,
        shell: bool,
        stdin: Any,
        stdout: Any,
        stderr: Any,
        bufsize: int,
        extra: Any = None,
        **kwargs: Any,
    ) -> asyncio.SubprocessTransport:
        waiter = self.create_future()
        start = functools.partial(
            SubprocessTransport,
            *(self, protocol, args, shell, stdin, stdout, stderr, bufsize),
            **{"waiter": waiter, "extra": extra, **kwargs},
        )
        watcher = _watcher_of_program()
        transport = self._start_child(start) if watcher is None else self._start_watched(start, watcher)
        try:
            await waiter
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException:
            transport.close()
            await transport._wait()
            raise
        return transport

    def _start_child(self, start: Callable[[], SubprocessTransport]) -> SubprocessTransport:
        prepared = self._prepare_child()  # what fails, fails before there is a child
        transport = start()
        try:
            transport._number = self._watch_child(
                prepared, transport._pid, self._child_watcher_callback, transport
            )
        except BaseException:
            transport.close()
            raise
        return transport

    def _start_watched(self, start: Callable[[], SubprocessTransport], watcher: Any) -> SubprocessTransport:
        """As asyncio does it, for a child watcher of the program's."""
        with watcher as entered:
            if sys.version_info < (3, 12):  # there asyncio goes on with what __enter__ gives
                watcher = entered
            if not watcher.is_active():
                raise RuntimeError(
                    "asyncio.get_child_watcher() is not activated, subprocess support is not installed."
                )
            transport = start()
            watcher.add_child_handler(transport._pid, self._child_watcher_callback, transport)
        return transport

    def _close_children(self) -> None:
        if not self._is_inherited():
            for _, args, _ in self._children.values():
                if args and isinstance(args[0], SubprocessTransport):
                    args[0]._leave()
        super()._close_children()
