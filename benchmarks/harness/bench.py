"""What a row is given to measure with."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from harness import floor, process, scraping, services
from harness import server as servers
from harness.loadgen import Generator, Load
from harness.loops import Loop
from harness.sample import RowFailed


@dataclass(frozen=True)
class Options:
    """How long and where."""

    seconds: float = 1.5  # one measured window
    lead: float = 0.2  # s of load before it
    starts: int = 5  # fresh processes of one start-up sample
    server_cpu: int | None = None  # also of in-process rows; None: not pinned
    load_cpu: int | None = None


WARM_CONNS = 4
WARM_SECONDS = 0.1


class Bench:
    """Starts servers, loads and children for a row."""

    def __init__(self, options: Options, generator: Generator, floor: Loop | None = None) -> None:
        self.options = options
        self.generator = generator
        self.floor = floor
        self.known: dict[Any, Any] = {}  # what rows have found out, to be found out once a run
        self.services: dict[str, str | RowFailed] = {}  # where each is, or why it is not
        self.ends = contextlib.ExitStack()

    def __enter__(self) -> Bench:
        return self

    def __exit__(self, *_: object) -> None:
        self.ends.close()

    def service(self, name: str) -> str:
        """Where the server of that name is, which runs from its first use to the end of all."""
        if name not in self.services:
            try:
                kind = services.KINDS[name](self.options.load_cpu)
                self.services[name] = self.ends.enter_context(kind)
            except RowFailed as failure:
                self.services[name] = failure
        known = self.services[name]
        if isinstance(known, RowFailed):
            raise known
        return known

    @contextlib.contextmanager
    def server(self, loop: Loop, module: str, args: list[str]) -> Iterator[servers.Server]:
        """A fresh server on its core. A failure inside the block is told with the server's last words."""
        command = [loop.python, "-m", module, "--loop", loop.spec]
        if loop.name == floor.NAME:
            command = [loop.spec]
        with (
            self.observed(loop) as more,
            servers.running([*command, *args], self.options.server_cpu, more) as server,
        ):
            try:
                yield server
            except RowFailed as failure:
                said = server.complaint()
                raise RowFailed(f"{failure} (server: {said})" if said else str(failure)) from None

    def warm(self, server: servers.Server, load: Load) -> None:
        """Open a few connections, use them as the row will, close them: see the malloc trap in README.md."""
        args = [*load.args(min(load.conns, WARM_CONNS)), f"-addr={server.addr}"]
        self.generator.run([*args, "-lead=0s", f"-seconds={WARM_SECONDS}s"], WARM_SECONDS)

    def load(self, server: servers.Server, load: Load, windows: float = 1) -> dict[str, Any]:
        """The measured load, for some windows' time."""
        opt = self.options
        args = [*load.args(load.conns), f"-addr={server.addr}", f"-pid={server.pid}"]
        seconds = opt.seconds * windows
        args += [f"-lead={opt.lead}s", f"-seconds={seconds}s"]
        result = self.generator.run(args, opt.lead + seconds)
        if not result["requests"]:
            raise RowFailed(f"no request was completed within {result['seconds']:.1f} s")
        return result

    def child(self, module: str, args: list[str], pin: bool = True, loop: Loop | None = None) -> Any:
        """``python -m MODULE ARGS`` to its end, as it is to be for ``loop``; its last line of output is JSON."""
        with self.observed(loop) as more:
            return self.run_child([loop.python if loop else sys.executable, "-m", module, *args], pin, more)

    def observed(self, loop: Loop | None) -> contextlib.AbstractContextManager[dict[str, str]]:
        """What processes of ``loop`` have in their environment; they are scraped inside the block, if they are to be."""
        if loop and loop.observed:
            return scraping.scraped(self.options.load_cpu)
        return contextlib.nullcontext({})

    def run_child(self, command: list[str], pin: bool, more: dict[str, str]) -> Any:
        cpu = self.options.server_cpu if pin else None
        child = process.start(
            command, cpu, env=process.environment(more), stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        limit = self.options.seconds * 5 + 60
        try:
            out, err = child.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            raise RowFailed(f"still running after {limit:.0f} s") from None
        finally:
            process.stop(child)
        if child.returncode:
            said = process.last_line(err)
            raise RowFailed(": ".join(part for part in (process.ending(child.returncode), said) if part))
        return json.loads(out.splitlines()[-1])

    @contextlib.contextmanager
    def socket_path(self) -> Iterator[str]:
        """A path for a Unix socket."""
        with tempfile.TemporaryDirectory(prefix="goloop-bench-") as folder:
            yield os.path.join(folder, "socket")


def cores(pin: bool) -> tuple[int | None, int | None]:
    """``(server, load generator)``: the last and the first core we may use; nothing pinned when there is only one."""
    allowed = sorted(os.sched_getaffinity(0))
    if not pin or len(allowed) < 2:
        return None, None
    return allowed[-1], allowed[0]
