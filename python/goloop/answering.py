"""The thread that answers the engine's questions about Python, as soon as it gets the GIL.

The engine's goroutines need no GIL and never call Python: they ask, and this thread, which waits in the engine otherwise,
answers. A signal's handler of :mod:`faulthandler` is for when the GIL cannot be had: in a copy of the process, it writes the stacks
of all threads into a pipe.
"""

from __future__ import annotations

import asyncio
import atexit
import importlib
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

from . import _core, engine, interpreter

_lock = threading.Lock()
_thread: threading.Thread | None = None
_trace: tuple[int, int, int] | None = None  # signal, and both ends of its pipe
report: Callable[[str], object] | None = None  # what a report is given to

_DEBUGGERS = ("bdb.py", "pdb.py", "pydevd.py", "pydevd_frame.py")


def start() -> None:
    """Start the thread, unless it runs.

    Raises:
        RuntimeError: this is a sub-interpreter, and the main interpreter's thread answers for all; or the system refuses a thread.
        OSError: the system refuses a pipe.
    """
    global _thread
    if not interpreter.is_main():
        raise RuntimeError(
            "this is a sub-interpreter; the main interpreter's goloop.watch() and serve() tell of its loops too"
        )
    with _lock:
        if _thread is not None:
            return
        control = engine.control_module()
        control.control_DeskOpen()
        thread = threading.Thread(target=_answer, args=(control,), name="goloop-control", daemon=True)
        try:
            thread.start()
        except BaseException:
            control.control_DeskClose()
            raise
        _thread = thread
        _open_trace(control)
        atexit.register(stop)


def stop() -> None:
    """End the thread."""
    global _thread
    with _lock:
        thread, _thread = _thread, None
        if thread is None:
            return
        atexit.unregister(stop)
        control = engine.control_module()
        _close_trace(control)
        control.control_DeskClose()
    if thread is not threading.current_thread():
        thread.join(1)


def _forget() -> None:
    """In a forked child: neither thread nor engine have come along."""
    global _thread, _trace, _lock
    _lock = threading.Lock()
    _thread = None
    if _trace:
        import faulthandler

        faulthandler.unregister(_trace[0])
        os.close(_trace[1])
        os.close(_trace[2])
        _trace = None


os.register_at_fork(after_in_child=_forget)


def _open_trace(control: Any) -> None:
    """Give faulthandler a signal that nobody uses. Without one, stacks are had only with the GIL."""
    global _trace
    if sys.platform != "linux":
        return
    for number in range(signal.SIGRTMAX - 1, signal.SIGRTMIN, -1):
        if signal.getsignal(number) in (signal.SIG_DFL, None):
            break
    else:
        return
    import faulthandler  # no sub-interpreter may import it

    read, write = os.pipe()
    os.set_blocking(read, False)
    os.set_blocking(write, False)
    faulthandler.register(number, file=write, all_threads=True, chain=False)
    control.control_TraceBy(read, number)
    _trace = number, read, write


def _close_trace(control: Any) -> None:
    global _trace
    if _trace:
        number, read, write = _trace
        import faulthandler

        control.control_TraceBy(-1, 0)
        faulthandler.unregister(number)
        os.close(read)
        os.close(write)
        _trace = None


_SLICE = 0.005  # seconds of this thread's processor time


def _answer(control: Any) -> None:
    """Answers of a few ms are given together: with each call of the engine the GIL is lost, and loops that keep it give it back late."""
    while questions := control.control_DeskTake():
        answers: list[str] = []
        began = time.thread_time()
        for line in questions.splitlines():
            number, what, rest = line.split(" ", 2)
            try:
                if what == "report":
                    if report is not None:
                        report(rest)
                elif what == "stack":
                    answers.append(f"{number} {json.dumps(_stack(int(rest.split()[0])))}")
                elif what == "tasks":
                    answers.append(f"{number} {json.dumps(_tasks(int(rest)))}")
            except (
                Exception
            ):  # of a report that a program takes: its own affair, and no reason to answer no more
                sys.excepthook(*sys.exc_info())
            if answers and (what == "report" or time.thread_time() - began > _SLICE):
                control.control_DeskAnswer("\n".join(answers))
                answers.clear()
                began = time.thread_time()
        if answers:
            control.control_DeskAnswer("\n".join(answers))


def _frames(frame: FrameType | None) -> list[FrameType]:
    frames = []
    while frame is not None:
        frames.append(frame)
        frame = frame.f_back
    return frames


def _said(frame: FrameType) -> str:
    code = frame.f_code
    return f"{code.co_filename}:{frame.f_lineno} {getattr(code, 'co_qualname', code.co_name)}"


def _current_frames() -> dict[int, FrameType]:
    """Of all threads; none while there are sub-interpreters: it would make frames of theirs in ours, and their GIL is another one."""
    if sys.version_info < (3, 12):  # all have one GIL
        return sys._current_frames()
    name = "_interpreters" if sys.version_info >= (3, 13) else "_xxsubinterpreters"
    interpreters: Any = importlib.import_module(name)
    return sys._current_frames() if len(interpreters.list_all()) == 1 else {}


def _loop_of(frames: list[FrameType]) -> Any:
    """The loop that a thread with these frames runs: run_forever's."""
    for frame in frames:
        if frame.f_code.co_name == "run_forever":
            loop = frame.f_locals.get("self")
            if isinstance(loop, _core.Loop):
                return loop
    return None


def _stack(thread: int) -> dict[str, Any]:
    frames = _frames(_current_frames().get(thread))
    known = {each.ident: each.name for each in threading.enumerate()}
    loop = _loop_of(frames)
    task = asyncio.current_task(loop) if loop is not None else None
    return {
        "stack": [_said(frame) for frame in frames],
        "name": known.get(thread, ""),
        "task": _name(task) if task is not None else "",
        "debugged": any(frame.f_code.co_filename.endswith(_DEBUGGERS) for frame in frames),
    }


def _name(task: asyncio.Task[Any]) -> str:
    coroutine = task.get_coro()
    return f"{task.get_name()} {getattr(coroutine, '__qualname__', type(coroutine).__name__)}"


def _tasks(number: int) -> list[dict[str, Any]]:
    """The tasks of a loop that runs."""
    for frame in _current_frames().values():
        loop = _loop_of(_frames(frame))
        if loop is not None and loop._engine_id == number:
            return [
                {"name": _name(task), "stack": [_said(frame) for frame in reversed(task.get_stack())]}
                for task in asyncio.all_tasks(loop)
            ]
    return []
