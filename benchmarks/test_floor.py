"""The server in C echoes: ``python -m pytest benchmarks``."""

from __future__ import annotations

import shutil
import socket
import threading
from pathlib import Path

import pytest

from harness import floor, server

pytestmark = pytest.mark.skipif(not shutil.which("cc"), reason="no C compiler")

MESSAGE = bytes(range(256)) * 4
LARGE = MESSAGE * 4096  # more than both buffers of a connection hold


def received(sock: socket.socket, size: int) -> bytes:
    parts = []
    while size and (part := sock.recv(size)):
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def connected(addr: str, kind: socket.SocketKind = socket.SOCK_STREAM) -> socket.socket:
    sock: socket.socket
    if addr.startswith("unix:"):
        sock = socket.socket(socket.AF_UNIX, kind)
        sock.connect(addr[5:])
    else:
        sock = socket.socket(socket.AF_INET, kind)
        host, port = addr.split(":")
        sock.connect((host, int(port)))
    sock.settimeout(10)
    return sock


@pytest.mark.parametrize("unix", [False, True])
def test_streams_come_back_whole(unix: bool, tmp_path: Path) -> None:
    command = [str(floor.build()), "echo", *(["--unix", str(tmp_path / "socket")] if unix else [])]
    with server.running(command, None, {}) as running, connected(running.addr) as sock:
        sock.sendall(MESSAGE)
        assert received(sock, len(MESSAGE)) == MESSAGE
        sender = threading.Thread(target=sock.sendall, args=[LARGE])
        sender.start()
        assert received(sock, len(LARGE)) == LARGE
        sender.join()


def test_close_answers_once() -> None:
    with server.running([str(floor.build()), "close"], None, {}) as running, connected(running.addr) as sock:
        sock.sendall(MESSAGE)
        assert received(sock, len(MESSAGE) + 1) == MESSAGE


def test_datagrams_come_back() -> None:
    with (
        server.running([str(floor.build()), "datagram"], None, {}) as running,
        connected(running.addr, socket.SOCK_DGRAM) as sock,
    ):
        for size in (1, 1024, 60_000):
            sock.send(bytes(size))
            assert sock.recv(65536) == bytes(size)
