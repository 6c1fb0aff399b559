"""Processes whose loops are watched, and asked for their metrics each second: ``python -m harness.scraping FOLDER`` does the asking.

That is a process of its own, beside the load generator: its time is not the measured process's.
"""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from harness import process
from harness.sample import RowFailed

THRESHOLD = "0.25"  # s, of the watchdog
PERIOD = 1.0  # s between two scrapes of a process
LOOK = 0.02  # s between two looks for one that has just begun


@contextlib.contextmanager
def scraped(cpu: int | None) -> Iterator[dict[str, str]]:
    """What a process needs in its environment to be watched and scraped inside the block; ``RowFailed`` if none was."""
    with tempfile.TemporaryDirectory(prefix="goloop-bench-") as folder:
        command = [sys.executable, "-m", "harness.scraping", folder]
        child = process.start(command, cpu, env=process.environment(), stdout=subprocess.PIPE)
        try:
            yield {"GOLOOP_WATCHDOG": THRESHOLD, "GOLOOP_CONTROL": f"{folder}/{{pid}}"}
            child.terminate()
            told, _ = child.communicate(timeout=10)
        finally:
            process.stop(child)
    if not int(told or 0):
        raise RowFailed("the process was not scraped")


def scrape(path: Path) -> bool:
    """Ask one process; false when nobody answers."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(PERIOD)
        try:
            sock.connect(str(path))
            sock.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
            page = b"".join(iter(lambda: sock.recv(65536), b""))
        except OSError:
            return False
    return b"goloop_callbacks_total" in page


def main() -> None:
    folder = Path(sys.argv[1])
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])  # which ends no scrape
    times, due = 0, 0.0
    while True:
        answered = sum(map(scrape, folder.iterdir())) if time.monotonic() >= due else 0
        times += answered
        if answered:
            due = time.monotonic() + PERIOD
        if signal.sigtimedwait([signal.SIGTERM], max(LOOK, due - time.monotonic())):
            break
    print(times, flush=True)


if __name__ == "__main__":
    main()
