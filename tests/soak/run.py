"""`make soak`: the parts that attack the loop for a time, and their figures as the table of docs/reliability.md.

    python run.py --seconds 600

The time is shared: half for the ownership stress, 3 tenths for the model, a fifth for the servers of
tests/hosts/test_soak.py, where the time is enough for them. The last line is JSON. Exits 1 when a part failed.
"""

import argparse
import json
import os
import pathlib
import platform
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
GRACE = 300  # seconds that a part may take beyond its time
HOSTS_FROM = 100  # seconds in all; below, the servers have no time to become warm


def part(name, *command, env=()):
    """Run a part; returns whether it passed, and its last line of output as JSON or text."""
    print(f"== {name}", flush=True)
    begun = time.monotonic()
    try:
        done = subprocess.run(
            [sys.executable, *command],
            cwd=HERE,
            env={**os.environ, **dict(env)},
            stdout=subprocess.PIPE,
            text=True,
            timeout=GRACE + seconds,
        )
    except subprocess.TimeoutExpired as exc:
        print(exc.stdout)
        return False, {"seconds": round(time.monotonic() - begun), "hung": True}
    print(done.stdout, end="", flush=True)
    last = (done.stdout.splitlines() or [""])[-1]
    try:
        figures = json.loads(last)
    except ValueError:
        figures = {"seconds": round(time.monotonic() - begun), "says": last.strip("= ")}
    return done.returncode == 0, figures


def table(results, loop):
    yield f"CPython {platform.python_version()}, {loop}, {platform.system()} {platform.release()}, {os.cpu_count()} processors:"
    yield ""
    yield "| part | seconds | what it did | what went wrong |"
    yield "|---|--:|---|---|"
    for name, (passed, figures) in results.items():
        figures = dict(figures)
        spent = figures.pop("seconds")
        wrong = {key: figures.pop(key) for key in WRONG if key in figures}
        did = figures.pop("says", "") + ", ".join(
            f"{value} {key}".replace("_", " ")
            for key, value in figures.items()
            if key not in ("loop", "seed")
        )
        told = ", ".join(f"{value} {key}".replace("_", " ") for key, value in wrong.items())
        yield f"| {name} | {spent} | {did} | {told or ('nothing' if passed else 'failed')}{'' if passed else ' **FAILED**'} |"


WRONG = ("crossed", "lost", "refused", "raised", "hangs", "descriptors", "memory_kib", "differ", "hung")

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--loop", default="goloop:new_event_loop", metavar="MODULE:FACTORY")
    parser.add_argument("--seconds", type=float, default=60)
    options = parser.parse_args()
    seconds = options.seconds
    loop = ("--loop", options.loop)
    seed = ("--seed", "1") if seconds < HOSTS_FROM else ()  # a short run tries what it tried before
    results = {
        "ownership": part("ownership", "ownership.py", *loop, "--seconds", str(seconds * 0.5)),
        "model": part("model", "model.py", *loop, "--seconds", str(seconds * 0.3), *seed),
    }
    if seconds >= HOSTS_FROM and options.loop.startswith("goloop"):
        only = {"GOLOOP_SOAK_SECONDS": str(seconds * 0.1), "GOLOOP_TESTS_ONLY": "goloop"}
        pytest = ("../../tools/run_pytest.py", "-q", "-c", "../pytest.ini", "../hosts/test_soak.py")
        results["servers under load"] = part("servers under load", *pytest, env=only)
    print()
    for line in table(results, options.loop):
        print(line)
    sys.exit(not all(passed for passed, _ in results.values()))
