"""Calls that find no memory, one after the other, under each public operation of a loop.

``run.py [OPERATION…] [--seconds S] [--width W] [--loop asyncio] [--everywhere]``

The extension is built once more, with ``starved.h`` before each of its files: of all it calls that may need memory, the n-th
fails (W of them in a row), for n from 1 on until the operation makes no more. It may raise whatever it likes, or give the
right result. It may not end the process, wait for ever, call Python with an exception set, raise without one, leak a
descriptor, or lose bytes of a stream that goes on.

With ``--everywhere`` it is CPython's own allocations that fail, by ``_testcapi``: also those of the interpreter and of asyncio,
which do not survive all of it themselves. That is for reading, not for a verdict.

Each operation runs in a child, so that a crash is one line of the report: which operation, which call, and faulthandler's
traceback. The exit code is 1 if there was any.
"""

import argparse
import asyncio
import ctypes
import faulthandler
import gc
import importlib
import importlib.util
import itertools
import logging
import os
import pathlib
import shlex
import subprocess
import sys
import sysconfig
import tempfile
import time
import warnings

HERE = pathlib.Path(__file__).resolve().parent
sys.path.append(str(HERE.parent.parent / "tools" / "backend"))

import boundary  # noqa: E402

SOURCES = HERE.parent.parent / "pybind"
FACTORIES = {"asyncio": "SelectorEventLoop", "goloop": "new_event_loop"}
QUIET = 40  # with --everywhere: so many that nobody missed end an operation


def build(folder):
    """A copy of the installed package in ``folder``, whose extension can be starved."""
    package = pathlib.Path(importlib.util.find_spec("goloop").origin).parent
    copy = pathlib.Path(folder, "goloop")
    copy.mkdir()
    suffix = sysconfig.get_config_var("EXT_SUFFIX")
    for file in package.iterdir():
        if file.name != f"_core{suffix}":
            (copy / file.name).symlink_to(file)
    command = [
        *shlex.split(sysconfig.get_config_var("CC")),
        *("-shared", "-fPIC", "-g", "-O0", "-std=c11", "-fvisibility=hidden", "-w"),
        *(f"-I{path}" for path in (sysconfig.get_path("include"), SOURCES, SOURCES / "ext")),
        boundary.flag(),
        *("-include", HERE / "starved.h"),
        *sorted(SOURCES.glob("ext/*.c")),
    ]
    target = copy / f"_core{suffix}"
    plain = copy / "starved.o"
    subprocess.run([*command[: command.index("-include")], "-c", HERE / "starved.c", "-o", plain], check=True)
    subprocess.run([*command, plain, "-o", target, "-ldl", "-lpthread"], check=True)
    return folder


class Extension:
    """The calls of the extension."""

    def __init__(self):
        core = importlib.import_module("goloop._core")
        self.library = ctypes.PyDLL(core.__file__)
        self.library.misuse.restype = self.library.failure.restype = ctypes.c_char_p
        self.library.feed.restype = ctypes.c_long
        self.feed = self.library.feed

    def starve(self, n, width):
        self.library.starve(ctypes.c_long(n), ctypes.c_long(n + width - 1))

    def spent(self, n, missed):
        return not self.library.failure()

    def what(self):
        return self.library.failure().decode()

    def misuse(self):
        return self.library.misuse().decode()


class Everywhere:
    """All allocations that CPython makes."""

    def __init__(self):
        self.testcapi = importlib.import_module("_testcapi")
        self.feed = self.testcapi.remove_mem_hooks
        self.quiet = 0

    def starve(self, n, width):
        self.testcapi.set_nomemory(n, n + width)

    def spent(self, n, missed):
        self.quiet = 0 if missed else self.quiet + 1
        return self.quiet > QUIET

    def what(self):
        return "an allocation"

    def misuse(self):
        return ""


# ---- the child: one operation ----


def every_operation():
    import encryption
    import operations

    return {**operations.OPERATIONS, "encrypted": encryption.encrypted, "handshake": encryption.handshake}


