"""What getaddrinfo and getnameinfo are asked with: addresses in every spelling, names, and what is none of these."""

import itertools
import random
import socket

# fmt: off
HOSTS = [
    None, "", b"", "127.0.0.1", b"127.0.0.1", "127.1", "1", "0", "0x7f.1", "0X7F.0.0.1", "010.0.0.1", "1.2.65535",
    "1.2.65536", "256.0.0.1", "4294967295", "4294967296", "1.2.3", "1.2.3.", ".1.2.3", "1..2", "0x", "08", "+1", "1.2.3.4 ",
    " 1.2.3.4", "1.2.3.4.5", "0x1ffffffff", "00000000000000000000000000000000001", "1.2.3.0x100", "0b1", "1_0",
    "::", "::1", b"::1", "::ffff:1.2.3.4", "::1.2.3.4", "::ffff", "::0.1.2.3", "2001:db8::1", "2001:DB8::A", "1:2:3:4:5:6:7:8",
    "1::8::9", ":1", "1:", "12345::", "::00001", "1:2:3:4:5:6:7::", "::2:3:4:5:6:7:8", "1:2:3:4:5:6:1.2.3.4", "::1.2.3.04",
    "::ffff:0x7f.1", "fe80::1%lo", "fe80::1%1", "fe80::1%nosuch", "fe80::1%", "::1%lo", "::1%1", "ff02::1%lo", "1.2.3.4%lo",
    "[::1]", "localhost", "LOCALHOST", b"localhost", "127.0.0.1\0x", "::1\0x", "\u0661", "a" * 64, "a..b", ".", "\u00e9" * 70,
    "1.2.3.4" + "0" * 70, bytearray(b"127.0.0.1"), 1, 1.5, ["127.0.0.1"],
]
PORTS = [
    None, "", b"", 0, 80, "80", b"80", "080", 65535, 65536, "65616", -1, "-1", "+80", " 80", "80 ", "0x50", "http", b"http",
    "domain", "nosuchservice", "*", "80\0x", 2**31, 2**40, -(2**40), 2**70, "999999999", "4294967376", 10**12,
    True, 1.5, bytearray(b"80"), "\u0661", "\udc80", [80],
]
FAMILIES = [socket.AF_UNSPEC, socket.AF_INET, socket.AF_INET6, socket.AF_UNIX, 2, 99, -1]
TYPES = [0, socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_RAW, socket.SOCK_SEQPACKET, 1, 77, -1]
PROTOS = [0, socket.IPPROTO_TCP, socket.IPPROTO_UDP, socket.IPPROTO_ICMP, socket.IPPROTO_IPV6, 132, 6, -1]
FLAGS = [
    0, socket.AI_PASSIVE, socket.AI_CANONNAME, socket.AI_NUMERICHOST, socket.AI_NUMERICSERV, socket.AI_V4MAPPED,
    socket.AI_ADDRCONFIG, socket.AI_ALL, socket.AI_V4MAPPED | socket.AI_ALL, socket.AI_V4MAPPED | socket.AI_ADDRCONFIG,
    socket.AI_PASSIVE | socket.AI_NUMERICHOST, socket.AI_CANONNAME | socket.AI_NUMERICHOST | socket.AI_V4MAPPED,
    0x40, 0x80, 1 << 20, -1, 2**40, "0", None,
]
SOCKADDRS = [
    ("127.0.0.1", 80), ("127.0.0.1", 0), ("127.1", 65536), ("0x7f.1", -1), ("1.2.3.4", 2**31), ("127.0.0.1", 80, 0),
    ("::1", 80), ("::1", 80, 0), ("::1", 80, 5, 7), ("::1", 80, 0xFFFFF, 0), ("::1", 80, 0x100000, 0), ("::1", 80, -1),
    ("::1", 80, 0, -1), ("::1", 80, 0, 2**32), ("::1", 80, 0, 2**31), ("::ffff:1.2.3.4", 80), ("::1.2.3.4", 80), ("::ffff", 1),
    ("::0.1.2.3", 1), ("2001:DB8::A", 80), ("fe80::1", 80), ("fe80::1", 80, 0, 1), ("fe80::1", 80, 0, 99), ("fe80::1%lo", 80),
    ("fe80::1%1", 80, 0, 0), ("::1", 80, 0, 0, 0), ("localhost", 80), ("", 80), ("1..2", 80), ("127.0.0.1\0x", 80),
    ("\u0661", 80), ("\udc80", 80), (b"127.0.0.1", 80), (None, 80), ("127.0.0.1", "80"), ("127.0.0.1", None),
    ("127.0.0.1", 80.0), ("127.0.0.1", True), ("127.0.0.1",), (), ["127.0.0.1", 80], None, "127.0.0.1", 1,
    ("1.2.3.4" + "0" * 70, 80), ("a" * 64, 80),
]
NUMERIC_BOTH = socket.NI_NUMERICHOST | socket.NI_NUMERICSERV
NAME_FLAGS = [
    NUMERIC_BOTH, NUMERIC_BOTH | socket.NI_DGRAM, socket.NI_NUMERICHOST, socket.NI_NUMERICHOST | socket.NI_DGRAM,
    NUMERIC_BOTH | socket.NI_NAMEREQD, NUMERIC_BOTH | socket.NI_NOFQDN, NUMERIC_BOTH | 1 << 20, -1, 2**40, None, "3", True,  # True: NI_NUMERICHOST
]
# fmt: on

