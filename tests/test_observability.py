"""docs/observability.md: its tables name what there is, and its examples run."""

import json
import pathlib
import re
import shlex
import subprocess
import sys
import textwrap

import pytest

DOCS = pathlib.Path(__file__).parents[1] / "docs"
PAGE = (DOCS / "observability.md").read_text()

pytestmark = [pytest.mark.goloop_only, pytest.mark.linux_only]

# Serves at the path given, and is held as long as nothing comes at its standard input. It has reported by then.
PROGRAM = """
    import asyncio, os, sys, threading, goloop.control

    told = threading.Event()

    def tell(report):
        reports.append(report)
        told.set()

    async def main():
        goloop.watch(0.1, to=tell)
        goloop.control.serve(sys.argv[1])
        await asyncio.sleep(0.05)
        told.wait(10)
        print(json.dumps(reports[0]), flush=True)
        os.read(0, 1)
        await asyncio.sleep(0.05)
        print("goes on", flush=True)
        os.read(0, 1)

    import json
    reports = []
    goloop.run(main())
"""


@pytest.fixture
def held(tmp_path):
    """A program that is held: its process, the path of its endpoint, and its first report."""
    path = str(tmp_path / "app.sock")
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(PROGRAM), path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        yield process, path, json.loads(process.stdout.readline())
        process.stdin.close()


def rows(heading):
    """The rows of the first table below a heading."""
    section = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    table = re.findall(r"^\|(.*)\|$", section, re.MULTILINE)
    return [[cell.strip() for cell in row.split(" | ")] for row in table[2:]]


def ask(path, page):
    from goloop.cli.answers import Endpoint

    return Endpoint(path).ask(page)


def test_metrics(held):
    _, path, _ = held
    text = ask(path, "/metrics")[1].decode()
    documented = {row[0].strip("`"): row[1] for row in rows("The metrics")}
    assert documented == dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE))
    kinds = set(re.findall(r'kind="(\w+)"', text))
    (said,) = [row[3] for row in rows("The metrics") if row[0] == "`goloop_transports`"]
    assert kinds == set(re.findall(r"`(\w+)`", said)) - {"kind"}
    units = {row[0].strip("`"): row[2] for row in rows("The metrics")}
    assert all(unit == "seconds" for name, unit in units.items() if "_seconds" in name)


def test_pages(held):
    _, path, _ = held
    pages = {row[0].strip("`") for row in rows("The endpoint")}
    assert pages == set(re.findall(r"^(/\w+) ", ask(path, "/")[1].decode(), re.MULTILINE))
    for page in pages - {"/healthz"}:
        assert ask(path, page)[0] == 200


def test_fields_and_states_of_a_report(held):
    *_, report = held
    tables = rows("A report of the watchdog")
    fields = [row[0].strip("`") for row in tables]
    fields, states = fields[: fields.index("state", len(report) - 1)], fields[len(report) :]
    assert fields == list(report)
    told = (DOCS.parent / "control" / "watchdog" / "stall.go").read_text()
    assert states[2:] == re.findall(r'^\tState\w+ += "(\w+)"', told, re.MULTILINE)
    assert report["state"] in states


def test_commands():
    help_ = subprocess.run(
        [sys.executable, "-m", "goloop", "--help"], capture_output=True, text=True, timeout=20
    )
    documented = {re.match(r"`python -m goloop (\w+)", row[0])[1] for row in rows("The commands")}
    assert documented == set(re.findall(r"^    (\w+) ", help_.stdout, re.MULTILINE))


def test_alert_rule():
    (block,) = re.findall(r"```yaml\n( +- alert.*?)```", PAGE, re.DOTALL)
    rules = (DOCS / "prometheus" / "alerts.yml").read_text()
    assert block in rules
    documented = {row[0].strip("`") for row in rows("The metrics")}
    assert {name.removesuffix("_bucket") for name in re.findall(r"\bgoloop_\w+", rules)} <= documented


@pytest.mark.parametrize("number", [0, 1], ids=["curl", "python"])
def test_probe(held, number):
    process, path, _ = held
    block = re.findall(r"^    command: \[(.*)\]$", PAGE, re.MULTILINE)[number]
    command = shlex.split(block.replace(",", " "))
    command = [path if word == "/run/app/goloop.sock" else word for word in command]
    command = [sys.executable if word == "python" else word for word in command]
    ill = [re.sub(r"\b10$", "0.05", word) for word in command]  # it has been held for a tenth of a second

    def probe(command):
        try:
            return subprocess.run(command, capture_output=True, text=True, timeout=20)
        except FileNotFoundError:
            pytest.skip(f"there is no {command[0]}")

    assert (probe(command).returncode, probe(command).stdout) == (0, "ok\n")
    found = probe(ill)
    assert found.returncode != 0 and (number == 0 or "does not go on" in found.stderr)
    process.stdin.write("x")
    process.stdin.flush()
    assert process.stdout.readline() == "goes on\n"


def test_health_of_nobody(tmp_path):
    command = [sys.executable, "-m", "goloop", "health", str(tmp_path / "missing")]
    found = subprocess.run(command, capture_output=True, text=True, timeout=20)
    assert found.returncode == 1 and "nobody answers" in found.stderr


def test_health_of_what_is_misspelt(held):
    command = [sys.executable, "-m", "goloop", "health", "--stuck", "soon", held[1]]
    found = subprocess.run(command, capture_output=True, text=True, timeout=20)
    assert found.returncode == 1 and "answers 400: stuck is a number of seconds above zero" in found.stderr
