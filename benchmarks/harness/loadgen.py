"""The load generator: built when its sources changed, run, read."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness import process
from harness.sample import RowFailed

SOURCES = process.HOME / "loadgen"
BATCH_MESSAGE = 4096  # bytes


@dataclass(frozen=True)
class Load:
    """What the load generator is asked for."""

    mode: str
    conns: int = 10
    size: int = 1024  # bytes
    depth: int = 1  # messages outstanding on each connection
    batch: bool = False  # one system call for all that is ready, where the system can
    rate: float = 0.0  # messages a second of the open loop

    @property
    def batches(self) -> bool:
        """Whether a batch makes a difference: what loadgen/batch.go says."""
        small = self.depth * self.size <= BATCH_MESSAGE
        return self.mode in ("echo", "datagram") and self.conns > 1 and small

    def args(self, conns: int) -> list[str]:
        args = [f"-mode={self.mode}", f"-conns={conns}", f"-size={self.size}", f"-depth={self.depth}"]
        if self.rate:
            args.append(f"-rate={self.rate}")
        return [*args, "-batch"] if self.batch else args


def build() -> Path:
    """The binary of the present sources, from the cache or from ``go build``; ``CalledProcessError`` when that fails."""
    root = process.HOME.parent
    digest = hashlib.sha256()
    for source in [
        root / "go.mod",
        *sorted((root / "internal" / "batch").glob("*.go")),
        *sorted(SOURCES.glob("*.go")),
    ]:
        digest.update(source.name.encode() + b"\0" + source.read_bytes())
    cache = process.cache()
    binary = cache / f"loadgen-{digest.hexdigest()[:16]}"
    if not binary.exists():
        fresh = cache / f"{binary.name}.{os.getpid()}"
        subprocess.run(["go", "build", "-o", str(fresh), "./benchmarks/loadgen"], cwd=root, check=True)
        for stale in cache.glob("loadgen-*"):
            if stale != fresh:
                stale.unlink(missing_ok=True)
        fresh.rename(binary)
    return binary


class Generator:
    """Runs the binary on a core of its own."""

    def __init__(self, binary: Path, cpu: int | None) -> None:
        self.binary = binary
        self.cpu = cpu
        # One goroutine does everything: the signals with which the runtime would preempt it only interrupt its waits.
        self.env = os.environ | {"GODEBUG": "asyncpreemptoff=1"}

    def run(self, args: list[str], seconds: float) -> dict[str, Any]:
        """The line it prints; ``RowFailed`` with its own words when it gave up or saw errors.

        ``seconds`` is how long the load lasts by its own clock; it may take 60 s more to connect and settle.
        """
        child = process.start(
            [str(self.binary), *args], self.cpu, env=self.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        try:
            out, err = child.communicate(timeout=seconds + 60)
        except subprocess.TimeoutExpired:
            raise RowFailed(f"load generator still busy after {seconds + 60:.0f} s") from None
        finally:
            process.stop(child)
        if child.returncode:
            raise RowFailed(process.last_line(err) or f"load generator: {process.ending(child.returncode)}")
        result: dict[str, Any] = json.loads(out)
        if result["errors"]:
            many = f"{result['errors']} errors, the first: " if result["errors"] > 1 else ""
            raise RowFailed(many + result["reason"])
        return result

    @contextlib.contextmanager
    def idle(self, addr: str, conns: int) -> Iterator[None]:
        """``conns`` connections, each used once, held open inside the block."""
        args = [str(self.binary), "-mode=idle", f"-addr={addr}", f"-conns={conns}", "-size=64"]
        pipe = subprocess.PIPE
        child = process.start(args, self.cpu, env=self.env, stdin=pipe, stdout=pipe, stderr=pipe)
        try:
            assert child.stdout and child.stderr
            if not child.stdout.readline():
                raise RowFailed(process.last_line(child.stderr.read()) or "idle connections were not opened")
            yield
        finally:
            process.stop(child)
