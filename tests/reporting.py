"""A pytest plugin: a failure that pytest cannot show is told as text, and does not end the run.

CPython may give a frame of a traceback no line, which pytest reckons with.
"""

import copy
import traceback

import pytest


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_makereport(item, call):
    try:
        return pytest.TestReport.from_item_and_call(item, call)
    except Exception as exc:
        told = copy.copy(call)
        told.excinfo = as_text(call.excinfo.value, exc)
        return pytest.TestReport.from_item_and_call(item, told)


def as_text(failure, refusal):
    """What failed, why pytest could not show it, and whatever is wrong with the frames."""
    parts = [shown(failure), "\npytest could not show this:\n", shown(refusal)]
    return "".join([*parts, *map(describe, frames_without_line(failure))])


def shown(exc):
    """As Python shows it, or without source lines: an instruction that is not in the code stops that too."""
    try:
        return "".join(traceback.format_exception(exc))
    except Exception:
        return "".join(map(plain, chain(exc)))


def plain(exc):
    frames = [f"  {tb.tb_frame.f_code}, line {tb.tb_lineno}\n" for tb in entries(exc)]
    return "".join([f"{type(exc).__name__}: {exc}\n", *frames])


def chain(exc):
    while exc is not None:
        yield exc
        exc = exc.__cause__ or exc.__context__


def entries(exc):
    tb = exc.__traceback__
    while tb is not None:
        yield tb
        tb = tb.tb_next


def frames_without_line(failure):
    return [tb for exc in chain(failure) for tb in entries(exc) if tb.tb_lineno is None]


def describe(tb):
    """So that a line table that says so can be told from memory that was written over."""
    code = tb.tb_frame.f_code
    where = f"instruction {tb.tb_lasti} of {len(code.co_code)} in {code}"
    return f"no line: {where}; its table: {code.co_linetable.hex()}\n"
