"""Echo servers: what came in goes out, in a closed loop."""

from __future__ import annotations

from harness.loadgen import Load
from rows.row import Row, Served

KIB = 1024
KINDS = ("protocol", "buffered", "streams")
CONNS = (1, 10, 100, 500, 1000)
SIZES = (1, 10, 100)  # KiB

# The subset of the grid that is measured without --full.
CHOSEN = {("protocol", 1, conns) for conns in (1, 10, 100, 500)}
CHOSEN |= {("protocol", 10, 10), ("protocol", 100, 10), ("buffered", 1, 10), ("buffered", 100, 10)}
CHOSEN |= {("streams", size, 10) for size in SIZES}


def plural(conns: int) -> str:
    return f"{conns} connection" + "s" * (conns > 1)


def tcp(kind: str, size: int, conns: int) -> Row:
    return Served(
        f"tcp-{kind}-{size}KiB-{conns}c",
        "req/s",
        f"TCP echo by {kind}, {size} KiB, {plural(conns)}",
        default=(kind, size, conns) in CHOSEN,
        module="servers.echo",
        args=("--kind", kind),
        load=Load("echo", conns, size * KIB),
        floor="echo" if kind == "protocol" else "",
    )


def unix(kind: str, size: int) -> Row:
    return Served(
        f"unix-{kind}-{size}KiB-10c",
        "req/s",
        f"echo by {kind} over a Unix socket, {size} KiB, 10 connections",
        default=(kind, size) == ("protocol", 1),
        module="servers.echo",
        args=("--kind", kind),
        load=Load("echo", 10, size * KIB),
        unix=True,
        floor="echo" if kind == "protocol" else "",
    )


def sockets(size: int, conns: int) -> Row:
    return Served(
        f"sock-{size}KiB-{conns}c",
        "req/s",
        f"TCP echo by sock_recv and sock_sendall, {size} KiB, {plural(conns)}",
        default=conns == 10,
        module="servers.sockets",
        load=Load("echo", conns, size * KIB),
    )


def tls(kind: str, size: int, default: bool) -> Row:
    return Served(
        f"tls-{kind}-{size}KiB-10c",
        "req/s",
        f"TLS echo by {kind}, {size} KiB, 10 connections",
        default=default,
        module="servers.echo",
        args=("--kind", kind, "--tls"),
        load=Load("tls", 10, size * KIB),
    )


ROWS = [
    *(tcp(kind, size, conns) for kind in KINDS for size in SIZES for conns in CONNS),
    Served(
        "tcp-pipelined-1KiB-10c",
        "req/s",
        "TCP echo by protocol, 1 KiB, 10 connections with 16 messages outstanding on each",
        module="servers.echo",
        load=Load("echo", 10, KIB, depth=16),
        floor="echo",
    ),
    Served(
        "tcp-protocol-1KiB-10c-cold",
        "req/s",
        "tcp-protocol-1KiB-10c on a server that has seen no connection close",
        default=False,
        module="servers.echo",
        load=Load("echo", 10, KIB),
        warm=False,
    ),
    Served(
        "tcp-protocol-100KiB-10c-cold",
        "req/s",
        "tcp-protocol-100KiB-10c on a server that has seen no connection close",
        module="servers.echo",
        load=Load("echo", 10, 100 * KIB),
        warm=False,
    ),
    *(sockets(size, conns) for size in SIZES for conns in (1, 10, 100)),
    *(unix(kind, size) for kind in KINDS for size in SIZES),
    tls("protocol", 1, True),
    tls("protocol", 100, True),
    tls("streams", 1, True),
    tls("streams", 100, True),
    Served(
        "tcp-two-writes-1KiB-10c",
        "req/s",
        "TCP echo by protocol in two writes, of 128 bytes and of the rest, 1 KiB, 10 connections",
        module="servers.echo",
        args=("--kind", "halves"),
        load=Load("echo", 10, KIB),
    ),
]
