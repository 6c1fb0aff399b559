"""Subprocesses: exits, pipes, transports, signals to them, what is left behind."""

import asyncio
import contextvars
import gc
import logging
import os
import re
import signal
import subprocess

import pytest

from programs import (
    DEVNULL,
    EXEC,
    PIPE,
    SHELL,
    STDOUT,
    Record,
    is_zombie_or_alive,
    python,
    until,
)
from protocols import turns

pytestmark = pytest.mark.usefixtures("pidfd_watcher")

# ---- exits ----


@pytest.mark.parametrize("code", [0, 1, 127, 255])
def test_exit_code(run, code):
    async def main():
        process = await SHELL(f"exit {code}")
        assert await process.wait() == code
        assert process.returncode == code

    run(main())


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGUSR1])
def test_signal_that_kills_is_the_negative_returncode(run, number):
    async def main():
        process = await SHELL(f"kill -{int(number)} $$")
        assert await process.wait() == -number

    run(main())


def test_stopped_child_has_not_ended(run):
    async def main():
        process = await EXEC("sleep", "100")
        process.send_signal(signal.SIGSTOP)
        waiter = asyncio.ensure_future(process.wait())
        await until(lambda: os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOHANG | os.WNOWAIT))
        await asyncio.sleep(0.02)  # room for a wrong end
        assert not waiter.done()
        process.send_signal(signal.SIGCONT)
        process.terminate()
        assert await waiter == -signal.SIGTERM

    run(main())


def test_child_that_ends_between_two_runs(loop, run):
    async def start():
        return await python("import sys; sys.stdin.read(1); sys.exit(5)")

    async def end():
        return await process.wait()

    process = run(start())
    process.stdin.write(b"x")
    pid = process.pid
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    assert run(end()) == 5
    assert not is_zombie_or_alive(pid)
    run(asyncio.sleep(0))
    process._transport.close()
    run(asyncio.sleep(0.01))  # for the pipes' connection_lost


def test_several_wait_for_one_child(run):
    async def main():
        process = await python("import sys; sys.stdin.read(); sys.exit(3)", stdout=DEVNULL)
        waiters = [asyncio.ensure_future(process.wait()) for _ in range(10)]
        await asyncio.sleep(0)
        waiters[0].cancel()
        process.stdin.close()
        assert await asyncio.gather(*waiters[1:]) == [3] * 9
        assert await process.wait() == 3

    run(main())


def test_two_hundred_children_at_once(run):
    async def one(number):
        process = await SHELL(f"read x; echo $x; exit {number}", stdin=PIPE, stdout=PIPE)
        out, _ = await process.communicate(b"%d\n" % number)
        return out, process.returncode

    async def main():
        answers = await asyncio.gather(*(one(number) for number in range(200)))
        assert answers == [(b"%d\n" % number, number) for number in range(200)]

    run(main(), limit=28)


def test_status_that_another_takes_is_255_with_a_warning(run, caplog):
    async def main():
        process = await python("import sys; sys.stdin.read()", stdout=DEVNULL)
        popen = process._transport.get_extra_info("subprocess")
        process._transport.get_pipe_transport(0).close()
        popen.stdin.close()
        os.waitpid(process.pid, 0)  # before the loop looks
        return process.pid, await process.wait()

    pid, returncode = run(main())
    assert returncode == 255
    [warning] = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert str(pid) in warning.getMessage()
    assert "will report returncode 255" in warning.getMessage()


# ---- pipes ----


def test_communicate_with_much_in_every_pipe(run):
    source = "import sys; d = sys.stdin.buffer.read(); sys.stderr.buffer.write(d[::-1]); sys.stdout.buffer.write(d)"
    data = bytes(range(251)) * 10_000

    async def main():
        process = await python(source, stderr=PIPE)
        out, err = await process.communicate(data)
        assert (out, err, process.returncode) == (data, data[::-1], 0)

    run(main())


