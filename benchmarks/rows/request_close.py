"""Connections that live for one request."""

from __future__ import annotations

from harness.loadgen import Load
from rows.row import Row, Served


def request_close(kind: str, unix: bool, default: bool) -> Row:
    family = "unix" if unix else "tcp"
    return Served(
        f"{family}-request-close-{kind}",
        "conn/s",
        f"connect, 1 KiB there and back, close by the server; {kind}, 10 at a time",
        default,
        module="servers.request_close",
        args=("--kind", kind),
        load=Load("close", 10, 1024),
        unix=unix,
        floor="close" if kind == "protocol" else "",
    )


ROWS = [
    request_close("protocol", False, True),
    request_close("streams", False, True),
    request_close("protocol", True, True),
    Served(
        "tls-handshakes",
        "conn/s",
        "connect, a whole handshake of TLS 1.3, 64 bytes there and back, reset by the client; protocol, 10 at a time",
        module="servers.echo",
        args=("--tls",),
        load=Load("handshake", 10, 64),
    ),
    Served(
        "sock-request-close",
        "conn/s",
        "connect, 1 KiB there and back, close by the server; sock_accept, sock_recv, sock_sendall, 10 at a time",
        module="servers.sockets",
        args=("--once",),
        load=Load("close", 10, 1024),
    ),
]
