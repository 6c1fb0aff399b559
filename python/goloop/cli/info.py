"""``info``: what a bug report needs."""

from __future__ import annotations

import argparse
import asyncio
import errno
import json
import mmap
import os
import platform
import resource
import socket
import sys
import sysconfig
from collections.abc import Callable
from typing import Any

from .. import __version__, engine
from ..loop import Loop

# Those of the environment that change what a loop does.
_PREFIXES = ("GOLOOP_", "PYTHON", "MALLOC_")
_NAMES = ("GODEBUG", "GOGC", "GOMAXPROCS", "GOMEMLIMIT", "GOTRACEBACK", "LD_LIBRARY_PATH", "LD_PRELOAD")

_CROWD = 8  # sockets; the engine serves so many at once


def add(commands: Any) -> None:
    parser = commands.add_parser(
        "info", help="what a bug report needs", description="Print what a bug report of goloop needs."
    )
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.set_defaults(command=show)


def show(options: argparse.Namespace) -> int:
    """Print it. 1: no loop can be made here, and why is printed too."""
    found = gather()
    if options.json:
        print(json.dumps(found, indent=2))
    else:
        for name, value in found.items():
            lines = (
                [f"{key}={each}" for key, each in value.items()] if isinstance(value, dict) else [str(value)]
            )
            for number, line in enumerate(lines or ["-"]):
                print(f"{'' if number else name:<14} {line}")
    return 1 if "error" in found else 0


def gather() -> dict[str, Any]:
    """All of it; ``error`` is there when no loop can be made."""
    library = engine.PATH
    environment = {
        name: value
        for name, value in sorted(os.environ.items())
        if name.startswith(_PREFIXES) or name in _NAMES
    }
    for name in (
        "GOLOOP_CONTROL",
        "GOLOOP_WATCHDOG",
    ):  # the address is that of the program that is asked about
        os.environ.pop(name, None)
    found: dict[str, Any] = {
        "goloop": __version__,
        "python": f"{platform.python_implementation()} {sys.version.split()[0]} ({sys.executable})",
        "gil": _gil(),
        "compiler": platform.python_compiler(),
        "go": _told(lambda: go_version(library)),
        "engine": library,
        "control": _told(_control),
    }
    try:
        loop = Loop()
    except Exception as exc:
        found["error"] = f"no loop can be made: {type(exc).__name__}: {exc}"
    else:
        try:
            found["selector"] = loop._stats()["selector"]
            found["child_watcher"] = os.environ.get("GOLOOP_CHILD_WATCHER") or loop._child_watcher("")
            found["io_uring"] = _told(lambda: _io_uring(loop))
        finally:
            loop.close()
    files = ", ".join(str(each) for each in resource.getrlimit(resource.RLIMIT_NOFILE))
    found |= {
        "cpus": f"{_usable_cpus()} of {os.cpu_count()}",
        "open_files": f"{files} (soft, hard)",
        "kernel": f"{platform.system()} {platform.release()} {platform.machine()}",
        "libc": " ".join(platform.libc_ver()).strip() or "unknown",
        "system": _system(),
        "environment": environment,
    }
    return found


def _told(ask: Callable[[], str]) -> str:
    """What ``ask`` says, or why it cannot."""
    try:
        return ask()
    except Exception as exc:
        return f"unknown ({type(exc).__name__}: {exc})"


def _gil() -> str:
    if not sysconfig.get_config_var("Py_GIL_DISABLED"):
        return "enabled"
    enabled: bool = getattr(sys, "_is_gil_enabled", lambda: True)()
    return f"{'enabled' if enabled else 'disabled'}, free-threaded build"


def go_version(path: str) -> str:
    """The Go that has built a library, from what its linker leaves there: see debug/buildinfo of Go's own library.

    Raises:
        OSError: the file cannot be read.
        ValueError: no Go has built it.
    """
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        at = data.find(b"\xff Go buildinf:")
        while at >= 0:
            length = data[at + 32]  # a varint; a version is shorter than 128 bytes
            if at % 16 == 0 and data[at + 15] & 2 and length < 128:
                return data[at + 33 : at + 33 + length].decode()
            at = data.find(b"\xff Go buildinf:", at + 1)
    raise ValueError("the library has no version of Go")


def _control() -> str:
    try:
        engine.control_module()
    except ImportError as exc:
        return f"no: {exc}"
    return "yes"


def _io_uring(loop: Loop) -> str:
    """Whether the loop uses it, as it shows when several sockets become readable at once, and else why not."""
    if os.environ.get("GOLOOP_IO_URING") == "0":
        return "no: GOLOOP_IO_URING=0"
    loop.run_until_complete(_crowd(loop))
    if loop._stats()["batches"]:
        return "yes, where several sockets have something at once"
    return f"no: {_refusal()}"


async def _crowd(loop: Loop) -> None:
    """Several sockets that are read and written at once, twice."""

    class Echo(asyncio.Protocol):
        def connection_made(self, transport: Any) -> None:
            self.transport = transport

        def data_received(self, data: bytes) -> None:
            self.transport.write(data)

    pairs = [socket.socketpair() for _ in range(_CROWD)]
    try:
        transports = [(await loop.create_connection(Echo, sock=ours))[0] for ours, _ in pairs]
        for _ in range(2):
            for _, peer in pairs:
                peer.send(b"x")
            for _, peer in pairs:
                peer.setblocking(False)
                await loop.sock_recv(peer, 1)
        for transport in transports:
            transport.close()
        await asyncio.sleep(0)
    finally:
        for _, peer in pairs:
            peer.close()


def _refusal() -> str:
    if sys.platform != "linux":
        return "only Linux has it"
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    fd = libc.syscall(425, 1, ctypes.create_string_buffer(120))  # io_uring_setup(2), on all machines
    if fd >= 0:
        os.close(fd)
        return "the kernel has it, and lacks what the engine needs of it (Linux 5.6)"
    code = ctypes.get_errno()
    why = {
        errno.EPERM: "forbidden, by seccomp or kernel.io_uring_disabled",
        errno.ENOSYS: "the kernel has none",
    }
    return f"{why.get(code, 'the kernel refuses it')} ({os.strerror(code)})"


def _usable_cpus() -> int:
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _system() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return platform.platform()
