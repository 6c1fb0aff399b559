"""tests/conformance: what `--short` leaves out changes no verdict for the worse or the better."""

import itertools
import pathlib
import sys
import types

import pytest

KINDS = ("passed", "skipped", "failed", "crashed", "late")


@pytest.fixture
def verdicts(monkeypatch):
    monkeypatch.syspath_prepend(str(pathlib.Path(__file__).parent / "conformance"))
    import verdicts

    yield verdicts
    for name in ("verdicts", "expected"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize("listed", [False, True])
def test_short_run_fails_when_the_whole_one_does(verdicts, monkeypatch, listed):
    monkeypatch.setattr(verdicts, "matching", lambda name: "a reason" if listed else None)
    test = types.SimpleNamespace(id="a.test")
    asked = 0
    for theirs, ours in itertools.product(KINDS, KINDS):
        asyncio, goloop = types.SimpleNamespace(kind=theirs), types.SimpleNamespace(kind=ours)
        whole = verdicts.compare(test, asyncio, goloop).word
        if verdicts.needs_asyncio(test, goloop):
            asked += 1
            continue  # both are asked: the same verdict
        short = verdicts.compare(test, types.SimpleNamespace(kind=verdicts.NOT_ASKED), goloop).word
        assert short not in verdicts.BAD
        assert whole not in verdicts.BAD
    assert asked == len(KINDS) * (len(KINDS) if listed else len(KINDS) - 1)
