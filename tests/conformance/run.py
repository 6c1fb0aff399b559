"""Runs other projects' tests of asyncio on asyncio's own loop and on goloop, and compares.

    python run.py                     CPython's own suite, of the Python that runs this
    python run.py --suite tornado     tornado's
    python run.py -k create_server    the tests whose name has this in it; may be given again
    python run.py --short             asyncio's loop has only the tests that goloop does not pass
    python run.py --slowest 20        also say what took longest
    python run.py --loop uvloop:Loop  another loop in goloop's place, to compare; expected.py is not asked

Exit status 0: goloop passes all that asyncio's loop passes, but for what expected.py lists.
"""

import argparse
import collections
import fnmatch
import json
import os
import pathlib
import platform
import sys
import time
import unittest

import catalogue
import expected
import isolation
import replacement
import verdicts

import goloop
from goloop import _core, engine

LOOPS = {"asyncio": lambda: None, "goloop": replacement.install}
LETTERS = {"passed": ".", "skipped": "s", "failed": "F", "crashed": "C", "late": "L"}


class Job:
    """A test on one loop."""

    def __init__(self, test, loop):
        self.asked = test
        self.test = test.case
        self.loop = loop
        self.prepare = LOOPS[loop]


def arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--suite", choices=catalogue.SUITES, default="cpython")
    parser.add_argument(
        "-k", action="append", metavar="TEXT", help="a part of a name, or a pattern with wildcards"
    )
    parser.add_argument("--loop", metavar="MODULE:CLASS", help="another loop in goloop's place")
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1), help="tests at a time")
    parser.add_argument("--limit", type=float, default=60, metavar="SECONDS", help="for one test")
    parser.add_argument(
        "--short",
        action="store_true",
        help="ask asyncio's loop only where its answer can change the verdict; not with --json",
    )
    parser.add_argument("--slowest", type=int, default=0, metavar="N", help="name the N slowest tests")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="write the results for table.py")
    parser.add_argument(
        "-v", "--verbose", action="store_true", help="a line for each test, and what both loops said"
    )
    options = parser.parse_args()
    if options.short and options.json:
        parser.error("--json tells what asyncio's loop passes, which --short does not ask")
    return options


def wanted(test, patterns):
    return not patterns or any(part in test.id or fnmatch.fnmatchcase(test.id, part) for part in patterns)


def engine_loaded():
    return engine.is_loaded()


def check_replacement(pool):
    """The replacement takes, and a run without it is told from one with it. Returns what is wrong."""
    cases = [
        case
        for cls in (replacement.Check, replacement.CheckIsolated)
        for case in unittest.defaultTestLoader.loadTestsFromTestCase(cls)
    ]
    jobs = [Job(catalogue.Test(case.id(), "check", case), loop) for case in cases for loop in LOOPS]
    wrong = []
    for job, outcome in pool.run(jobs):
        good = outcome.kind == ("passed" if job.loop == "goloop" else "failed")
        told = outcome.engine == (job.loop == "goloop") or replacement.subject is not goloop.Loop
        if not good or not told:
            wrong.append(f"{job.asked.id} on {job.loop}: {outcome.kind}\n{outcome.detail}")
    return wrong


def run_all(pool, tests, verbose, short):
    """Run each test on both loops; what failed runs again, with nothing beside it. Short: on asyncio's what verdicts need."""
    results = {}
    begin = ["goloop"] if short else list(LOOPS)
    run_jobs(pool, [Job(test, loop) for test in tests for loop in begin], results, verbose)
    if short:
        asked = [test for test in tests if verdicts.needs_asyncio(test, results[test.id, "goloop"])]
        results |= {(test.id, "asyncio"): isolation.Outcome(verdicts.NOT_ASKED) for test in tests}
        run_jobs(pool, [Job(test, "asyncio") for test in asked], results, verbose)
    again = [
        Job(test, loop)
        for test in tests
        for loop in LOOPS
        if results[test.id, loop].kind not in ("passed", "skipped", verdicts.NOT_ASKED)
        and not (loop == "goloop" and verdicts.matching(test.id) is not None)
    ]
    second = []
    pool.width = 1
    for job, outcome in pool.run(again):
        if outcome.kind == "passed":
            second.append(f"{job.asked.id} on {job.loop}")
        results[job.asked.id, job.loop] = outcome
    return results, second


def run_jobs(pool, jobs, results, verbose):
    """Run them, and keep and show what becomes of each."""
    letters = 0
    for job, outcome in pool.run(jobs):
        results[job.asked.id, job.loop] = outcome
        if verbose:
            print(f"{outcome.seconds:7.2f} s  {job.loop:8}{outcome.kind:8} {job.asked.id}", flush=True)
        else:
            letters += 1
            print(LETTERS[outcome.kind], end="" if letters % 100 else f" {letters}\n", flush=True)
    if letters % 100:
        print()


