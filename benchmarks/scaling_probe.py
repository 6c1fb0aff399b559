"""The child of the scaling rows: ``python -m scaling_probe --loop SPEC --seconds S --in threads|interpreters``.

Two workers, each a thread or a sub-interpreter with a GIL of its own, have a loop each, which echoes over socket pairs of its
own and knows nothing of the other. In turn one of them runs, then both at once. Prints one line of JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import socket
import struct
import sys
import threading
import time

import loopspec

PAIRS = 10
SIZE = 1024
SLICES = 4  # of the time, each with one worker and with both
COMMAND = struct.Struct("d")  # seconds to run
ANSWER = struct.Struct("Qd")  # trips, seconds


class Echo(asyncio.Protocol):
    """Writes back what it gets."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.write = transport.write

    def data_received(self, data: bytes) -> None:
        self.write(data)


class Ask(Echo):
    """Sends its message, compares what comes back, and does so again while ``worker.going``."""

    def __init__(self, worker: Worker, number: int) -> None:
        self.worker = worker
        self.message = b"%08d" % number * (SIZE // 8)
        self.held = b""
        self.trips = 0

    def data_received(self, data: bytes) -> None:
        if self.held or len(data) < SIZE:
            self.held += data
            if len(self.held) < SIZE:
                return
            data, self.held = self.held, b""
        if data != self.message:
            raise RuntimeError(f"{self.message[:8]!r} was sent, and {data[:8]!r} came back")
        self.trips += 1
        if self.worker.going:
            self.write(self.message)
        else:
            self.worker.ended()


class Worker:
    """A loop with its pairs."""

    def __init__(self, spec: str, number: int) -> None:
        self.loop = loopspec.factory(spec)()
        loopspec.check(self.loop, spec)
        self.going = False
        self.left = 0
        self.asking = [Ask(self, 100 * number + pair) for pair in range(PAIRS)]
        self.transports = [
            self.loop.run_until_complete(self.loop.create_unix_connection(lambda end=end: end, sock=sock))[0]
            for ask in self.asking
            for end, sock in zip((ask, Echo()), socket.socketpair())
        ]

    def stop(self) -> None:
        self.going = False

    def ended(self) -> None:
        self.left -= 1
        if not self.left:
            self.loop.stop()

    def run(self, seconds: float) -> tuple[int, float]:
        """Trips and the time that they took."""
        self.going, self.left = True, PAIRS
        before = sum(ask.trips for ask in self.asking)
        self.loop.call_later(seconds, self.stop)
        for ask in self.asking:
            self.loop.call_soon(ask.write, ask.message)
        start = time.perf_counter()
        self.loop.run_forever()
        return sum(ask.trips for ask in self.asking) - before, time.perf_counter() - start

    def close(self) -> None:
        for transport in self.transports:
            transport.close()
        self.loop.run_until_complete(asyncio.sleep(0.01))
        self.loop.close()


def work(spec: str, number: int, commands: int, answers: int) -> None:
    """A worker's whole life: each command runs the loop; it ends with the pipe of commands."""
    worker = Worker(spec, number)
    os.write(answers, ANSWER.pack(0, 0))
    while command := os.read(commands, COMMAND.size):
        os.write(answers, ANSWER.pack(*worker.run(*COMMAND.unpack(command))))
    worker.close()
    os.close(answers)


def work_in_interpreter(*args: str | int) -> None:
    """The same in a sub-interpreter."""
    import _interpreters  # CPython 3.13 and newer

    interpreter = _interpreters.create("isolated")
    program = f"import sys; sys.path[:] = {sys.path!r}; import scaling_probe; scaling_probe.work(*{args!r})"
    if failed := _interpreters.run_string(interpreter, program):
        print(failed.formatted, file=sys.stderr)
        os._exit(1)
    _interpreters.destroy(interpreter)


class Control:
    """The main thread's end of a worker."""

    def __init__(self, spec: str, number: int, target: str) -> None:
        commands, self.commands = os.pipe()
        self.answers, answers = os.pipe()
        function = work if target == "threads" else work_in_interpreter
        self.thread = threading.Thread(target=self.guarded, args=[function, spec, number, commands, answers])
        self.thread.start()
        self.answer()

    def guarded(self, function, *args) -> None:  # type: ignore[no-untyped-def]
        try:
            function(*args)
        except BaseException as error:
            print(f"{type(error).__name__}: {error}", file=sys.stderr)
            os._exit(1)

    def answer(self) -> tuple[int, float]:
        trips, seconds = ANSWER.unpack(os.read(self.answers, ANSWER.size))
        return trips, seconds

    def end(self) -> None:
        os.close(self.commands)
        self.thread.join()


def measure(workers: list[Control], seconds: float) -> tuple[float, float, int]:
    """Let them run at once: trips a second, processor time of the process in s, and trips."""
    cpu = time.process_time()
    for worker in workers:
        os.write(worker.commands, COMMAND.pack(seconds))
    answers = [worker.answer() for worker in workers]
    cpu = time.process_time() - cpu
    return sum(trips / seconds for trips, seconds in answers), cpu, sum(trips for trips, _ in answers)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--loop", required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--in", dest="target", choices=("threads", "interpreters"), required=True)
    options = parser.parse_args()
    workers = [Control(options.loop, number, options.target) for number in range(2)]
    measure(workers, 0.1)
    rates, cpus, trips = [0.0, 0.0], [0.0, 0.0], [0, 0]
    for number in range(SLICES):
        for place, chosen in enumerate(([workers[number % 2]], workers)):
            rate, cpu, count = measure(chosen, options.seconds / SLICES)
            rates[place] += rate / SLICES
            cpus[place] += cpu
            trips[place] += count
    for worker in workers:
        worker.end()
    gil = getattr(sys, "_is_gil_enabled", lambda: True)()
    per_trip = [cpu / count * 1e6 for cpu, count in zip(cpus, trips)]
    print(
        json.dumps(
            {"one": rates[0], "two": rates[1], "cpu_one": per_trip[0], "cpu_two": per_trip[1], "gil": gil}
        )
    )


if __name__ == "__main__":
    main()
