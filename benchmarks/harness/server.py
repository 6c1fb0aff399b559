"""One server process: started, awaited, looked at from outside, ended."""

from __future__ import annotations

import contextlib
import json
import selectors
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from harness import process
from harness.sample import RowFailed

PATIENCE = 30.0  # s until READY


@dataclass
class Server:
    """A server that listens."""

    child: subprocess.Popen[str]
    addr: str
    stderr: IO[str]

    @property
    def pid(self) -> int:
        return self.child.pid

    def complaint(self) -> str:
        """How it ended or what it last said on standard error; empty when there is nothing to tell."""
        self.stderr.seek(0)
        said = process.last_line(self.stderr.read())
        code = self.child.poll()
        return ": ".join(part for part in (process.ending(code) if code is not None else "", said) if part)

    def rss(self) -> int:
        """Resident memory in bytes, exact (the counters of /proc/PID/status lag by 64 pages a processor)."""
        for line in Path(f"/proc/{self.pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Rss:"):
                return int(line.split()[1]) * 1024
        raise RowFailed(f"no Rss in /proc/{self.pid}/smaps_rollup")

    def cpu(self) -> float:
        """Processor time of all threads so far, in s: what clock_getcpuclockid(3) names, as loadgen/cpu.go has it."""
        return time.clock_gettime(~self.pid << 3 | 2)

    def sleeps(self) -> dict[str, int]:
        """How often each thread has gone to sleep, by thread."""
        counts = {}
        for task in Path(f"/proc/{self.pid}/task").iterdir():
            with contextlib.suppress(FileNotFoundError):  # a thread that has just ended
                for line in (task / "status").read_text().splitlines():
                    if line.startswith("voluntary_ctxt_switches:"):
                        counts[task.name] = int(line.split()[1])
        return counts

    def status(self) -> dict[str, int]:
        """Peak and current memory in KiB and the number of threads, from /proc/PID/status."""
        wanted = {"VmHWM": "rss_peak_kib", "VmRSS": "rss_kib", "Threads": "threads"}
        result = {}
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            key, _, rest = line.partition(":")
            if key in wanted:
                result[wanted[key]] = int(rest.split()[0])
        return result


@contextlib.contextmanager
def running(command: list[str], cpu: int | None, more: dict[str, str]) -> Iterator[Server]:
    """The command's process with ``more`` in its environment, READY on entry and ended on exit; ``RowFailed`` when it does not start."""
    with tempfile.TemporaryFile("w+", prefix="goloop-bench-") as stderr:
        child = process.start(
            command,
            cpu,
            env=process.environment(more),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
        )
        try:
            server = Server(child, "", stderr)
            server.addr = wait_ready(server)
            yield server
        finally:
            process.stop(child)


def wait_ready(server: Server) -> str:
    """The address in the READY line."""
    out = server.child.stdout
    assert out
    until = time.monotonic() + PATIENCE
    with selectors.DefaultSelector() as selector:
        selector.register(out, selectors.EVENT_READ)
        while selector.select(max(0.0, until - time.monotonic())):
            line = out.readline()
            if line.startswith("READY "):
                return str(json.loads(line[6:])["addr"])
            if not line:
                server.child.wait()
                raise RowFailed(f"server did not start: {server.complaint()}")
    raise RowFailed(f"server not ready within {PATIENCE:.0f} s: {server.complaint()}")
