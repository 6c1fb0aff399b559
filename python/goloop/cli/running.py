"""``run``: a program as ``python`` itself would run it, but that asyncio makes goloop's loops for it."""

from __future__ import annotations

import argparse
import builtins
import importlib.machinery
import io
import os
import pkgutil
import runpy
import sys
from types import CodeType, ModuleType, TracebackType
from typing import Any

from . import spawning


def add(commands: Any) -> None:
    parser = commands.add_parser(
        "run",
        help="run a script or a module on goloop",
        usage="python -m goloop run [options] (SCRIPT | -m MODULE) [argument ...]",
        description="asyncio.run, asyncio.Runner and asyncio.new_event_loop make goloop's loops, in the program "
        "and in what it starts by multiprocessing. "
        "What follows SCRIPT or MODULE is the program's.",
    )
    parser.add_argument(
        "--watchdog",
        metavar="SECONDS",
        type=_seconds,
        help="report what holds a loop for longer, as GOLOOP_WATCHDOG does",
    )
    parser.add_argument(
        "--control",
        metavar="ADDRESS",
        help="answer questions at a path or HOST:PORT, as GOLOOP_CONTROL does; {pid} is replaced",
    )
    parser.add_argument(
        "--debug", action="store_true", help="asyncio's debug mode, as PYTHONASYNCIODEBUG=1 does"
    )
    parser.add_argument("-m", dest="module", nargs=argparse.REMAINDER, help="a module, and its arguments")
    parser.add_argument(
        "script", nargs=argparse.REMAINDER, help="a file, folder or archive, and its arguments"
    )
    parser.set_defaults(command=run, parser=parser)


def _seconds(text: str) -> str:
    try:
        above = float(text) > 0
    except ValueError:
        above = False
    if not above:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds above zero")
    return text


def run(options: argparse.Namespace) -> int:
    """Become the program. It ends as it would have ended under ``python``: by its exception, exit status or signal."""
    if not (options.module or options.script):
        options.parser.error("a script or -m MODULE is missing")
    # For the loops of this process and of its children, as if they had been there from the start.
    for name, value in (("GOLOOP_WATCHDOG", options.watchdog), ("GOLOOP_CONTROL", options.control)):
        if value is not None:
            os.environ[name] = value
    if options.debug:
        os.environ["PYTHONASYNCIODEBUG"] = "1"
    spawning.begin()
    main = ModuleType("__main__")
    main.__dict__["__builtins__"] = builtins
    if sys.version_info < (3, 14):
        main.__dict__["__annotations__"] = {}
    sys.modules["__main__"] = main
    if options.module:
        sys.argv[:] = options.module  # runpy makes the first the module's path
        return _within(runpy._run_module_as_main, options.module[0])  # type: ignore[attr-defined]
    sys.argv[:] = options.script
    path = options.script[0]
    if _is_package(path):
        _put_first(os.path.abspath(path))
        return _within(runpy._run_module_as_main, "__main__", False)  # type: ignore[attr-defined]
    path = os.path.join(os.getcwd(), path)  # absolute, and no more: so does Python
    code = _read(path)
    if not _is_safe():
        _put_first(os.path.dirname(os.path.realpath(path)))
    kind = (
        importlib.machinery.SourcelessFileLoader
        if path.endswith(".pyc")
        else importlib.machinery.SourceFileLoader
    )
    main.__dict__.update(__file__=path, __loader__=kind("__main__", path))
    if sys.version_info < (3, 15):
        main.__dict__.update(__cached__=None)
    return _within(exec, code, main.__dict__)


def _is_package(path: str) -> bool:
    """Whether it is a folder or an archive, in which ``__main__`` is looked for."""
    return pkgutil.get_importer(path) is not None


def _is_safe() -> bool:
    """Whether no unsafe path comes first in ``sys.path``: by ``-I``, or from 3.11 by ``-P``."""
    return bool(sys.flags.isolated or getattr(sys.flags, "safe_path", False))


def _put_first(path: str) -> None:
    """Put a path first in ``sys.path``, in the place of what ``-m goloop`` has put there."""
    if not _is_safe():
        sys.path[0] = path
    else:
        sys.path.insert(0, path)


def _read(path: str) -> CodeType:
    try:
        with io.open_code(path) as file:
            code = pkgutil.read_code(file)
        if code is None:
            with io.open_code(path) as file:
                code = compile(file.read(), path, "exec", dont_inherit=True)
    except OSError as exc:
        print(
            f"{sys.executable}: can't open file {path!r}: [Errno {exc.errno}] {exc.strerror}", file=sys.stderr
        )
        raise SystemExit(2) from None
    except SyntaxError as exc:
        _hide(exc, None)
        raise
    found: CodeType = code
    return found


def _within(function: Any, *arguments: Any) -> int:
    """Call what runs the program; an exception's traceback begins there."""
    try:
        function(*arguments)
    except SystemExit:
        raise
    except BaseException as exc:
        _hide(exc, exc.__traceback__.tb_next if exc.__traceback__ else None)
        raise
    return 0


def _hide(exc: BaseException, traceback: TracebackType | None) -> None:
    """Have an exception that ends the program shown without the frames of ours that it has still to pass.

    It must pass them: the interpreter itself makes the exit status of it, or a signal of KeyboardInterrupt.
    """
    hook = sys.excepthook

    def show(kind: type[BaseException], value: BaseException, whole: TracebackType | None) -> None:
        if value is exc:
            sys.last_traceback = whole = traceback
            value = value.with_traceback(traceback)
        hook(kind, value, whole)

    sys.excepthook = show
