"""Loops as the command line names them: ``python -m pytest benchmarks``."""

from __future__ import annotations

import os
import sys

import pytest

from harness.loops import Loop, parse, probe


@pytest.mark.parametrize(
    ("text", "loop"),
    [
        ("uvloop:new_event_loop", Loop("uvloop", "uvloop:new_event_loop", sys.executable)),
        ("pkg.sub:new", Loop("pkg", "pkg.sub:new", sys.executable)),
        ("mine=pkg:new", Loop("mine", "pkg:new", sys.executable)),
        ("wheel=goloop:new@/venv/bin/python", Loop("wheel", "goloop:new", "/venv/bin/python")),
        ("goloop:new@venv/bin/python", Loop("goloop", "goloop:new", os.path.abspath("venv/bin/python"))),
        ("goloop:new@python3.13", Loop("goloop", "goloop:new", "python3.13")),
        ("goloop:new@/a=b/python", Loop("goloop", "goloop:new", "/a=b/python")),
    ],
)
def test_a_loop_of_the_command_line(text: str, loop: Loop) -> None:
    assert parse(text) == loop


@pytest.mark.parametrize("text", ["", "goloop", "goloop:", ":new", "mine=goloop", "goloop:new@"])
def test_what_names_no_loop_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="MODULE:FACTORY"):
        parse(text)


def test_a_python_that_is_not_there_is_a_reason() -> None:
    version, reason = probe(Loop("gone", "gone:new", "/nowhere/python"))
    assert version is None
    assert "/nowhere/python" in reason
