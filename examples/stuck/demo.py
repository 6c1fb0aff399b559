"""A web server is blocked three times; who notices, when, and what do they know? `make demo-stuck` runs this.

On asyncio and uvloop the usual tools watch it (tools.py), on goloop the watchdog and the endpoint do. Each cell says when the
first word came, in seconds since the block began, and which line of blocks.py it named. What comes when the block is
over is in parentheses. The status is 1 when goloop did not do what the README says of it.
"""

import argparse
import http.client
import os
import pathlib
import queue
import re
import subprocess
import sys
import tempfile
import threading
import time

import blocks
import tools

HERE = pathlib.Path(__file__).parent
PAGES = ["healthz", "stack", "tasks", "metrics", "stalls"]
SAYS = {
    "debug": "debug mode's log of slow callbacks",
    "heartbeat": "a heartbeat task",
    "thread": "a thread with sys._current_frames()",
    "faulthandler": "faulthandler.dump_traceback_later()",
    "goloop": "goloop.watch()",
    "probe": "the application's own /healthz",
    "endpoint": "the endpoint: {} answers",
    "healthz": "the endpoint's /healthz",
}
BLOCKS = {"sleep": "time.sleep()", "native": "C code that keeps the GIL", "lock": "a lock taken twice"}


class Server:
    """server.py in a process of its own, on one loop, and all that it says."""

    def __init__(self, loop, folder):
        self.loop = loop
        self.control = os.path.join(folder, f"{loop}.sock")
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-u",
                str(HERE / "server.py"),
                "--port=0",
                f"--loop={loop}",
                f"--control={self.control}",
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.said = queue.SimpleQueue()  # of times and lines
        if not (port := self.process.stdout.readline().strip()):
            raise SystemExit(f"the server on {loop} did not start: {self.process.communicate()[1]}")
        self.port = int(port)
        sources = [(self.process.stderr, ""), (self.process.stdout, "faulthandler: ")]
        self.readers = [threading.Thread(target=self.read, args=source) for source in sources]
        for reader in self.readers:
            reader.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(10)
        for reader in self.readers:
            reader.join()

    def read(self, pipe, name):
        for line in pipe:
            self.said.put((time.monotonic(), name + line.rstrip("\n")))

    def get(self, path, timeout):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request("GET", path)
            return connection.getresponse().read()
        finally:
            connection.close()


