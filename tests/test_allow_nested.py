"""loop.allow_nested(): a loop that runs inside itself, or inside another, because the program has asked for it."""

import asyncio
import contextvars
import signal
import sys
import threading

import pytest

import protocols
from programs import PIPE, until


@pytest.fixture
def nestable(loop, loop_name):
    if loop_name == "goloop":
        assert loop.allow_nested() is None
        loop.allow_nested()
    return loop


async def slept(result, seconds=0.001):
    await asyncio.sleep(seconds)
    return result


def test_nested_run_is_refused_unless_it_is_allowed(loop, run):
    async def main():
        coroutine = slept("x")
        with pytest.raises(RuntimeError, match="This event loop is already running"):
            loop.run_until_complete(coroutine)
        coroutine.close()
        with pytest.raises(RuntimeError, match="This event loop is already running"):
            loop.run_forever()

    run(main())


def test_asyncio_run_is_refused_in_a_running_loop(nestable, run):
    """By asyncio itself, before any loop is asked."""

    async def main():
        coroutine = slept("x")
        with pytest.raises(RuntimeError, match=r"asyncio.run\(\) cannot be called from a running event loop"):
            asyncio.run(coroutine)
        coroutine.close()

    run(main())


@pytest.mark.goloop_only
class TestAllowed:
    def test_run_until_complete_in_a_task(self, nestable, run):
        async def inner(depth):
            task = asyncio.current_task()
            await asyncio.sleep(0.001)
            found = depth if depth == 5 else nestable.run_until_complete(inner(depth + 1))
            assert asyncio.current_task() is task
            assert asyncio.get_running_loop() is nestable
            await asyncio.sleep(0)
            return found

        assert run(inner(0)) == 5
        assert run(inner(0)) == 5
        with pytest.raises(RuntimeError, match="no running event loop"):
            asyncio.get_running_loop()

    def test_run_until_complete_in_a_callback(self, nestable, run):
        async def main():
            future = nestable.create_future()
            nestable.call_soon(lambda: future.set_result(nestable.run_until_complete(slept("called"))))
            return await future

        assert run(main()) == "called"

    def test_tasks_outside_go_on(self, nestable, run):
        async def main():
            log = []
            task = asyncio.ensure_future(until(lambda: len(log) == 2))
            nestable.call_soon(log.append, "soon")
            nestable.call_later(0.001, log.append, "timer")
            before = asyncio.all_tasks()
            nestable.run_until_complete(task)
            assert log == ["soon", "timer"]
            assert asyncio.all_tasks() == before - {task}

        run(main())

    def test_everything_works_inside(self, nestable, run):
        async def traffic():
            async def echo(reader, writer):
                writer.write(await reader.readline())
                writer.close()

            server = await asyncio.start_server(echo, "localhost", 0)
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname()[:2])
            writer.write(b"echo\n")
            answer = await reader.read()
            writer.close()
            server.close()
            process = await asyncio.create_subprocess_exec("cat", stdin=PIPE, stdout=PIPE)
            out, _ = await process.communicate(b"child")
            return answer, out, await nestable.run_in_executor(None, lambda: "thread")

        async def main():
            for _ in range(3):
                assert nestable.run_until_complete(traffic()) == (b"echo\n", b"child", "thread")
                assert await traffic() == (b"echo\n", b"child", "thread")

        run(main())

    def test_run_in_a_protocol_serves_other_connections(self, nestable, run, socket_pair):
        async def main():
            log = []

            class Asks(asyncio.Protocol):
                def data_received(self, data):
                    second.send(b"more")
                    log.append(
                        (data, nestable.run_until_complete(asyncio.wait_for(reader.readexactly(4), 10)))
                    )

            (ours, theirs), (other, second) = socket_pair(), socket_pair()
            reader, writer = await asyncio.open_connection(sock=other)
            transport, _ = await nestable.create_connection(Asks, sock=ours)
            for _ in range(3):
                theirs.send(b"data")
                before = len(log)
                await until(lambda before=before: len(log) > before)
            assert log == [(b"data", b"more")] * 3
            transport.close()
            writer.close()
            await writer.wait_closed()
            await protocols.turns(3)

        run(main())

    def test_result_exception_and_cancellation_come_out(self, nestable, run, errors):
        async def fails():
            await asyncio.sleep(0)
            raise ValueError("inside")

        async def main():
            future = nestable.create_future()
            nestable.call_soon(future.set_result, "future")
            assert nestable.run_until_complete(future) == "future"
            assert nestable.run_until_complete(future) == "future"
            with pytest.raises(ValueError, match="inside"):
                nestable.run_until_complete(fails())
            task = asyncio.ensure_future(asyncio.sleep(100))
            nestable.call_soon(task.cancel)
            with pytest.raises(asyncio.CancelledError):
                nestable.run_until_complete(task)
            with pytest.raises(TypeError):
                nestable.run_until_complete(1)

        run(main())
        assert errors == []

    def test_stop_ends_the_innermost_run(self, nestable, run):
        async def main():
            log = []
            nestable.call_soon(nestable.stop)
            nestable.run_forever()
            log.append("forever")
            future = nestable.create_future()
            nestable.call_soon(nestable.stop)
            with pytest.raises(RuntimeError, match="Event loop stopped before Future completed."):
                nestable.run_until_complete(future)
            await asyncio.sleep(0.001)
            assert nestable.is_running()
            return log

        assert run(main()) == ["forever"]

    def test_stop_before_a_nested_run_is_for_the_run_around_it(self, nestable):
        log = []

        def callback():
            nestable.stop()
            log.append(nestable.run_until_complete(slept("inside")))

        nestable.call_soon(callback)
        nestable.call_later(0.5, log.append, "late")
        nestable.run_forever()
        assert log == ["inside"]
        assert not nestable.is_running()

    def test_run_whose_future_is_done_waits_for_the_runs_inside_it(self, nestable):
        """The outermost and a middle one: asyncio's callback for the first would stop the innermost."""
        log = []

        async def ends(name, event):
            await event.wait()
            log.append(name)
            return name

        async def main():
            first = asyncio.Event()
            second = asyncio.Event()

            def middle():
                found = nestable.run_until_complete(ends("middle", second))
                log.append(("out of", found))

            def innermost():
                found = nestable.run_until_complete(ends_both())
                log.append(("out of", found))

            async def ends_both():
                first.set()
                second.set()
                await until(lambda: "outer" in log and "middle" in log)
                await asyncio.sleep(0.01)
                return "innermost"

            nestable.call_soon(middle)
            nestable.call_later(0.001, innermost)
            await ends("outer", first)

        nestable.run_until_complete(main())
        assert log == ["outer", "middle", ("out of", "innermost"), ("out of", "middle")] or log == [
            "middle",
            "outer",
            ("out of", "innermost"),
            ("out of", "middle"),
        ]
        assert not nestable.is_running()
        nestable.run_until_complete(asyncio.sleep(0.01))

    def test_cancelling_the_task_that_called_cancels_what_it_runs(self, nestable, run):
        log = []

        async def inner():
            try:
                await asyncio.sleep(100)
            finally:
                log.append("cleaned")

        async def outer():
            nestable.run_until_complete(inner())

        async def main():
            task = asyncio.ensure_future(outer())
            nestable.call_later(0.01, task.cancel)
            with pytest.raises(asyncio.CancelledError):
                await task
            assert task.cancelled()

        run(main())
        assert log == ["cleaned"]

    def test_cancelling_reaches_through_runs_that_wait_for_others(self, nestable, run):
        log = []

        async def inner(depth):
            try:
                if depth == 3:
                    await asyncio.sleep(100)
                nestable.run_until_complete(inner(depth + 1))
            finally:
                log.append(depth)

        async def main():
            task = asyncio.ensure_future(inner(0))
            nestable.call_later(0.01, task.cancel)
            with pytest.raises(asyncio.CancelledError):
                await task

        run(main())
        assert log == [3, 2, 1, 0]

    def test_cleaning_up_after_a_cancellation_may_nest_too(self, nestable, run):
        async def outer():
            try:
                nestable.run_until_complete(asyncio.sleep(100))
            except asyncio.CancelledError:
                log.append(nestable.run_until_complete(slept("cleaned")))
                raise

        async def main():
            task = asyncio.ensure_future(outer())
            nestable.call_later(0.01, task.cancel)
            with pytest.raises(asyncio.CancelledError):
                await task

        log = []
        run(main())
        assert log == ["cleaned"]

    @pytest.mark.since("3.13")  # uncancel() of older ones leaves the task as one that is to be cancelled
    def test_timeout_around_a_nested_run(self, nestable, run):
        async def main():
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.01):
                    nestable.run_until_complete(asyncio.sleep(100))

        run(main())

    def test_interrupt_leaves_all_runs(self, nestable):
        async def main():
            nestable.call_later(0.01, signal.raise_signal, signal.SIGINT)
            nestable.run_until_complete(asyncio.sleep(100))

        task = nestable.create_task(main())
        with pytest.raises(KeyboardInterrupt):
            nestable.run_until_complete(task)
        assert asyncio.current_task(nestable) is None
        assert not nestable.is_running()
        for left in asyncio.all_tasks(nestable):
            left.cancel()
        nestable.run_until_complete(protocols.turns(5))

    @pytest.mark.since("3.11")
    def test_interrupt_under_a_runner_cancels_what_runs_inside(self):
        """One Ctrl-C, as the runner cancels its task and nothing else."""
        import goloop

        log = []

        async def main():
            loop = asyncio.get_running_loop()
            loop.allow_nested()
            loop.call_later(0.01, signal.raise_signal, signal.SIGINT)
            try:
                loop.run_until_complete(asyncio.sleep(100))
            except asyncio.CancelledError:
                log.append("cancelled")
                raise

        with pytest.raises(KeyboardInterrupt), asyncio.Runner(loop_factory=goloop.new_event_loop) as runner:
            runner.run(main())
        assert log == ["cancelled"]

    def test_contexts_are_those_of_the_tasks(self, nestable, run):
        variable = contextvars.ContextVar("variable", default="default")

        async def inner():
            before = variable.get()
            variable.set("inner")
            await asyncio.sleep(0.001)
            return before, variable.get()

        async def main():
            variable.set("outer")
            assert nestable.run_until_complete(inner()) == ("outer", "inner")
            assert variable.get() == "outer"

        run(main())

    def test_debug_mode(self, nestable, run, caplog):
        nestable.set_debug(True)
        nestable.slow_callback_duration = 10

        async def main():
            assert nestable.run_until_complete(slept("debugged")) == "debugged"
            assert sys.get_coroutine_origin_tracking_depth() > 0

        run(main())
        nestable.set_debug(False)

    @pytest.mark.since("3.12")
    def test_eager_tasks(self, nestable, run):
        nestable.set_task_factory(asyncio.eager_task_factory)

        async def enters():
            assert nestable.run_until_complete(slept("inside")) == "inside"
            return asyncio.current_task()

        async def main():
            mine = asyncio.current_task()
            task = asyncio.create_task(enters())
            assert task.done()
            assert asyncio.current_task() is mine

        run(main())
        nestable.set_task_factory(None)

    def test_another_thread_may_not_run_it(self, nestable, run):
        def work():
            coroutine = slept("x")
            with pytest.raises(RuntimeError, match="This event loop is already running"):
                nestable.run_until_complete(coroutine)
            coroutine.close()

        async def main():
            await nestable.run_in_executor(None, work)

        run(main())

    def test_closed_loop_is_refused(self, nestable, run, loop_factory):
        other = loop_factory()
        other.allow_nested()
        other.close()

        async def main():
            coroutine = slept("x")
            with pytest.raises(RuntimeError, match="Event loop is closed"):
                other.run_until_complete(coroutine)
            coroutine.close()

        run(main())