def test_communicate_with_a_child_that_does_not_read(run, errors):
    """Before 3.11 the streams of asyncio report the broken pipe besides."""

    async def main():
        process = await EXEC("true", stdin=PIPE, stdout=PIPE)
        out, _ = await process.communicate(b"x" * 10_000_000)
        assert (out, process.returncode) == (b"", 0)

    run(main())
    assert all(type(error["exception"]) is BrokenPipeError for error in errors)


def test_child_that_closes_its_stdin_goes_on(run):
    async def main():
        read, write = os.pipe()
        source = f"import os; os.close(0); print('closed', flush=True); os.read({read}, 1); print('end')"
        process = await python(source, pass_fds=[read])
        os.close(read)
        assert await process.stdout.readline() == b"closed\n"
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            while True:
                process.stdin.write(b"x" * 1000)
                await process.stdin.drain()
                await asyncio.sleep(0)
        os.write(write, b"x")
        os.close(write)
        assert await process.stdout.readline() == b"end\n"
        assert await process.wait() == 0

    run(main())


def test_drain_waits_for_a_slow_reader(run):
    async def main():
        read, write = os.pipe()
        source = f"import os, sys; os.read({read}, 1); print(len(sys.stdin.buffer.read()))"
        process = await python(source, pass_fds=[read])
        process.stdin.write(b"x" * 1_000_000)
        drain = asyncio.ensure_future(process.stdin.drain())
        await asyncio.sleep(0.02)  # room for a wrong end
        assert not drain.done()
        os.write(write, b"x")
        await drain
        process.stdin.close()
        assert int(await process.stdout.read()) == 1_000_000
        assert await process.wait() == 0
        os.close(read)
        os.close(write)

    run(main())


def test_stderr_into_stdout(run):
    async def main():
        process = await SHELL("echo out; echo err >&2", stdout=PIPE, stderr=STDOUT)
        out, err = await process.communicate()
        assert (out, err) == (b"out\nerr\n", None)

    run(main())


def test_pipe_that_a_grandchild_keeps_open(run):
    async def main():
        process = await SHELL("echo early; (sleep 0.02; echo late) &", stdin=PIPE, stdout=PIPE)
        assert await process.stdout.readline() == b"early\n"
        process.stdin.close()
        assert await process.stdout.read() == b"late\n"
        assert await process.wait() == 0

    run(main())


def test_files_and_devnull_as_stdio(run, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"content")

    async def main():
        with open(path, "rb") as source, open(tmp_path / "copy", "wb") as target:
            process = await EXEC("cat", stdin=source, stdout=target, stderr=DEVNULL)
            assert await process.wait() == 0
        assert (process.stdin, process.stdout, process.stderr) == (None, None, None)

    run(main())
    assert (tmp_path / "copy").read_bytes() == b"content"


# ---- transport and protocol ----


def test_order_of_the_protocol_calls(loop, run):
    async def main():
        transport, protocol = await loop.subprocess_exec(
            Record, "sh", "-c", "echo out; exit 4", stdin=None, stdout=PIPE, stderr=None
        )
        await protocol.lost
        assert transport.get_returncode() == 4
        transport.close()
        return protocol.calls

    calls = run(main())
    assert calls[0] == "made"
    assert calls[-1] == ("lost", None)
    assert sorted(map(str, calls[1:-1])) == sorted(
        map(str, [("data", 1, b"out\n"), ("pipe lost", 1, None), "exited"])
    )


def test_extra_info_and_pipe_transports(loop, run):
    async def main():
        transport, protocol = await loop.subprocess_exec(Record, "cat", stdin=PIPE, stdout=PIPE, stderr=PIPE)
        popen = transport.get_extra_info("subprocess")
        assert type(popen) is subprocess.Popen
        assert popen.pid == transport.get_pid()
        assert transport.get_returncode() is None
        assert transport.get_extra_info("nothing", "default") == "default"
        for fd, name in enumerate(["stdin", "stdout", "stderr"]):
            pipe = transport.get_pipe_transport(fd)
            assert pipe.get_extra_info("pipe") is getattr(popen, name)
        assert transport.get_pipe_transport(3) is None
        assert transport.get_protocol() is protocol
        assert not transport.is_closing()
        assert f"pid={popen.pid} running" in repr(transport)
        transport.get_pipe_transport(0).close()
        await protocol.lost
        assert "returncode=0" in repr(transport)
        transport.close()
        assert transport.is_closing()

    run(main())


