"""A plugin of pytest: the loop that SUITE_LOOP names in the place of asyncio's, the proof of it, and what each test gave."""

import asyncio.selector_events
import functools
import json
import os
import pathlib
import sys

LOOP = os.environ["SUITE_LOOP"]
made = {"asyncio": 0, "goloop": 0}  # loops
outcomes = {}
WORST = ["passed", "xfailed", "skipped", "failed"]


def count(cls, name):
    original = cls.__init__

    @functools.wraps(original)
    def __init__(self, *args, **kwargs):
        made[name] += 1
        original(self, *args, **kwargs)

    cls.__init__ = __init__


count(asyncio.selector_events.BaseSelectorEventLoop, "asyncio")  # goloop's has another constructor
if LOOP == "goloop":
    import goloop

    count(goloop.Loop, "goloop")
    conformance = str(pathlib.Path(__file__).parents[1] / "conformance")
    sys.path.insert(0, conformance)
    import replacement

    sys.path.remove(conformance)
    replacement.install()


def pytest_runtest_logreport(report):
    outcome = "xfailed" if hasattr(report, "wasxfail") and report.skipped else report.outcome
    outcomes[report.nodeid] = max(outcome, outcomes.get(report.nodeid, "passed"), key=WORST.index)


def pytest_collectreport(report):
    if report.failed:
        outcomes[report.nodeid] = "failed"


def pytest_sessionfinish():
    with open(os.environ["SUITE_RESULT"], "w") as file:
        json.dump({"outcomes": outcomes, "made": made}, file)
