"""Ctrl-C and SIGTERM, sent to a program that runs a loop."""

import asyncio
import signal

import pytest


def interrupt(script, source):
    """Start the program, send it SIGINT when it says so, and return exit code, further stdout and stderr."""
    process = script.start(source)
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    return process.returncode, out, err


def test_ctrl_c_cancels_the_main_task_of_a_run(script):
    source = """
        async def main():
            try:
                print("ready")
                await asyncio.sleep(1000)
            finally:
                print("cleaned up")

        try:
            run(main())
        except KeyboardInterrupt:
            print("interrupted")
            sys.exit(3)
    """
    assert interrupt(script, source) == (3, "cleaned up\ninterrupted\n", "")


def test_ctrl_c_kills_a_program_that_does_not_catch_it(script):
    source = """
        async def main():
            print("ready")
            await asyncio.sleep(1000)

        run(main())
    """
    code, out, err = interrupt(script, source)
    assert (code, out) == (-signal.SIGINT, "")
    assert err.splitlines()[-1] == "KeyboardInterrupt"


@pytest.mark.parametrize("sleeping", ["timer", "nothing", "reader"])
def test_ctrl_c_leaves_a_bare_run_forever(script, sleeping):
    source = f"""
        loop = new_event_loop()
        ours, peer = socket.socketpair()
        if {sleeping!r} == "timer":
            loop.call_later(1000, print, "never")
        elif {sleeping!r} == "reader":
            loop.add_reader(ours, print, "never")
        loop.call_soon(print, "ready")
        try:
            loop.run_forever()
        except KeyboardInterrupt:
            print("interrupted", loop.is_running())
        print(loop.run_until_complete(asyncio.sleep(0, "usable")))
        loop.close()
        ours.close()
        peer.close()
    """
    assert interrupt(script, source) == (0, "interrupted False\nusable\n", "")


def test_ctrl_c_interrupts_a_blocking_callback(script):
    source = """
        def block():
            print("ready")
            time.sleep(1000)  # what Ctrl-C has to end

        loop = new_event_loop()
        loop.call_soon(block)
        loop.call_soon(print, "the rest of the turn")
        try:
            loop.run_forever()
        except KeyboardInterrupt:
            print("interrupted")
        loop.stop()
        loop.run_forever()
        loop.close()
    """
    assert interrupt(script, source) == (0, "interrupted\nthe rest of the turn\n", "")


def test_ctrl_c_interrupts_a_spinning_callback_chain(script):
    source = """
        loop = new_event_loop()
        count = 0

        def spin():
            global count
            count += 1
            if count == 1000:
                print("ready")
            loop.call_soon(spin)

        spin()
        try:
            loop.run_forever()
        except KeyboardInterrupt:
            print("interrupted")
        loop.close()
    """
    assert interrupt(script, source) == (0, "interrupted\n", "")


def test_sigint_handler_of_the_loop_replaces_keyboard_interrupt(script):
    source = """
        async def main():
            loop = asyncio.get_running_loop()
            stopped = asyncio.Event()
            loop.add_signal_handler(signal.SIGINT, stopped.set)
            print("ready")
            await stopped.wait()
            print("stopped")

        run(main())
    """
    assert interrupt(script, source) == (0, "stopped\n", "")


def test_sigterm_without_a_handler_kills_a_sleeping_loop(script):
    process = script.start("""
        loop = new_event_loop()
        loop.call_soon(print, "ready")
        loop.run_forever()
    """)
    assert process.stdout.readline() == "ready\n"
    process.terminate()
    assert process.communicate(timeout=20) == ("", "")
    assert process.returncode == -signal.SIGTERM


def test_ctrl_c_while_the_loop_asks_a_future_of_a_program_whether_it_is_done(loop, socket_pair):
    ours, peer = socket_pair()

    class Interrupted(asyncio.Future):
        """Ctrl-C comes in the first call of its method after the data have."""

        comes = False

        def done(self):
            if self.comes:
                Interrupted.comes = False
                raise KeyboardInterrupt
            return super().done()

    def send():
        peer.send(b"data")
        Interrupted.comes = True

    async def main():
        loop.create_future = lambda: Interrupted(loop=loop)
        task = loop.create_task(loop.sock_recv(ours, 10))
        await asyncio.sleep(0)
        del loop.create_future
        for _ in range(5):
            await asyncio.sleep(0)
        loop.call_soon(send)
        for _ in range(20):
            await asyncio.sleep(0)
        return await task

    task = loop.create_task(main())
    with pytest.raises(KeyboardInterrupt):
        loop.run_until_complete(task)
    assert loop.run_until_complete(task) == b"data"