@pytest.mark.parametrize(
    "arguments, text",
    [
        ({"universal_newlines": True}, "universal_newlines must be False"),
        ({"shell": True}, "shell must be False"),
        ({"bufsize": 1}, "bufsize must be 0"),
        ({"text": True}, "text must be False"),
        ({"encoding": "utf-8"}, "encoding must be None"),
        ({"errors": "strict"}, "errors must be None"),
    ],
)
def test_arguments_that_are_refused(loop, run, arguments, text):
    async def main():
        with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
            await loop.subprocess_exec(Record, "true", **arguments)

    run(main())


def test_close_kills_and_the_child_is_reaped(loop, run):
    async def main():
        transport, protocol = await loop.subprocess_exec(Record, "sleep", "100", stdin=PIPE, stdout=PIPE)
        pid = transport.get_pid()
        transport.close()
        transport.close()
        await protocol.lost
        assert transport.get_returncode() == -signal.SIGKILL
        assert not is_zombie_or_alive(pid)
        assert protocol.calls[-1] == ("lost", None)

    run(main())


def test_close_calls_the_kill_that_the_program_has_put_there(loop, run):
    async def main():
        transport, protocol = await loop.subprocess_exec(Record, "sleep", "100")
        process, calls = transport.get_extra_info("subprocess"), []
        kill = process.kill

        def replaced():
            calls.append("kill")
            kill()

        process.kill = replaced
        transport.close()
        await protocol.lost
        assert calls == ["kill"]
        assert transport.get_returncode() == -signal.SIGKILL

    run(main())


def test_cancelled_creation_kills_and_reaps(loop, run):
    async def main():
        task = asyncio.ensure_future(loop.subprocess_exec(Record, "sleep", "100", stdout=PIPE))
        before = children()
        await asyncio.sleep(0)  # the process is there, its pipes are not connected
        [pid] = children() - before
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not is_zombie_or_alive(pid)
        await turns(3)  # the pipe's connection_lost

    run(main())


def children():
    """The pids of our children, zombies included."""
    out = subprocess.run(["ps", "-o", "pid=", "--ppid", str(os.getpid())], capture_output=True, text=True)
    return {int(pid) for pid in out.stdout.split() if is_zombie_or_alive(int(pid))}


def test_cancelled_communicate_and_wait_can_be_repeated(run):
    async def main():
        process = await python("import sys; d = sys.stdin.buffer.read(); sys.stdout.buffer.write(d)")
        for _ in range(3):
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(process.wait(), 0.01)
        process.stdin.write(b"part ")
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(process.stdout.read(), 0.01)
        out, _ = await process.communicate(b"rest")
        assert (out, process.returncode) == (b"part rest", 0)

    run(main())


def test_timeout_then_kill(run):
    async def main():
        process = await EXEC("sleep", "100", stdout=PIPE)
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(process.communicate(), 0.02)
        process.kill()
        assert await process.wait() == -signal.SIGKILL

    run(main())


def test_unclosed_transport_warns(loop, run):
    async def main():
        transport, protocol = await loop.subprocess_exec(Record, "true", stdin=None, stdout=None, stderr=None)
        await protocol.lost
        del transport, protocol

    with pytest.warns(ResourceWarning, match="unclosed transport <.*Transport pid=.* returncode=0"):
        run(main())
        gc.collect()


def test_loop_closed_over_a_running_child(loop, run):
    async def main():
        transport, _ = await loop.subprocess_exec(
            Record, "sleep", "100", stdin=None, stdout=None, stderr=None
        )
        return transport

    transport = run(main())
    popen = transport.get_extra_info("subprocess")
    loop.close()
    try:
        transport.send_signal(signal.SIGTERM)
        assert popen.wait(10) == -signal.SIGTERM
    finally:
        transport.close()