class Block:
    """One block of one server: what was said of it, and when."""

    def __init__(self, server, kind, seconds):
        self.server, self.kind, self.seconds = server, kind, seconds
        self.pages = {page: [] for page in PAGES}  # how long each answer took
        self.statuses = []  # of /healthz, with times
        self.probe = None  # how long the application's own /healthz took
        time.sleep(2 * tools.LATE)  # so that nothing lasts of what was before
        while not server.said.empty():
            server.said.get()
        self.begin = time.monotonic()
        asker, prober = threading.Thread(target=self.ask), threading.Thread(target=self.ask_probe)
        asker.start()
        prober.start()
        self.end = None
        if server.loop == "goloop":
            self.ask_endpoint(asker)
        asker.join()
        prober.join()
        time.sleep(2 * tools.LATE)  # for what is said when it is over
        self.well = server.get("/healthz", 5) == b"ok\n"
        if server.loop == "goloop":
            self.well = self.well and self.endpoint("healthz")[0] == 200
        self.said = []
        while not server.said.empty():
            self.said.append(server.said.get())

    def ask(self):
        self.server.get(f"/{self.kind}?seconds={self.seconds}", 10 * self.seconds + 10)
        self.end = time.monotonic()

    def ask_probe(self):
        time.sleep(tools.LATE / 2)
        began = time.monotonic()
        self.server.get("/healthz", 10 * self.seconds + 10)
        self.probe = time.monotonic() - began

    def endpoint(self, page):
        from goloop.cli.answers import Endpoint

        return Endpoint(self.server.control).ask(f"/{page}")

    def ask_endpoint(self, asker):
        """All pages in turn, as long as the block lasts."""
        while asker.is_alive():
            for page in PAGES:
                began = time.monotonic()
                status, _ = self.endpoint(page)
                took = time.monotonic() - began
                if asker.is_alive():
                    self.pages[page].append(took)
                    if page == "healthz":
                        self.statuses.append((began - self.begin, status))
            time.sleep(0.02)

    def words(self, tool):
        """When a tool first said something, and what; or None."""
        said = [each for each in self.said if each[1].startswith(f"{tool}: ")]
        if tool == "faulthandler":  # many lines
            said = [(at, "\n".join(line for _, line in said)) for at, _ in said[:1]]
        return (said[0][0] - self.begin, said[0][1]) if said else None

    def lasted(self, at):
        """Whether the block lasted at that time; what comes at its very end, comes after it."""
        return at < self.end - self.begin - 0.1

    def cell(self, tool):
        if tool == "probe":
            return f"silent for {self.probe:.2f} s"
        if tool == "endpoint":
            took = sorted(time for times in self.pages.values() for time in times)
            return f"median {took[len(took) // 2] * 1000:.1f} ms, slowest {took[-1] * 1000:.0f} ms"
        if tool == "healthz":
            ill = [at for at, status in self.statuses if status == 503]
            return (
                f"503 from {ill[0]:.2f} s on, then {'200' if self.well else 'NOT WELL'}"
                if ill
                else "NEVER 503"
            )
        words = self.words(tool)
        if words is None:
            return "nothing"
        where = place(words[1])
        text = f"{words[0]:.2f} s{f', {where}' if where else ', no line'}"
        return text if self.lasted(words[0]) else f"({text})"

    def faults(self, within):
        """What goloop did not do."""
        name = f"goloop, {self.kind}"
        for page, times in self.pages.items():
            if not times or max(times) > within:
                yield f"{name}: /{page} took {max(times, default=0) * 1000:.0f} ms, of {len(times)} answers"
        ill = [at for at, status in self.statuses if status == 503]
        if not ill or any(status != 503 for at, status in self.statuses if at > ill[0] and self.lasted(at)):
            yield f"{name}: /healthz said {[status for _, status in self.statuses]}"
        words = self.words("goloop")
        if words is None or not self.lasted(words[0]) or not place(words[1]):
            yield f"{name}: the watchdog said {words}"
        if not self.well:
            yield f"{name}: not well afterwards"


def place(text):
    """The innermost line of blocks.py that is named, or empty."""
    found = re.search(r'blocks\.py(?:", line |:)(\d+)', text)
    return f"blocks.py:{found[1]}" if found else ""


def table(rows):
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    rows.insert(1, ["-" * width for width in widths])
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=5, help="of each block")
    parser.add_argument("--loops", default="asyncio,uvloop,goloop")
    parser.add_argument("--within", type=float, default=50, help="milliseconds that the endpoint may take")
    options = parser.parse_args()

    if (load := os.getloadavg()[0]) > os.cpu_count():
        options.within *= 10
        print(
            f"This machine is busy (load {load:.1f}, {os.cpu_count()} CPUs): the endpoint may take ten times as long."
        )
    rows = [["loop", "who tells", *BLOCKS.values()]]
    faults, reports, answers = [], [], 0
    with tempfile.TemporaryDirectory() as folder:
        for loop in options.loops.split(","):
            with Server(loop, folder) as server:
                found = [Block(server, kind, options.seconds) for kind in blocks.ALL]
            lengths = ", ".join(f"{block.kind} {block.end - block.begin:.2f} s" for block in found)
            print(f"{loop}: blocked by {lengths}", flush=True)
            ours = ["goloop", "endpoint", "healthz"] if loop == "goloop" else tools.NAMES
            answers += sum(len(times) for block in found for times in block.pages.values())
            for tool in [*ours, "probe"]:
                rows.append([loop, SAYS[tool].format(answers), *(block.cell(tool) for block in found)])
            if loop == "goloop":
                faults += [fault for block in found for fault in block.faults(options.within / 1000)]
                reports += [words[1].split(" {")[0] for block in found if (words := block.words("goloop"))]
    print()
    table(rows)
    print("\nThe watchdog's reports, without their JSON:", *reports, sep="\n  ")
    for fault in faults:
        print("NOT AS IT SHOULD BE:", fault)
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
