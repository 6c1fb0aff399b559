"""What is read of perf's reports, and which process is profiled."""

import os
import subprocess
import sys

import pytest

import profiled

BY_LIBRARY = """
# To display the perf.data header info, please use --header/--header-only options.
    58.50%  python3.14
     3.14%  _engine.so
"""
INCLUSIVE = """
    38.77%     0.51%  [k] do_syscall_64
     2.53%     2.53%  [.] 0x0000000000b5b7c0
"""


def report(monkeypatch, text):
    """perf prints this."""
    done = subprocess.CompletedProcess([], 0, text, "")
    monkeypatch.setattr(profiled.subprocess, "run", lambda *args, **options: done)


def test_shares_of_libraries(monkeypatch, tmp_path):
    report(monkeypatch, BY_LIBRARY)
    found = profiled.shares(tmp_path, profiled.EXCLUSIVE)
    assert found == pytest.approx({"python3.14": 0.585, "_engine.so": 0.0314})


def test_shares_of_functions_are_those_of_the_kernel(monkeypatch, tmp_path):
    report(monkeypatch, INCLUSIVE)
    assert profiled.shares(tmp_path, profiled.INCLUSIVE) == pytest.approx({"do_syscall_64": 0.3877})


@pytest.mark.parametrize(
    ("library", "what"),
    [
        ("[kernel.kallsyms]", "kernel"),
        ("python3.14", "Python"),
        ("libpython3.13.so.1.0", "Python"),
        ("_engine.so", "loop"),
        ("libc.so.6", "others"),
    ],
)
def test_part_of_a_library(library, what):
    assert profiled.part(library, {"_engine.so"}) == what


def test_process_under_test_is_the_host_of_a_row():
    waits = "import sys; print(flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", waits, "-m", "rows.host"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        process.stdout.readline()
        try:
            assert profiled.is_under_test(process.pid)
            assert not profiled.is_under_test(os.getpid())
            assert process.pid in profiled.descendants(os.getpid())
        finally:
            process.stdin.close()