# Hosts that no network is asked about, as long as the family is right.
NAMES = {"localhost", "LOCALHOST", b"localhost"}


def answered_here(host, family, flags):
    """Whether a lookup is answered without the network, which does not say the same twice."""
    if type(flags) in (int, socket.AddressInfo) and 0 < flags < 2**31 and flags & socket.AI_NUMERICHOST:
        return True
    if not isinstance(host, (str, bytes)):
        return True
    return family == socket.AF_INET if host in NAMES else answers_numeric(host)


def answers_numeric(host):
    try:
        socket.getaddrinfo(host, 80, flags=socket.AI_NUMERICHOST)
    except socket.gaierror:
        return False
    except UnicodeError:
        pass
    return True


def combinations():
    """Every host with every port, plain and with a sample of the rest, always the same; then all of the rest with some hosts."""
    sample = random.Random(8)
    for host, port in itertools.product(HOSTS, PORTS):
        yield host, port, 0, socket.SOCK_STREAM, 0, 0
        yield (host, port, *(sample.choice(values) for values in (FAMILIES, TYPES, PROTOS, FLAGS)))
    for host in ("127.0.0.1", "::1", "::ffff:1.2.3.4", None):
        for rest in itertools.product(FAMILIES[:4], TYPES[:5], PROTOS[:5], FLAGS[:12]):
            yield (host, 80, *rest)


def outcome(function, *args):
    """What a call returned or raised, in a form that compares types and texts."""
    try:
        return described(function(*args))
    except Exception as exc:
        return described_error(exc)


async def outcome_of(coroutine):
    try:
        return described(await coroutine)
    except Exception as exc:
        return described_error(exc)


def described(answer):
    return repr(answer), answer


def described_error(exc):
    return type(exc), exc.args, str(exc)


async def differences_of_answers(loop, questions, times=3):
    """What getaddrinfo of the loop, asked so many times each, answers otherwise than socket's. It empties each answer, which is its own."""
    differences = []
    for question in questions:
        host, port, family, kind, proto, flags = question
        expected = outcome(socket.getaddrinfo, *question)
        for _ in range(times):
            got = await outcome_of(
                loop.getaddrinfo(host, port, family=family, type=kind, proto=proto, flags=flags)
            )
            if got != expected:
                differences.append((question, got, expected))
            if isinstance(got[1], list):
                got[1].clear()
    return differences
