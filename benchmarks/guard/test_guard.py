"""The arithmetic of the guard, on what callgrind and the figures' file look like."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from guard import __main__, figures
from guard.callgrind import Counts, Failed, by_function
from guard.figures import Figure

EXTENSION = "/venv/goloop/_core.cpython-313-x86_64-linux-gnu.so"
ENGINE = "/venv/goloop/_engine.so"
PYTHON = "/usr/lib/libpython3.13.so"

DUMP = f"""\
# callgrind format
version: 1
positions: line
events: Ir
summary: 152

ob=(1) {PYTHON}
fl=(1) ???
fn=(1) run
0 20
cob=(2) {EXTENSION}
cfn=(2) call_soon
calls=3 0
0 1000
0 2

ob=(2)
fn=(2)
+5 100
* 25

ob=(1)
fn=(3) idle
-1 5
"""


def test_what_a_callee_took_is_the_callees() -> None:
    assert by_function(DUMP.splitlines(keepends=True)) == {
        (PYTHON, "run"): 22,
        (EXTENSION, "call_soon"): 125,
        (PYTHON, "idle"): 5,
    }


def test_pythons_that_are_compared_have_one_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(__main__, "PLACE", tmp_path / "build" / "python")
    paths = []
    for name in ("counted", "uncounted"):
        python = tmp_path / name / "bin" / "python"
        python.parent.mkdir(parents=True)
        python.write_text(name)
        path = Path(__main__.at_one_place(str(python)))
        assert path.read_text() == name
        paths.append(path)
    assert paths[0] == paths[1]


def lot(n: int, more: int = 0) -> Counts:
    """Of n operations: what each part has taken, and something more of the engine."""
    return Counter(
        {
            (PYTHON, "run"): 1000 + 10 * n,
            (EXTENSION, "call_soon"): 20 * n,
            (ENGINE, "goloop/loop.(*Engine).Turn"): 30 * n + more,
            (ENGINE, "runtime.mallocgc"): 4 * n,
            (ENGINE, "runtime.startm"): 50 * n,
        }
    )


def test_a_figure_is_the_difference_of_the_least() -> None:
    lots = [lot(100), lot(200, 7), lot(100, 9), lot(200)]
    assert figures.figure(lots, 100) == Figure(20, 34, 50, 114)


def test_an_engine_without_symbols_has_no_figure() -> None:
    with pytest.raises(Failed, match="GOLOOP_SYMBOLS"):
        figures.figure([Counter({(ENGINE, "0x0000000000097180"): 5})] * 2, 1)


def test_what_is_written_can_be_read(tmp_path: Path) -> None:
    one = {"call-soon": Figure(546, -0.1, 0, 3562.3), "echo": Figure(1458, 3376.3, 2817.8, 14714.2)}
    path = tmp_path / "figures.tsv"
    figures.write(path, ["made so", "with these"], one)
    assert figures.read(path) == (["made so", "with these"], one)


@pytest.mark.parametrize(
    ("now", "is_risen"),
    [
        (Figure(100, 200, 50, 1000), False),
        (Figure(108, 200, 50, 1000), False),
        (Figure(110, 200, 50, 1000), True),
        (Figure(100, 210, 50, 1000), True),
        (Figure(100, 200, 90, 1029), False),
        (Figure(100, 200, 50, 1031), True),
        (Figure(50, 100, 50, 500), False),
    ],
)
def test_three_percent_are_too_much(now: Figure, is_risen: bool) -> None:
    before = {"echo": Figure(100, 200, 50, 1000)}
    assert list(figures.rises({"echo": now, "new": now}, before)) == ["echo"] * is_risen


def test_nothing_is_no_more_than_nothing() -> None:
    assert figures.ratio(0.4, -0.2) == 1
    assert figures.ratio(5, 0.0) > 1000
