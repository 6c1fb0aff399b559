"""What `make demo-stuck` shows, in its short form: who notices that a web server is blocked, and when."""

import pathlib
import re
import subprocess
import sys

import pytest

DEMO = pathlib.Path(__file__).parents[2] / "examples" / "stuck" / "demo.py"

pytestmark = [pytest.mark.goloop_only, pytest.mark.linux_only, pytest.mark.timeout(43)]


def row(table, who):
    """The cells of a row."""
    (line,) = [line for line in table.splitlines() if who in line]
    return re.split(r"  +", line)[2:]


def demo(loop):
    # Fifty milliseconds are for a machine that does nothing else.
    command = [sys.executable, str(DEMO), "--seconds=1.5", "--within=1000", f"--loops={loop}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=40)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_goloop_tells_while_it_lasts():
    table = demo("goloop")
    for cell in row(table, "goloop.watch()"):
        assert re.fullmatch(r"[01]\.\d\d s, blocks\.py:\d+", cell)
    for cell in row(table, "the endpoint's /healthz"):
        assert re.fullmatch(r"503 from [01]\.\d\d s on, then 200", cell)
    for cell in row(table, "the application's own"):
        assert float(cell.split()[2]) > 0.8
    assert re.search(r"blocks\.py:\d+ native, in a call that keeps the GIL$", table, re.MULTILINE)
    assert re.search(r"blocks\.py:\d+ lock, in Python, .*, in task \S+", table)


def test_usual_tools_of_asyncio():
    table = demo("asyncio")
    sleep, native, lock = row(table, "a thread with sys._current_frames()")
    assert re.fullmatch(r"[01]\.\d\d s, blocks\.py:\d+", sleep) and re.fullmatch(
        r"[01]\.\d\d s, blocks\.py:\d+", lock
    )
    assert native.startswith("(") or native == "nothing"  # it gets no GIL
    for who in ("debug mode", "a heartbeat task"):
        assert all(cell.endswith(("s, no line", "s, no line)")) for cell in row(table, who))
