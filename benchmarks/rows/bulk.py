"""One-way transfers."""

from __future__ import annotations

from harness.loadgen import Load
from rows.row import Row, Served

WRITE = 64 * 1024  # bytes the load generator hands to one send


def bulk(name: str, what: str, way: str, conns: int, default: bool = True, warm: bool = True) -> Row:
    mode = "download" if way == "source" else "upload"
    load = Load(mode, conns, WRITE)
    args = ("--way", way)
    return Served(name, "MiB/s", what, default, module="servers.bulk", args=args, load=load, warm=warm)


ROWS = [
    bulk("bulk-upload-1c", "server receives by protocol, 1 connection", "sink", 1),
    bulk("bulk-download-1c", "server sends by protocol, with flow control, 1 connection", "source", 1),
    bulk("bulk-upload-10c", "the same upload, 10 connections", "sink", 10),
    bulk("bulk-download-10c", "the same download, 10 connections", "source", 10),
    bulk(
        "bulk-upload-1c-cold", "upload to a server that has seen no connection close", "sink", 1, warm=False
    ),
    bulk("bulk-download-1c-cold", "download from such a server", "source", 1, warm=False),
    bulk(
        "bulk-upload-buffered-1c",
        "server receives by buffered protocol, 1 connection",
        "buffered-sink",
        1,
        False,
    ),
]
