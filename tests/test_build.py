"""Building goloop where something that it needs is missing: one sentence that says what. And what a build has made."""

import pathlib
import subprocess
import sysconfig

import pytest

from building import COMPILER, OTHER_LIBC, PYBINDGEN, WORKS, go, run_setup, write_program

pytestmark = [pytest.mark.goloop_only, pytest.mark.linux_only]


@pytest.fixture
def build(tmp_path):
    """Builds with these commands in PATH and no others, shell scripts by name; returns the output's lines."""

    def build(prelude="", **commands):
        for name, text in commands.items():
            write_program(tmp_path / name, text)
        status, lines = run_setup(tmp_path, prelude)
        assert status == 1
        return lines

    return build


def test_no_go(build):
    (line,) = build(**{COMPILER: WORKS})
    assert line.startswith("goloop needs Go 1.") and "no 'go' is on PATH" in line


def test_go_that_is_too_old(build, tmp_path):
    (line,) = build(go=go("go1.21.5"), **{COMPILER: WORKS})
    assert line.startswith("goloop needs Go 1.") and f"{tmp_path}/go is go1.21.5" in line


def test_no_c_compiler(build):
    (line,) = build(go=go("go1.99"))
    assert line.startswith("goloop needs a C compiler") and f"'{COMPILER}' is not on PATH" in line


# A stamp is what makes the build skip what the tests want.
NO_STAMP = "import pathlib; exists = pathlib.Path.exists; pathlib.Path.exists = lambda path: path.name != 'stamp' and exists(path)"


def test_no_pybindgen(build):
    (line,) = build(PYBINDGEN.format(found="None") + NO_STAMP, go=go("go1.99"), **{COMPILER: WORKS})
    assert line.startswith("goloop needs pybindgen (PyPI)")


def test_gopy_that_fails(build):
    fails = go("go1.99", run="echo 'no space left' >&2; exit 1")
    (line,) = build(PYBINDGEN.format(found="True") + NO_STAMP, go=fails, **{COMPILER: WORKS})
    assert line == "goloop needs gopy to bind its control plane, and it says: no space left"


def test_go_that_fails(build):
    first, last = build(
        PYBINDGEN.format(found="True"),
        go=go("go1.99", build="echo 'no space left' >&2; exit 1"),
        **{COMPILER: WORKS},
    )
    assert first == "no space left"
    assert last.startswith("goloop needs 'go build' of its engine to succeed")


def test_compiler_that_cannot_link_all_as_one(build, tmp_path):
    log = tmp_path / "calls"
    refuses = f'echo "$@" >> {log}; case "$*" in *-flto*) exit 1 ;; esac'
    build(go=go("go1.99", build="exit 1"), **{COMPILER: refuses})
    first, *_, last = log.read_text().splitlines()
    assert "-flto" in first
    assert "-shared" in last and "-flto" not in last


@pytest.mark.parametrize("libc", OTHER_LIBC)
def test_system_that_cannot_load_it(build, libc):
    (line,) = build(OTHER_LIBC[libc], go=go("go1.99"), **{COMPILER: WORKS})
    assert line.startswith("goloop needs ") and "musl" in line


def installed(pattern):
    (path,) = pathlib.Path(sysconfig.get_path("platlib"), "goloop").glob(pattern)
    return path


def readelf(option, path):
    return subprocess.run(["readelf", "-W", option, path], check=True, capture_output=True, text=True).stdout


@pytest.mark.parametrize("pattern", ["_core.*.so", "_engine.so"])
def test_nothing_is_linked_to_libpython(pattern):
    needed = [line for line in readelf("--dynamic", installed(pattern)).splitlines() if "(NEEDED)" in line]
    assert any("libc.so" in line for line in needed)
    assert not any("libpython" in line for line in needed)


def test_engine_is_stripped():
    sections = readelf("--sections", installed("_engine.so"))
    assert ".text" in sections
    assert ".symtab" not in sections and ".debug_info" not in sections