def test_callbacks_run_in_the_context_of_the_creation(loop, run):
    variable = contextvars.ContextVar("variable", default="none")
    seen = {}

    class Protocol(Record):
        def process_exited(self):
            seen["exited"] = variable.get()

        def pipe_data_received(self, fd, data):
            seen["data"] = variable.get()

        def connection_lost(self, exc):
            seen["lost"] = variable.get()
            super().connection_lost(exc)

    async def main():
        variable.set("creation")
        transport, protocol = await loop.subprocess_exec(Protocol, "echo", "x", stdin=None, stderr=None)
        variable.set("later")
        await protocol.lost
        transport.close()

    run(main())
    assert seen == {"data": "creation", "exited": "creation", "lost": "creation"}


def test_debug_mode_logs_the_life_of_a_process(loop, run, caplog):
    async def main():
        process = await EXEC("sh", "-c", "exit 9")
        assert await process.wait() == 9
        return process.pid

    loop.set_debug(True)
    loop.slow_callback_duration = 10
    pid = run(main())
    text = caplog.text
    assert f"process 'sh' created: pid {pid}" in text
    assert "exited with return code 9" in text


# ---- signals to the child ----


def test_signals(run):
    async def main():
        for send, code in [
            (lambda process: process.terminate(), -signal.SIGTERM),
            (lambda process: process.kill(), -signal.SIGKILL),
            (lambda process: process.send_signal(signal.SIGINT), -signal.SIGINT),
            (lambda process: process.send_signal(int(signal.SIGUSR2)), -signal.SIGUSR2),
        ]:
            process = await EXEC("sleep", "100")
            process.send_signal(0)  # only asks
            send(process)
            assert await process.wait() == code
            for call in (process.terminate, process.kill, lambda p=process: p.send_signal(signal.SIGINT)):
                with pytest.raises(ProcessLookupError):
                    call()

    run(main())


def test_bad_signals(run):
    async def main():
        process = await EXEC("sleep", "100")
        for number in (1000, -1):
            with pytest.raises(OSError, match="Invalid argument"):
                process.send_signal(number)
        with pytest.raises(TypeError, match="cannot be interpreted as an integer"):
            process.send_signal("SIGTERM")
        with pytest.raises(OverflowError):
            process.send_signal(1 << 70)
        process.kill()
        await process.wait()

    run(main())


def test_signal_to_a_dead_child_does_not_lose_its_status(run):
    async def main():
        process = await python("import sys; sys.stdin.read(1); sys.exit(6)", stdout=DEVNULL)
        process.stdin.write(b"x")
        await asyncio.sleep(0)
        process._transport.get_pipe_transport(0).abort()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # dead, and the loop does not know
        process.terminate()
        assert await process.wait() == 6

    run(main())


def test_signal_after_the_exit_while_pipes_are_open_goes_nowhere(loop, run, monkeypatch):
    async def main():
        transport, protocol = await loop.subprocess_exec(
            Record, "sh", "-c", "sleep 100 & echo $!; exit 0", stdin=None, stderr=None
        )
        await until(lambda: transport.get_returncode() is not None and len(protocol.calls) > 2)
        [grandchild] = [int(call[2]) for call in protocol.calls if call[0] == "data"]
        kill, killed = os.kill, []
        monkeypatch.setattr(os, "kill", lambda *args: killed.append(args))
        transport.kill()
        transport.send_signal(signal.SIGTERM)
        kill(grandchild, signal.SIGKILL)
        await protocol.lost
        transport.close()
        assert killed == []  # the pid may be another's by now

    run(main())


def test_signals_from_another_thread(loop, run):
    async def main():
        process = await EXEC("sleep", "100")
        await loop.run_in_executor(None, process.send_signal, signal.SIGUSR1)
        assert await process.wait() == -signal.SIGUSR1

    run(main())