@pytest.mark.goloop_only
class TestOtherLoops:
    @pytest.fixture
    def outer(self):
        loop = asyncio.SelectorEventLoop()
        yield loop
        loop.close()

    def test_loop_inside_of_another(self, outer, nestable):
        """The other one waits, whichever loop it is."""

        async def main():
            mine = asyncio.current_task()
            assert nestable.run_until_complete(slept("inside")) == "inside"
            assert asyncio.get_running_loop() is outer
            assert asyncio.current_task() is mine
            return await slept("outside")

        assert outer.run_until_complete(main()) == "outside"

    def test_loop_inside_of_another_inside_of_it(self, outer, nestable, loop_factory):
        second = loop_factory()
        second.allow_nested()

        async def main():
            first = asyncio.current_task()
            ticks = asyncio.ensure_future(until(lambda: log))

            async def between():
                mine = asyncio.current_task()
                log.append(nestable.run_until_complete(slept("inside")))
                nestable.run_until_complete(ticks)
                assert asyncio.get_running_loop() is second
                assert asyncio.current_task() is mine
                return await slept("between")

            assert second.run_until_complete(between()) == "between"
            assert asyncio.get_running_loop() is nestable
            assert asyncio.current_task() is first
            return await slept("outside")

        log = []
        assert nestable.run_until_complete(main()) == "outside"
        second.close()

    def test_loop_that_does_not_allow_it_is_refused(self, nestable, run, loop_factory):
        other = loop_factory()

        async def main():
            coroutine = slept("x")
            with pytest.raises(RuntimeError, match="Cannot run the event loop while another loop is running"):
                other.run_until_complete(coroutine)
            coroutine.close()

        run(main())
        other.close()

    def test_goloop_run_inside_is_on_the_loop_that_runs(self, nestable, run):
        import goloop

        async def inner():
            return asyncio.get_running_loop()

        async def main():
            assert goloop.run(inner()) is nestable
            with pytest.raises((TypeError, ValueError), match="a coroutine was expected"):
                goloop.run(1)
            before = asyncio.all_tasks()
            nestable.call_soon(nestable.stop)
            with pytest.raises(RuntimeError, match="Event loop stopped before Future completed."):
                goloop.run(asyncio.sleep(100))
            assert asyncio.all_tasks() == before

        run(main())

    def test_goloop_run_is_refused_inside_of_a_loop_that_does_not_allow_it(self, loop, run):
        import goloop

        async def main():
            coroutine = slept("x")
            with pytest.raises(RuntimeError, match="cannot be called from a running event loop"):
                goloop.run(coroutine)
            coroutine.close()

        run(main())

    def test_virtual_loop_leaps_inside_as_well(self):
        from goloop import testing

        loop = testing.virtual_loop()
        loop.allow_nested()

        async def main():
            await asyncio.sleep(10)
            loop.run_until_complete(asyncio.sleep(3600))
            return loop.time()

        assert loop.run_until_complete(main()) == 3610
        loop.close()


@pytest.mark.goloop_only
def test_greenlets_enter_in_turns(nestable):
    """Runs that end in the order in which they nest, each begun in a greenlet of its own."""
    greenlet = pytest.importorskip("greenlet")
    log = []

    async def main():
        worker = greenlet.greenlet(lambda: log.append(nestable.run_until_complete(slept("in a greenlet"))))
        worker.switch()
        assert worker.dead
        return await slept("outside")

    assert nestable.run_until_complete(main()) == "outside"
    assert log == ["in a greenlet"]


@pytest.mark.goloop_only
def test_threads_nest_each_on_its_own(loop_factory):
    found = []

    def work():
        loop = loop_factory()
        loop.allow_nested()

        async def main():
            return loop.run_until_complete(slept(threading.get_ident(), 0.01))

        found.append(loop.run_until_complete(main()) == threading.get_ident())
        loop.close()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [True] * 4
