"""A failure that pytest cannot show is a failed test with a text, not the end of the run."""

import sys
import types

import pytest

import reporting


def failure(exc):
    def fail():
        raise exc

    return pytest.CallInfo.from_call(fail, "call")


def test_failure_that_pytest_can_show_is_shown_by_pytest(request):
    report = reporting.pytest_runtest_makereport(request.node, failure(ValueError("of the test")))
    assert report.failed and "could not show" not in report.longreprtext
    assert "ValueError: of the test" in report.longreprtext


def test_failure_that_pytest_cannot_show_is_told(request, monkeypatch):
    def refuse(*args, **kwargs):
        raise TypeError("of pytest")

    monkeypatch.setattr(request.node, "repr_failure", refuse)
    report = reporting.pytest_runtest_makereport(request.node, failure(ValueError("of the test")))
    assert report.failed and report.when == "call"
    for part in ("ValueError: of the test", "in fail", "TypeError: of pytest", "in refuse"):
        assert part in report.longreprtext


@pytest.mark.since("3.11")  # older ones say -1, which pytest can show
@pytest.mark.parametrize("place", ["none", "behind the code"])
def test_frame_without_a_line_is_described(request, place):
    def lineless():  # a cell is copied before the first line
        return sys._getframe(), place

    frame = lineless()[0]
    instruction = 0 if place == "none" else 1 << 20
    entry = types.TracebackType(None, frame, instruction, -1)
    assert entry.tb_lineno is None
    call = failure(ValueError("of the test"))
    call.excinfo.value.__context__ = KeyError("of another").with_traceback(entry)
    report = reporting.pytest_runtest_makereport(request.node, call)
    assert report.failed and "ValueError: of the test" in report.longreprtext
    assert f"no line: instruction {instruction} of " in report.longreprtext
    assert ".lineless" in report.longreprtext or "object lineless" in report.longreprtext
