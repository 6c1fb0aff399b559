"""Subprocesses: the standard library's Popen and transport, watched by the engine."""

from __future__ import annotations

import asyncio
import signal
import sys
import warnings

# The class, not its module: what a module of ours holds is emptied at exit, before the last loop closes.
from asyncio.unix_events import _UnixSubprocessTransport  # type: ignore[attr-defined]
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._base import LoopBase as _Base
else:
    _Base = object

if sys.version_info < (3, 14):
    from .childwatcher import ChildWatcher

    def _program_has_a_watcher() -> bool:
        """Whether the policy holds a child watcher that is not the engine's: then that one decides."""
        policy = asyncio.get_event_loop_policy()
        lookup = asyncio.DefaultEventLoopPolicy.get_child_watcher
        if getattr(type(policy), "get_child_watcher", None) is lookup:
            # Not to be asked: the answer would be one that it makes for the purpose.
            watcher = policy._watcher  # type: ignore[attr-defined]
        else:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)
                try:
                    watcher = policy.get_child_watcher()
                except NotImplementedError:
                    return False
        return watcher is not None and not isinstance(watcher, ChildWatcher)

else:

    def _program_has_a_watcher() -> bool:
        """Policies have no child watchers any more."""
        return False


class SubprocessTransport(_UnixSubprocessTransport):  # type: ignore[misc]
    """asyncio's transport of a process. Its signals reach that process or nobody."""

    _number = 0  # of the child on the loop

    def send_signal(self, signal: int) -> None:
        """Send a signal; nothing happens when the process has ended already.

        Raises:
            ProcessLookupError: the transport is done with its process.
            OSError: the system refuses.
        """
        self._check_proc()
        if self._loop._owns_children():
            self._loop._signal_child(self._number, signal)
        else:
            super().send_signal(signal)

    def terminate(self) -> None:
        """Send SIGTERM: see :meth:`send_signal`."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL: see :meth:`send_signal`."""
        self.send_signal(signal.SIGKILL)


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
        if _program_has_a_watcher():
            return await super()._make_subprocess_transport(
                protocol, args, shell, stdin, stdout, stderr, bufsize, extra, **kwargs
            )
        prepared = self._prepare_child()  # what fails, fails before there is a child
        waiter = self.create_future()
        transport = SubprocessTransport(
            self, protocol, args, shell, stdin, stdout, stderr, bufsize, waiter=waiter, extra=extra, **kwargs
        )
        try:
            transport._number = self._watch_child(
                prepared, transport.get_pid(), self._child_watcher_callback, transport
            )
        except BaseException:
            transport.close()
            raise
        try:
            await waiter
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException:
            transport.close()
            await transport._wait()
            raise
        return transport
