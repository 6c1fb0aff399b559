"""How subprocesses are started: Popen's keywords, errors of exec, what a child inherits, from which loops."""

import asyncio
import gc
import os
import signal
import subprocess
import threading
import warnings

import pytest

from programs import (
    EXEC,
    PIPE,
    PYTHON,
    SHELL,
    descriptors,
    output,
    python,
)

pytestmark = pytest.mark.usefixtures("fresh_policy")


@pytest.mark.linux_only
@pytest.mark.parametrize("shell", [False, True])
def test_errors_of_exec_are_raised_and_leave_nothing(loop, run, tmp_path, shell):
    file = tmp_path / "file"
    file.write_text("#!/nowhere/at/all\n")
    folder = tmp_path

    async def main():
        before = descriptors()
        for error, program, arguments in [
            (FileNotFoundError, "/nowhere/at/all", {}),
            (FileNotFoundError, "there-is-no-such-program", {}),
            (PermissionError, str(file), {}),
            (PermissionError, str(folder), {}),
            (FileNotFoundError, "true", {"cwd": "/nowhere/at/all"}),
            (NotADirectoryError, "true", {"cwd": str(file)}),
            (subprocess.SubprocessError, "true", {"preexec_fn": lambda: 1 / 0}),
            (ValueError, "true", {"env": {"a=b": "c"}}),
            (TypeError, "true", {"no_such_keyword": 1}),
        ]:
            if shell and not arguments:
                continue
            with pytest.raises(error), warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # preexec_fn forks, and threads may run
                start = (
                    SHELL(program, stdin=PIPE, stdout=PIPE, **arguments)
                    if shell
                    else EXEC(program, stdin=PIPE, stdout=PIPE, stderr=PIPE, **arguments)
                )
                await start
        gc.collect()
        assert descriptors() == before
        with pytest.raises(ChildProcessError):
            os.waitpid(-1, os.WNOHANG)
        file.chmod(0o755)
        with pytest.raises(FileNotFoundError):  # its interpreter
            await EXEC(str(file))

    run(main())


# ---- keywords of Popen ----


def test_cwd_env_and_new_session(run, tmp_path):
    source = "import os; print(os.getcwd(), dict(os.environ).get('NAME'), os.getsid(0) == os.getpid())"

    async def main():
        out = await output(
            PYTHON, "-I", "-S", "-c", source, cwd=tmp_path, env={"NAME": "value"}, start_new_session=True
        )
        assert out.decode().split() == [str(tmp_path.resolve()), "value", "True"]

    run(main())


def test_umask_user_and_groups(run):
    source = "import os; m = os.umask(0); print(m, os.getuid(), os.getgid(), sorted(set(os.getgroups())))"
    groups = {"extra_groups": [7, 8]} if os.getuid() == 0 else {}

    async def main():
        out = await output(
            PYTHON, "-I", "-S", "-c", source, umask=0o27, user=os.getuid(), group=os.getgid(), **groups
        )
        expected = [7, 8] if groups else sorted(set(os.getgroups()))
        assert out.decode().strip() == f"{0o27} {os.getuid()} {os.getgid()} {expected}"

    run(main())


@pytest.mark.since("3.11")
def test_process_group(run):
    async def main():
        process = await SHELL("sleep 100 & wait", process_group=0)
        assert os.getpgid(process.pid) == process.pid
        os.killpg(process.pid, signal.SIGKILL)
        assert await process.wait() == -signal.SIGKILL

    run(main())


@pytest.mark.linux_only
def test_pipesize(run):
    async def main():
        process = await python("import fcntl; print(fcntl.fcntl(0, 1032))", pipesize=8192)  # F_GETPIPE_SZ
        out, _ = await process.communicate()
        assert int(out) == 8192

    run(main())


def test_preexec_fn(run):
    async def main():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # it forks, and an engine has threads
            process = await python("import os; print(os.getpriority(0, 0))", preexec_fn=lambda: os.nice(3))
        out, _ = await process.communicate()
        assert int(out) == os.getpriority(os.PRIO_PROCESS, 0) + 3

    run(main())


def test_executable_and_path_like(run, tmp_path):
    async def main():
        out = await output("another name", "-c", "echo $0", executable="/bin/sh")
        assert out == b"another name\n"
        (tmp_path / "program").write_text("#!/bin/sh\necho $1\n")
        (tmp_path / "program").chmod(0o755)
        assert await output(tmp_path / "program", b"bytes") == b"bytes\n"

    run(main())


