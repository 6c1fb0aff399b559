"""``python -m goloop info`` and ``run``: what runs under it is compared with the same under ``python`` itself."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import textwrap
import zipfile

import pytest

pytestmark = pytest.mark.goloop_only

EXECUTABLE = os.path.abspath(sys.executable)  # Python says it
PYTHON = [EXECUTABLE, "-W", "error"]
RUN = [*PYTHON, "-m", "goloop", "run"]

# Says how it was started, and ends as it is asked to.
PROGRAM = """
    import asyncio, sys

    print(sys.argv, sys.path[0], __name__, __file__, sys.modules["__main__"].__dict__ is globals())
    print(__spec__ and __spec__.name, type(__loader__).__name__, __doc__, sorted(globals()))

    def end(how):
        if how == "interrupt":
            raise KeyboardInterrupt
        if how == "fail":
            raise ValueError("on purpose")
        sys.exit({"3": 3, "text": "a sentence"}.get(how))

    end(sys.argv[1] if len(sys.argv) > 1 else "")
"""

# Says on which loops it runs, made in all ways that asyncio has without naming one.
LOOPS = """
    import asyncio, sys

    async def main():
        loop = asyncio.get_running_loop()
        print(type(loop).__module__, loop.get_debug())

    asyncio.run(main())
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    asyncio.get_event_loop().run_until_complete(main())
    loop.close()
    if sys.version_info >= (3, 11):
        with asyncio.Runner() as runner:
            runner.run(main())
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with the program in all forms, from which all is run."""
    source = textwrap.dedent(PROGRAM)
    (tmp_path / "program.py").write_text(source)
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__main__.py").write_text(source)
    (tmp_path / "wrong.py").write_text("def (:\n")
    with zipfile.ZipFile(tmp_path / "archive.zip", "w") as archive:
        archive.writestr("__main__.py", source)
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith(("GOLOOP_", "PYTHONASYNCIO"))]:
        monkeypatch.delenv(name)
    return tmp_path


def done(command, **options):
    return subprocess.run(command, capture_output=True, text=True, timeout=25, **options)


@pytest.mark.parametrize(
    "words",
    [
        "program.py",
        "program.py fail --watchdog 1 -m x",
        "program.py 3",
        "program.py text",
        "program.py interrupt",
        "./package/../program.py -- x",
        "-m program fail -m --debug",
        "-m package 3",
        "package fail",
        "archive.zip 3",
        "missing.py",
        "-m missing",
        "wrong.py",
    ],
)
def test_runs_as_python_does(folder, words):
    plain, ours = done([*PYTHON, *words.split()]), done([*RUN, *words.split()])
    assert (ours.returncode, ours.stdout, ours.stderr) == (plain.returncode, plain.stdout, plain.stderr)


def test_runs_as_python_does_without_unsafe_paths(folder):
    plain, ours = (
        done([*command[:1], "-I", *command[1:], "program.py"])
        for command in ([EXECUTABLE], [EXECUTABLE, "-m", "goloop", "run"])
    )
    assert (ours.returncode, ours.stdout, ours.stderr) == (plain.returncode, plain.stdout, plain.stderr)


def test_compiled_file(folder):
    done([EXECUTABLE, "-m", "compileall", "-q", "-b", "program.py"])
    plain, ours = done([*PYTHON, "program.pyc", "3"]), done([*RUN, "program.pyc", "3"])
    assert (ours.returncode, ours.stdout, ours.stderr) == (3, plain.stdout, "")


@pytest.mark.parametrize("options", [[], ["--debug"]])
@pytest.mark.parametrize("words", [["loops.py"], ["-m", "loops"]])
def test_loops_are_goloops(folder, options, words):
    (folder / "loops.py").write_text(textwrap.dedent(LOOPS))
    ran = done([*RUN, *options, *words])
    assert (ran.returncode, ran.stderr) == (0, "")
    assert set(ran.stdout.splitlines()) == {f"goloop.loop {bool(options)}"}


def test_excepthook_of_the_program_is_asked(folder):
    (folder / "hook.py").write_text(
        textwrap.dedent("""
            import sys, traceback

            def hook(kind, value, tb):
                print(kind.__name__, value, [frame.name for frame in traceback.extract_tb(tb)])

            def fail():
                raise ValueError("on purpose")

            sys.excepthook = hook
            fail()
        """)
    )
    plain, ours = done([*PYTHON, "hook.py"]), done([*RUN, "hook.py"])
    assert (ours.returncode, ours.stdout, ours.stderr) == (1, plain.stdout, "")
    assert ours.stdout == "ValueError on purpose ['<module>', 'fail']\n"


def test_interrupt_ends_it_as_a_signal(folder):
    (folder / "waits.py").write_text(
        textwrap.dedent("""
            import asyncio

            async def main():
                try:
                    print("waits", flush=True)
                    await asyncio.sleep(60)
                finally:
                    print("ends", flush=True)

            asyncio.run(main())
        """)
    )
    process = subprocess.Popen([*RUN, "waits.py"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "waits\n"
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert (out, process.returncode) == ("ends\n", -signal.SIGINT)
    assert err.endswith("KeyboardInterrupt\n") and "goloop/cli" not in err


@pytest.mark.linux_only
def test_watchdog_and_control(folder):
    (folder / "held.py").write_text(
        textwrap.dedent("""
            import asyncio, os, time

            async def main():
                print(os.path.exists(f"control-{os.getpid()}"))
                time.sleep(0.5)  # what the watchdog tells of

            asyncio.run(main())
        """)
    )
    ran = done([*RUN, "--watchdog", "0.1", "--control", "control-{pid}", "held.py"])
    assert (ran.returncode, ran.stdout) == (0, "True\n")
    assert re.search(r"^goloop: loop \d+ has been held for 0\.\d+ s by .*held\.py:6 main,", ran.stderr)
    assert not list(folder.glob("control-*"))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("run", "a script or -m MODULE is missing"),
        ("run -m", "a script or -m MODULE is missing"),
        ("run --watchdog 0 program.py", "'0' is no number of seconds above zero"),
        ("run --watchdog soon program.py", "'soon' is no number of seconds above zero"),
        ("run --unknown program.py", "unrecognized arguments"),
        ("", "required: COMMAND"),
        ("fly", "invalid choice"),
    ],
)
def test_misspelt(folder, words, said):
    ran = done([*PYTHON, "-m", "goloop", *words.split()])
    assert (ran.returncode, ran.stdout) == (2, "")
    assert said in ran.stderr


def test_info(folder):
    environment = {
        **os.environ,
        "GOLOOP_IO_URING": "0",
        "GOLOOP_CONTROL": str(folder),
        "GOGC": "100",
        "SECRET": "x",
    }
    plain = done([*PYTHON, "-m", "goloop", "info"], env=environment)
    assert (plain.returncode, plain.stderr) == (0, "")
    found = json.loads(done([*PYTHON, "-m", "goloop", "info", "--json"], env=environment).stdout)
    for name, value in found.items():
        if isinstance(value, str):
            assert re.search(rf"^{name} +{re.escape(value)}$", plain.stdout, re.MULTILINE)
    import goloop

    assert found["goloop"] == goloop.__version__
    assert sys.version.split()[0] in found["python"]
    assert re.fullmatch(r"go1\.\d+\S*|devel .*", found["go"])
    loop = goloop.new_event_loop()
    with contextlib.closing(loop):
        assert (found["selector"], found["child_watcher"]) == (
            loop._stats()["selector"],
            loop._child_watcher(""),
        )
    assert found["io_uring"] == "no: GOLOOP_IO_URING=0"
    assert found["control"] == "yes"
    assert found["environment"]["GOGC"] == "100" and "SECRET" not in found["environment"]
    assert not any(value.startswith("unknown") for value in found.values() if isinstance(value, str))


@pytest.mark.linux_only
def test_info_of_io_uring_that_is_forbidden(folder):
    program = """
        import sys
        sys.path.insert(0, {here!r})
        import seccomp
        from goloop.cli import info
        print(info.gather()["io_uring"])
        seccomp.refuse("io_uring_setup")
        print(info.gather()["io_uring"])
    """
    ran = done([EXECUTABLE, "-c", textwrap.dedent(program.format(here=os.path.dirname(__file__)))])
    assert (ran.returncode, ran.stderr) == (0, "")
    before, after = ran.stdout.splitlines()
    if after != "no seccomp":
        assert after.startswith("no: forbidden, by seccomp or kernel.io_uring_disabled")
    assert before.startswith(("yes", "no: "))


def test_info_where_no_loop_can_be_made(folder):
    environment = {**os.environ, "GOLOOP_SELECTOR": "guess"}
    ran = done([*PYTHON, "-m", "goloop", "info"], env=environment)
    assert (ran.returncode, ran.stderr) == (1, "")
    assert re.search(r"^error +no loop can be made: ValueError: .*guess", ran.stdout, re.MULTILINE)
    assert "environment    GOLOOP_SELECTOR=guess\n" in ran.stdout
