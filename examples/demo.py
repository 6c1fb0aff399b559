"""One web application on three event loops, side by side; `make demo` runs this.

Each loop gets a server process of its own (hello_aiohttp.py), which says before and after the load which loop
its handlers run on. The load comes from benchmarks/loadgen, on another core when there is one, in turns: asyncio,
uvloop, goloop, and again. The table shows medians; figures of one run can be compared with each other only.
"""

import argparse
import contextlib
import json
import os
import pathlib
import statistics
import subprocess
import sys
import urllib.request

LOOPS = ["asyncio", "uvloop", "goloop"]
SERVER = pathlib.Path(__file__).with_name("hello_aiohttp.py")
PATH = "/hello/you"


class Server:
    """hello_aiohttp.py in a child process, on one loop."""

    def __init__(self, loop):
        self.loop = loop
        self.process = subprocess.Popen(
            [sys.executable, str(SERVER), "--loop", loop, "--port", "0"], stdout=subprocess.PIPE, text=True
        )
        pin(self.process.pid, 0)
        self.url = self.process.stdout.readline().strip()
        if not self.url:
            raise SystemExit(f"the server on {loop} did not start (exit status {self.process.wait()})")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.communicate(timeout=10)

    def get(self, path):
        with urllib.request.urlopen(self.url + path, timeout=10) as answer:
            return answer.read().decode()

    def check(self):
        """Stop unless the application works, on the loop that it was told to use; the loop's full name."""
        running = self.get("/loop")
        if running.partition(".")[0] != self.loop:
            raise SystemExit(f"wanted a server on {self.loop}, and it runs on {running}")
        if json.loads(self.get(PATH)) != {"hello": "you"}:
            raise SystemExit(f"the server on {self.loop} answers wrongly")
        return running

    def load(self, loadgen, connections, seconds):
        """Load the server; loadgen's figures."""
        command = [loadgen, "-mode=http", f"-addr={self.url.removeprefix('http://')}", f"-path={PATH}"]
        command += [f"-conns={connections}", f"-seconds={seconds}s", f"-pid={self.process.pid}"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        pin(process.pid, 1)
        out, _ = process.communicate(timeout=60 + seconds)
        if process.returncode:
            raise SystemExit(f"the load generator failed against {self.loop}")
        result = json.loads(out)
        if result["errors"] or not result["requests"]:
            raise SystemExit(f"wrong answers from {self.loop}: {result}")
        return result


def pin(pid, core):
    """Keep a process on one core, where the system can and there is more than one."""
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    if len(cores) > 1:
        os.sched_setaffinity(pid, {cores[core]})


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--loadgen", required=True, help="go build -o build/loadgen ./benchmarks/loadgen")
    parser.add_argument("--connections", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=2, help="of load, in each round")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()

    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(Server(loop)) for loop in LOOPS]
        names = {server.loop: server.check() for server in servers}
        print(
            f"aiohttp, {options.connections} connections, {options.rounds} rounds of {options.seconds:g} s, medians"
        )
        results = {loop: [] for loop in LOOPS}
        for server in servers:
            server.load(options.loadgen, options.connections, 0.5)  # warm
        for _ in range(options.rounds):
            for server in servers:
                results[server.loop].append(
                    server.load(options.loadgen, options.connections, options.seconds)
                )
        for server in servers:
            assert server.check() == names[server.loop]

    def median(loop, figure):
        return statistics.median(figure(result) for result in results[loop])

    width = max(map(len, names.values()))
    print(f"{'loop':<{width}} {'requests/s':>10} {'':>6} {'p50 ms':>7} {'p99 ms':>7} {'CPU µs/request':>15}")
    base = median("asyncio", lambda result: result["rps"])
    for loop in LOOPS:
        rate = median(loop, lambda result: result["rps"])
        p50, p99 = (median(loop, lambda result, key=key: result[key] / 1000) for key in ("p50_us", "p99_us"))
        cpu = median(loop, lambda result: result["server_cpu_s"] / result["requests"] * 1e6)
        print(
            f"{names[loop]:<{width}} {rate:>10,.0f} {rate / base:>5.2f}x {p50:>7.2f} {p99:>7.2f} {cpu:>15.1f}"
        )


if __name__ == "__main__":
    main()