def heading(text):
    print(f"\n== {text} {'=' * max(0, 100 - len(text))}")


def show(verdict, verbose):
    """What went wrong with one test, in full."""
    heading(f"{verdict.test.id}: {verdict.word}")
    if verdict.word == verdicts.UNEXPECTED:
        print(f"expected.py says: {verdict.reason}")
    for loop in LOOPS:
        outcome = getattr(verdict, loop)
        if verbose or loop == "goloop":
            print(f"[{loop}] {outcome.kind} after {outcome.seconds:.2f} s\n{outcome.detail}")


def summary(judged):
    """Per area: how many pass, of how many that asyncio's loop passes, or might."""
    rows = {}
    for verdict in judged:
        row = rows.setdefault(verdict.test.area, collections.Counter())
        row["of"] += verdict.asyncio.kind in ("passed", verdicts.NOT_ASKED)
        row["passed"] += verdict.word in (verdicts.PASSED, verdicts.UNEXPECTED)
        row["made a loop"] += verdict.goloop.engine
    return rows


def main():
    options = arguments()
    if options.loop:
        replacement.choose(options.loop)
        expected.EXPECTED.clear()
    started = time.monotonic()
    try:
        tests = catalogue.SUITES[options.suite]()
    except catalogue.Missing as missing:
        sys.exit(str(missing))
    stale = (
        []
        if options.k or options.suite == "tornado"
        else verdicts.without_a_test([test.id for test in tests])
    )
    tests = [test for test in tests if wanted(test, options.k)]
    print(
        f"{options.suite} on CPython {platform.python_version()}: {len(tests)} tests, {options.jobs} at a time"
    )
    print(f"goloop: {os.path.dirname(_core.__file__)}")
    if isolation.number_of_threads() != 1:
        sys.exit("a thread runs before the first test; each test must begin without one")

    pool = isolation.Pool(options.jobs, options.limit, engine_loaded)
    try:
        wrong = check_replacement(pool)
        if wrong:
            sys.exit(
                "goloop is not in the place of asyncio's loop, or that cannot be told:\n" + "\n".join(wrong)
            )
        results, second = run_all(pool, tests, options.verbose, options.short)
    finally:
        pool.close()

    judged = [verdicts.compare(test, *(results[test.id, loop] for loop in LOOPS)) for test in tests]
    bad = [verdict for verdict in judged if verdict.word in verdicts.BAD]
    for verdict in bad:
        show(verdict, options.verbose)
    report(options, judged, second, stale)
    rows = summary(judged)
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        classes = {}
        for verdict in judged:
            row = classes.setdefault(verdict.test.id.rpartition(".")[0], collections.Counter())
            row["of"] += verdict.asyncio.kind == "passed"
            row["passed"] += verdict.word == verdicts.PASSED
        found = {
            "suite": options.suite,
            "python": platform.python_version() + sys.abiflags,  # "3.13.5t" is free-threaded
            "areas": rows,
            "classes": classes,
        }
        options.json.write_text(json.dumps(found, indent=1) + "\n")
    words = collections.Counter(verdict.word for verdict in judged)
    skipped = words[verdicts.SKIPPED] + words[verdicts.NOT_HERE]
    print(
        f"\n{words[verdicts.PASSED]} passed, {len(bad) + len(stale)} failed, {skipped} skipped, "
        f"{words[verdicts.EXPECTED]} xfailed in {time.monotonic() - started:.0f}s"
    )
    sys.exit(1 if bad or stale else 0)


def report(options, judged, second, stale):
    if options.slowest:
        heading("slowest")
        timed = [(getattr(v, loop).seconds, loop, v.test.id) for v in judged for loop in LOOPS]
        for seconds, loop, name in sorted(timed, reverse=True)[: options.slowest]:
            print(f"{seconds:7.2f} s  {loop:8}{name}")
    heading("not compared: asyncio's own loop fails here")
    for verdict in judged:
        if verdict.word == verdicts.NOT_HERE:
            print(f"{verdict.test.id} ({verdict.asyncio.kind}; goloop: {verdict.goloop.kind})")
    heading("passed only when run again alone")
    print("\n".join(second) or "none")
    heading("expected failures")
    for verdict in judged:
        if verdict.word == verdicts.EXPECTED:
            print(f"{verdict.test.id}: {verdict.reason}")
    for key in stale:
        print(f"FAILED: expected.py names no test of this Python: {key}")
    bad = [verdict for verdict in judged if verdict.word in verdicts.BAD]
    if bad:
        heading("failed")
        for verdict in bad:
            print(f"{verdict.word}: {verdict.test.id}")
    asked = "asyncio's loop passes" if not options.short else "asyncio's loop passes or was not asked"
    heading(f"passed, of those that {asked}; of all tests, those that made a goloop loop")
    for area, row in summary(judged).items():
        print(f"{area:8} {row['passed']} of {row['of']}; {row['made a loop']}")


if __name__ == "__main__":
    main()
