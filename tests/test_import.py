"""What importing goloop does and does not do, and its own few names. Each test is a fresh process."""

import pytest

pytestmark = [pytest.mark.goloop_only, pytest.mark.linux_only]

STATE = """
    import os

    def threads():
        return len(os.listdir("/proc/self/task"))

    def engines():
        with open("/proc/self/maps") as maps:
            return any("_engine" in line for line in maps)
"""


def test_import_starts_no_thread_and_loads_no_engine(script):
    script.prelude = ""
    assert script(f"{STATE}\n    import asyncio, goloop\n    print(threads(), engines())") == "1 False\n"


def test_first_loop_loads_the_engine(script):
    script.prelude = ""
    out = script(f"""{STATE}
    import goloop

    loop = goloop.new_event_loop()
    loop.run_until_complete(loop.run_in_executor(None, int))
    loop.close()
    print(engines())
    """)
    assert out == "True\n"


def test_loop_that_is_never_run_can_be_closed(script):
    assert script("new_event_loop().close()") == ""


def test_loop_is_a_selector_event_loop(script):
    out = script("""
        import goloop
        loop = goloop.new_event_loop()
        print(issubclass(goloop.Loop, asyncio.SelectorEventLoop), type(loop) is goloop.Loop)
        print(isinstance(goloop.__version__, str) and goloop.__version__[0].isdigit())
        loop.close()
    """)
    assert out == "True True\nTrue\n"


def test_install_makes_asyncio_use_goloop(script):
    # No warning: from 3.14 on those of asyncio are about its own names, which install() does not use.
    out = script("""
        import goloop

        async def main():
            return type(asyncio.get_running_loop()) is goloop.Loop

        goloop.install()
        loop = asyncio.new_event_loop()
        print(type(loop) is goloop.Loop)
        loop.close()
        print(asyncio.run(main()))
    """)
    assert out == "True\nTrue\n"


def test_policy_makes_loops_of_goloop_for_each_thread(script):
    out = script("""
        import goloop, warnings

        def work():
            try:
                policy.get_event_loop()
            except RuntimeError as exc:
                print("There is no current event loop in thread" in str(exc))
            loop = asyncio.new_event_loop()
            asyncio.set_event_loop(loop)
            print(policy.get_event_loop() is loop, type(loop) is goloop.Loop)
            asyncio.set_event_loop(None)
            loop.close()

        policy = goloop.EventLoopPolicy()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # 3.14, of asyncio's name
            asyncio.set_event_loop_policy(policy)
            assert asyncio.get_event_loop_policy() is policy
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    """)
    assert out == "True\nTrue True\n"


def test_run_runs_a_coroutine_on_goloop(script):
    out = script("""
        import goloop

        async def main():
            loop = asyncio.get_running_loop()
            return type(loop) is goloop.Loop, loop.get_debug()

        print(goloop.run(main()))
        print(goloop.run(main(), debug=True))

        async def nested():
            coroutine = main()
            try:
                goloop.run(coroutine)
            except RuntimeError as exc:
                coroutine.close()
                return str(exc)

        print(goloop.run(nested()))
        try:
            goloop.run(None)
        except (TypeError, ValueError) as exc:
            print("refused")

        async def fail():
            raise LookupError("failed")

        try:
            goloop.run(fail())
        except LookupError as exc:
            print(exc)
    """)
    lines = out.splitlines()
    assert lines[:2] == ["(True, False)", "(True, True)"]
    assert "cannot be called from a running event loop" in lines[2]
    assert lines[3:] == ["refused", "failed"]


@pytest.mark.since("3.12")
def test_asyncio_run_takes_the_factory(script):
    out = script("""
        import goloop

        async def main():
            return type(asyncio.get_running_loop()) is goloop.Loop

        print(asyncio.run(main(), loop_factory=goloop.new_event_loop))
    """)
    assert out == "True\n"


def test_panic_in_the_engine_is_a_runtime_error_and_spares_other_loops(script):
    out = script("""
        loop, other = new_event_loop(), new_event_loop()
        loop.run_until_complete(asyncio.sleep(0))
        try:
            loop._inject_panic()
        except RuntimeError as exc:
            print("goroutine" in str(exc) or ".go:" in str(exc))
        try:
            loop.call_later(0.001, loop.stop)
            loop.run_forever()
        except RuntimeError:
            print("refused")
        loop.close()
        print(other.run_until_complete(asyncio.sleep(0.001, "usable")))
        other.close()
        third = new_event_loop()
        print(third.run_until_complete(asyncio.sleep(0.001, "usable")))
        third.close()
    """)
    lines = out.splitlines()
    assert lines[0] == "True"
    assert lines[-2:] == ["usable", "usable"]