@pytest.mark.linux_only
@pytest.mark.parametrize("close_fds", [True, False])
def test_descriptors_that_a_child_inherits(loop, run, socket_pair, close_fds):
    source = "import os; print(*(fd for fd in os.listdir('/proc/self/fd') if os.path.exists(f'/proc/self/fd/{fd}')))"

    async def main():
        ours, _ = socket_pair()
        loop.add_reader(ours, print)
        loop.add_signal_handler(signal.SIGUSR1, print)
        sleeper = await EXEC("sleep", "100")
        read, write = os.pipe()
        try:
            out, _ = await (
                await python(source, pass_fds=[write] if close_fds else [], close_fds=close_fds)
            ).communicate()
            inherited = {int(fd) for fd in out.split()}
            assert (
                inherited - ours_inheritable()
                == ({0, 1, 2, write} if close_fds else {0, 1, 2}) - ours_inheritable()
            )
            assert not close_fds or inherited == {0, 1, 2, write}
        finally:
            os.close(read)
            os.close(write)
            loop.remove_reader(ours)
            sleeper.kill()
            await sleeper.wait()

    run(main())


def ours_inheritable():
    """What whoever started the tests has left open for all children."""
    found = set()
    for fd in map(int, descriptors()):
        try:
            if os.get_inheritable(fd):
                found.add(fd)
        except OSError:
            pass
    return found


@pytest.mark.linux_only
def test_signal_mask_and_dispositions_of_a_child(run):
    async def main():
        command = ["grep", "-E", "^(SigBlk|SigIgn|SigCgt)", "/proc/self/status"]
        assert await output(*command) == subprocess.run(command, stdout=subprocess.PIPE).stdout

    run(main())


# ---- where loops run ----


# asyncio silences its own warning by warnings.catch_warnings, which threads undo for each other.
@pytest.mark.filterwarnings("ignore:'get_child_watcher':DeprecationWarning")
def test_loop_of_another_thread(loop_factory):
    async def main():
        assert await output("echo", "x") == b"x\n"
        process = await EXEC("sleep", "100")
        process.kill()
        assert await process.wait() == -signal.SIGKILL
        results.append("fine")

    def thread():
        loop = loop_factory()
        try:
            loop.run_until_complete(asyncio.wait_for(main(), 15))
        finally:
            loop.close()

    results = []
    threads = [threading.Thread(target=thread) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == ["fine"] * 4


def test_forked_child_starts_processes(script):
    out = script("""
        import warnings
        warnings.simplefilter("ignore", DeprecationWarning)  # of a fork with threads

        async def main():
            process = await asyncio.create_subprocess_exec("sleep", "100")
            return process

        async def echo():
            process = await asyncio.create_subprocess_exec("echo", "x", stdout=-1)
            out, _ = await process.communicate()
            return out, await process.wait()

        loop = new_event_loop()
        inherited = loop.run_until_complete(main())
        pid = os.fork()
        if pid == 0:
            asyncio._set_running_loop(None)
            ours = new_event_loop()
            print(ours.run_until_complete(asyncio.wait_for(echo(), 10)), flush=True)
            ours.close()
            os._exit(0)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        inherited.kill()
        print(loop.run_until_complete(asyncio.wait_for(inherited.wait(), 10)))
        loop.close()
    """)
    assert out.split("\n") == ["(b'x\\n', 0)", "0", "-9", ""]


@pytest.mark.linux_only
def test_orphans_of_a_subreaper_are_left_alone(script):
    out = script("""
        import ctypes
        assert ctypes.CDLL(None).prctl(36, 1, 0, 0, 0) == 0  # PR_SET_CHILD_SUBREAPER

        PARENT = (
            "import os; orphan = os.fork();"
            "(os.close(1), os.read(int(os.environ['READ']), 1), os._exit(7)) if orphan == 0 else print(orphan, flush=True);"
            "os._exit(8)"
        )

        async def main():
            read, write = os.pipe()
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-c", PARENT, stdout=-1, pass_fds=[read], env={"READ": str(read)}
            )
            orphan = int(await process.stdout.read())
            print(await process.wait())
            sleeper = await asyncio.create_subprocess_exec("sleep", "0")
            os.write(write, b"x")
            print(await sleeper.wait(), os.waitstatus_to_exitcode(os.waitpid(orphan, 0)[1]))

        loop = new_event_loop()
        loop.run_until_complete(asyncio.wait_for(main(), 10))
        loop.close()
    """)
    assert out.split() == ["8", "0", "7"]
