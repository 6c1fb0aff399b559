"""System calls of the engine that fail: the program sees what asyncio's users see when a call of its sockets fails so.

The installed goloop is copied, and its engine built with the tag ``faults``, which lets a test say what a call comes to.
Child processes load that copy.
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import sysconfig

import pytest

import faulty_calls
import faulty_engine

pytestmark = [pytest.mark.goloop_only, pytest.mark.linux_only]

ROOT = pathlib.Path(__file__).resolve().parents[1]
NEEDS_EPOLL = ("add_a_reader", "stream_cannot_be_watched", "server_cannot_be_watched")
NEEDS_EPOLL += ("datagram_socket_cannot_be_watched", "loop_cannot_be_made")


@pytest.fixture(scope="module")
def child(tmp_path_factory):
    """Runs a program of this folder on the copy, and returns what it printed."""
    go = shutil.which("go")
    if go is None or not (ROOT / "pybind" / "faults.go").exists():
        pytest.skip("Go and the sources of the engine are not here to build one with the tag faults")
    path = tmp_path_factory.mktemp("faults")
    installed = pathlib.Path(sysconfig.get_path("platlib"), "goloop")
    shutil.copytree(installed, path / "goloop", ignore=shutil.ignore_patterns("_engine.so", "__pycache__"))
    flags = ("-tags=faults", "-mod=readonly", "-trimpath", "-buildvcs=false", "-buildmode=c-shared")
    flags += ("-ldflags=-X=runtime.godebugDefault=asyncpreemptoff=1",)
    built = subprocess.run(
        [go, "build", *flags, "-o", path / "goloop" / "_engine.so", "./pybind"],
        cwd=ROOT,
        env={**os.environ, "GOWORK": "off", "CGO_ENABLED": "1"},
        capture_output=True,
        text=True,
    )
    assert built.returncode == 0, built.stderr

    def run(*command):
        env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(path), str(ROOT / "tests")])}
        done = subprocess.run(
            [sys.executable, *command], env=env, cwd=path, capture_output=True, text=True, timeout=25
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.fixture(scope="module")
def outcomes(child):
    return {
        name: json.loads(child(ROOT / "tests" / "faulty_calls.py", name)) for name in ("asyncio", "goloop")
    }


def skip_without_epoll(name):
    if name in NEEDS_EPOLL and (
        sys.platform != "linux" or os.environ.get("GOLOOP_SELECTOR", "epoll") != "epoll"
    ):
        pytest.skip("a refusal of epoll_ctl, and this is another selector")


@pytest.mark.timeout(120)  # the first of them builds the engine
@pytest.mark.parametrize(
    ("scenario", "name"),
    [
        pytest.param(scenario.__name__, name, id=f"{scenario.__name__}-{name}")
        for scenario, names in faulty_calls.SCENARIOS.items()
        for name in names
    ],
)
def test_a_call_that_fails_is_told_as_on_asyncio(outcomes, scenario, name):
    skip_without_epoll(scenario)
    row = f"{scenario} {name}"
    seen, expected = outcomes["goloop"][row], outcomes["asyncio"][row]
    assert "no call met the fault" not in str(expected)
    assert "failed" not in str(expected)
    assert seen == expected


@pytest.mark.timeout(120)
def test_no_failing_call_keeps_a_descriptor_open(outcomes):
    assert outcomes["goloop"]["descriptors"] == 0


@pytest.mark.timeout(120)
@pytest.mark.parametrize("scenario", [scenario.__name__ for scenario in faulty_engine.SCENARIOS])
def test_engine_whose_call_fails(child, scenario):
    """Each is told in faulty_engine.py."""
    skip_without_epoll(scenario)
    child(ROOT / "tests" / "faulty_engine.py", scenario)
