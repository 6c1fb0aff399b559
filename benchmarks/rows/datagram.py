"""Datagrams over UDP: what came in goes out, in a closed loop."""

from __future__ import annotations

from harness.loadgen import Load
from rows.row import Row, Served


def udp(peers: int) -> Row:
    return Served(
        f"udp-1KiB-{peers}p",
        "req/s",
        f"UDP echo by DatagramProtocol, 1 KiB, {peers} peer" + "s" * (peers > 1),
        module="servers.datagram",
        load=Load("datagram", peers, 1024),
        floor="datagram",
    )


ROWS = [udp(1), udp(10)]
