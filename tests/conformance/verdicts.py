"""The outcomes of one test on both loops, put beside each other and beside expected.py."""

import fnmatch
import sys
from dataclasses import dataclass

import expected

# What a test can come to. BAD ones fail the run.
PASSED = "passed"
SKIPPED = "skipped"  # on asyncio's loop, so there is nothing to compare
NOT_HERE = "fails on asyncio too"
EXPECTED = "expected failure"
FAILED = "FAILED"
UNEXPECTED = "UNEXPECTED PASS"
BAD = {FAILED, UNEXPECTED}

NOT_ASKED = "not asked"  # an outcome: goloop passes, so it does not matter here what asyncio's loop does


@dataclass
class Verdict:
    test: object
    word: str
    asyncio: object  # an Outcome
    goloop: object
    reason: str = ""  # of an expected failure, with its key


def applies(first, last):
    """Whether the running Python lies between two versions, both included."""
    here = sys.version_info
    first, last = (tuple(map(int, version.split("."))) for version in (first, last))
    return first <= here[: len(first)] and here[: len(last)] <= last


def entries():
    """The keys of expected.py that are meant for this Python, with their reasons."""
    return {key: reason for key, (first, last, reason) in expected.EXPECTED.items() if applies(first, last)}


def matching(name):
    """The reason why a test is expected to fail here, or None."""
    return next((reason for key, reason in entries().items() if fnmatch.fnmatchcase(name, key)), None)


def without_a_test(names):
    """The keys that match nothing."""
    return [key for key in entries() if not any(fnmatch.fnmatchcase(name, key) for name in names)]


def needs_asyncio(test, goloop):
    """Whether a verdict hangs on asyncio's outcome, when goloop's is known."""
    return goloop.kind != "passed" or matching(test.id) is not None


def compare(test, asyncio, goloop):
    reason = matching(test.id)
    if asyncio.kind == NOT_ASKED:
        word = PASSED
    elif asyncio.kind == "skipped":
        # goloop may do more than asyncio, but what it runs it must pass.
        word = SKIPPED if goloop.kind in ("skipped", "passed") else FAILED
    elif asyncio.kind != "passed":
        word = NOT_HERE
    elif reason is not None:
        word = UNEXPECTED if goloop.kind == "passed" else EXPECTED
    else:
        word = PASSED if goloop.kind == "passed" else FAILED
    return Verdict(test, word, asyncio, goloop, reason or "")