def work(options):
    from attempt import PATIENCE, Attempt, Wrong

    new_loop = getattr(importlib.import_module(options.loop), FACTORIES[options.loop])
    known = every_operation()
    operation = known[options.operations[0]]
    memory = Everywhere() if options.everywhere else Extension()
    faulthandler.enable()
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    unraisable = []
    sys.unraisablehook = lambda args: unraisable.append(args.exc_value)
    end = time.monotonic() + options.seconds
    for _ in range(3):
        attempt = Attempt(new_loop, lambda: None, lambda: None)
        operation(attempt)
        attempt.close()
    del attempt
    gc.collect()
    descriptors = len(os.listdir("/proc/self/fd"))

    def wrong(n, text):
        print(n, "WRONG", text, "after", memory.what(), flush=True)

    for n in itertools.count(options.first, options.step):
        if time.monotonic() > end:
            break
        print(n, flush=True)
        faulthandler.dump_traceback_later(3 * PATIENCE, exit=True)
        attempt = Attempt(new_loop, lambda n=n: memory.starve(n, options.width), memory.feed)
        raised = []
        for step in (operation, Attempt.close):
            try:
                step(attempt)
            except Exception as exc:
                raised.append(exc)
                if step is not operation and not options.everywhere:
                    wrong(n, f"closing: {exc!r}")
            finally:
                memory.feed()
        told = [context.get("exception") for context in attempt.told]
        for exc in (*raised, *told, *unraisable):
            while exc is not None:
                if isinstance(exc, (Wrong, SystemError)):
                    wrong(n, repr(exc))
                exc = exc.__cause__ or exc.__context__
        if memory.misuse():
            wrong(n, memory.misuse())
        spent = memory.spent(n, raised or told or unraisable)
        raised.clear(), told.clear(), unraisable.clear()
        attempt = None
        asyncio.set_event_loop(None)
        gc.collect()
        unraisable.clear()
        left = len(os.listdir("/proc/self/fd"))
        if left > descriptors and not options.everywhere:
            wrong(n, f"{left - descriptors} descriptors left open")
        descriptors = left
        faulthandler.cancel_dump_traceback_later()
        if spent:
            break
    print("end", n, flush=True)


# ---- the parent ----


def attempts(name, options, package):
    """Run one operation until its calls or the seconds are spent. Returns how many calls, and what is wrong."""
    first, end, found = options.first, time.monotonic() + options.seconds, []
    while (left := end - time.monotonic()) > 0:
        command = [sys.executable, __file__, name, f"--loop={options.loop}", f"--width={options.width}"]
        command += [f"--first={first}", f"--seconds={left}", f"--step={options.step}", "--child"]
        if options.everywhere:
            command.append("--everywhere")
        environment = {**os.environ, "PYTHONPATH": str(package)} if package else None
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
        lines = done.stdout.splitlines()
        found += [f"{name}, call {line}" for line in lines if "WRONG" in line]
        numbers = [int(line) for line in lines if line.isdigit()]
        if done.returncode == 0 and lines and lines[-1].startswith("end"):
            return int(lines[-1].split()[1]), found
        first = numbers[-1] if numbers else first
        found.append(f"{name}, call {first}: exit {done.returncode}\n{done.stderr[-3000:]}")
        if not numbers:
            break
        first += options.step
    return first, found


def parse(arguments=None):
    parser = argparse.ArgumentParser()
    parser.add_argument("operations", nargs="*")
    parser.add_argument("--loop", choices=FACTORIES, default="goloop")
    parser.add_argument("--seconds", type=float, default=600, help="for each operation")
    parser.add_argument("--width", type=int, default=1, help="calls in a row that fail")
    parser.add_argument("--step", type=int, default=1, help="from one call to the next that is tried")
    parser.add_argument("--first", type=int, default=1, help="the first that is tried")
    parser.add_argument("--everywhere", action="store_true", help="all of CPython's allocations")
    parser.add_argument("--package", help="the folder of an earlier --build")
    parser.add_argument("--build", metavar="FOLDER", help="build the extension into a folder, and no more")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def run(options):
    """Yields for each operation its name, the number of calls tried, the seconds, and a list of what is wrong."""
    sys.path[:0] = [str(HERE), str(HERE.parent)]
    with tempfile.TemporaryDirectory() as folder:
        package = None if options.everywhere else options.package or build(folder)
        for name in options.operations or every_operation():
            started = time.monotonic()
            tried, found = attempts(name, options, package)
            yield name, tried, time.monotonic() - started, found


def main():
    options = parse()
    if options.child:
        sys.path[:0] = [str(HERE), str(HERE.parent)]
        work(options)
        return 0
    if options.build:
        build(options.build)
        return 0
    wrong = 0
    for name, tried, seconds, found in run(options):
        print(
            f"{name}: {tried} calls, {len(found)} faults, {seconds:.1f} s", *found, sep="\n    ", flush=True
        )
        wrong += len(found)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
