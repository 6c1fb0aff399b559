"""PostgreSQL and Redis for the rows of their clients: each a process with a folder of its own, found as tools/services left it."""

from __future__ import annotations

import contextlib
import glob
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness import process
from harness.sample import RowFailed

UNPACKED = process.HOME.parent / ".services" / "usr"
PATIENCE = 20.0  # s for a server to answer
ANYWHERE = "/usr/lib/postgresql/*/bin"


def found(name: str, *places: str) -> str:
    """The path of a program; ``RowFailed`` where there is none."""
    paths = [shutil.which(name), *(path for place in places for path in sorted(glob.glob(f"{place}/{name}")))]
    for path in paths:
        if path:
            return path
    raise RowFailed(f"no {name} here: tools/services fetches it")


def environment() -> dict[str, str]:
    """Ours, with the libraries that came with the servers."""
    libraries = ":".join(glob.glob(f"{UNPACKED}/lib/*-linux-*"))
    return {**os.environ, "LC_ALL": "C", "LD_LIBRARY_PATH": libraries}


def owner() -> dict[str, Any]:
    """Words for ``Popen``: PostgreSQL refuses to run as root."""
    if os.geteuid():
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    """A folder of the servers' owner."""
    with tempfile.TemporaryDirectory(prefix="goloop-bench-", ignore_cleanup_errors=True) as path:
        if known := owner():
            os.chown(path, known["user"], known["group"])
        yield Path(path)


@contextlib.contextmanager
def running(command: list[str], cpu: int | None, port: int, greeting: bytes) -> Iterator[None]:
    """A server, from when something answers ``greeting`` at its port to its end."""
    with tempfile.TemporaryFile("w+") as log:
        child = process.start(command, cpu, env=environment(), stdout=log, stderr=log, **owner())
        try:
            until = time.monotonic() + PATIENCE
            while not answers(port, greeting):
                if child.poll() is not None or time.monotonic() > until:
                    log.seek(0)
                    raise RowFailed(f"{Path(command[0]).name}: {process.last_line(log.read())}")
                time.sleep(0.02)
            yield
        finally:
            process.stop(child)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return int(sock.getsockname()[1])


def answers(port: int, greeting: bytes) -> bool:
    """Whether somebody at a port has something to say."""
    with socket.socket() as sock, contextlib.suppress(OSError):
        sock.settimeout(1)
        sock.connect(("127.0.0.1", port))
        sock.sendall(greeting)
        return bool(sock.recv(1))
    return False


@contextlib.contextmanager
def postgres(cpu: int | None) -> Iterator[str]:
    """A new cluster, without the disk's part in it; its port."""
    places = (ANYWHERE, f"{UNPACKED}/lib/postgresql/*/bin")
    initdb, server = found("initdb", *places), found("postgres", *places)
    with folder() as path:
        command = [initdb, "-D", str(path / "data"), "-U", "goloop", "-A", "trust", "-E", "UTF8", "--no-sync"]
        done = subprocess.run(command, env=environment(), cwd="/", capture_output=True, text=True, **owner())
        if done.returncode:
            raise RowFailed(f"initdb: {process.last_line(done.stderr)}")
        port = free_port()
        options = {"listen_addresses": "127.0.0.1", "port": str(port), "fsync": "off", "autovacuum": "off"}
        command = [server, "-D", str(path / "data"), "-k", str(path)]
        for name, value in options.items():
            command += ["-c", f"{name}={value}"]
        # A request for TLS is answered with one letter.
        with running(command, cpu, port, bytes([0, 0, 0, 8, 4, 210, 22, 47])):
            yield str(port)


@contextlib.contextmanager
def redis(cpu: int | None) -> Iterator[str]:
    """A new server; its port."""
    server = found("redis-server", f"{UNPACKED}/bin")
    with folder() as path:
        port = free_port()
        command = [server, "--bind", "127.0.0.1", "--port", str(port), "--dir", str(path)]
        command += ["--save", "", "--appendonly", "no"]
        with running(command, cpu, port, b"PING\r\n"):
            yield str(port)


KINDS = {"postgres": postgres, "redis": redis}
