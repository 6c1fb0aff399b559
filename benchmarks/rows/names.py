"""Names and addresses."""

from __future__ import annotations

import itertools
import socket
from collections.abc import Awaitable, Callable
from typing import Any

from rows.host import Host, Outcome
from rows.row import InProcess

LOT = 200
NUMERIC = socket.NI_NUMERICHOST | socket.NI_NUMERICSERV


def one_by_one(host: Host, lookup: Callable[[], Awaitable[Any]]) -> Outcome:
    """Await 200 lookups one after the other."""

    async def lookups() -> None:
        for _ in range(LOT):
            await lookup()

    def lot() -> int:
        host.loop.run_until_complete(lookups())
        return LOT

    return host.lots(lot)


def literal(host: Host) -> Outcome:
    """An IPv4 address and a port."""
    return one_by_one(host, lambda: host.loop.getaddrinfo("127.0.0.1", 80, type=socket.SOCK_STREAM))


def localhost(host: Host) -> Outcome:
    """A name of the hosts file, the same again and again."""
    return one_by_one(
        host,
        lambda: host.loop.getaddrinfo("localhost", 80, family=socket.AF_INET, type=socket.SOCK_STREAM),
    )


def localhost_ports(host: Host) -> Outcome:
    """A name of the hosts file with another port each time."""
    ports = itertools.cycle(range(1, 1 << 16))
    return one_by_one(
        host,
        lambda: host.loop.getaddrinfo(
            "localhost", next(ports), family=socket.AF_INET, type=socket.SOCK_STREAM
        ),
    )


def localhost_spellings(host: Host) -> Outcome:
    """A name of the hosts file, in 512 spellings one after the other, which is more than anybody keeps: by libc's resolver."""
    letters = ((letter, letter.upper()) for letter in "localhost")
    names = itertools.cycle(["".join(name) for name in itertools.product(*letters)])
    return one_by_one(
        host,
        lambda: host.loop.getaddrinfo(next(names), 80, family=socket.AF_INET, type=socket.SOCK_STREAM),
    )


def name_of_literal(host: Host) -> Outcome:
    """An IPv4 address and a port, to stay numeric."""
    return one_by_one(host, lambda: host.loop.getnameinfo(("127.0.0.1", 80), NUMERIC))


def name_of_localhost(host: Host) -> Outcome:
    """The name of an address in the hosts file, the same again and again."""
    return one_by_one(host, lambda: host.loop.getnameinfo(("127.0.0.1", 80)))


ROWS = [
    InProcess("getaddrinfo-literal", "lookups/s", "getaddrinfo of 127.0.0.1 and 80", body=literal),
    InProcess(
        "getaddrinfo-localhost",
        "lookups/s",
        "getaddrinfo of localhost and 80, not pinned",
        body=localhost,
        pin=False,
    ),
    InProcess(
        "getaddrinfo-localhost-ports",
        "lookups/s",
        "getaddrinfo of localhost and another port each time, not pinned",
        body=localhost_ports,
        pin=False,
    ),
    InProcess(
        "getaddrinfo-localhost-spellings",
        "lookups/s",
        "getaddrinfo of localhost in 512 spellings and 80, not pinned",
        body=localhost_spellings,
        pin=False,
    ),
    InProcess(
        "getnameinfo-literal", "lookups/s", "getnameinfo of 127.0.0.1 and 80, numeric", body=name_of_literal
    ),
    InProcess(
        "getnameinfo-localhost",
        "lookups/s",
        "getnameinfo of 127.0.0.1 and 80 by name, not pinned",
        body=name_of_localhost,
        pin=False,
    ),
]
