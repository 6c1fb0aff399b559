"""Tasks, task factories, executors, asynchronous generators, runners."""

import asyncio
import concurrent.futures
import contextlib
import contextvars
import gc
import sys
import threading

import pytest

COLOUR = contextvars.ContextVar("colour", default="none")


async def colour():
    return COLOUR.get()


def test_tasks_interleave_in_order(loop, run):
    steps = []

    async def walk(name):
        for number in range(3):
            steps.append(name + str(number))
            await asyncio.sleep(0)

    async def main():
        await asyncio.gather(walk("a"), walk("b"))

    run(main())
    assert steps == ["a0", "b0", "a1", "b1", "a2", "b2"]


def test_task_runs_in_a_copy_of_the_context_of_its_creation(loop, run):
    async def main():
        COLOUR.set("red")
        task = loop.create_task(colour())
        COLOUR.set("blue")
        return await task

    assert run(main()) == "red"


@pytest.mark.since("3.11")
def test_create_task_takes_name_and_context(loop, run):
    context = contextvars.copy_context()
    context.run(COLOUR.set, "green")

    async def main():
        task = loop.create_task(colour(), name="painter", context=context)
        return task.get_name(), await task

    assert run(main()) == ("painter", "green")


@pytest.mark.since("3.14")
@pytest.mark.parametrize("eager", [True, False, None])
def test_create_task_starts_a_task_at_once_when_it_is_to_be_eager(loop, run, eager):
    context = contextvars.copy_context()
    context.run(COLOUR.set, "green")

    async def which():
        return asyncio.current_task(), COLOUR.get()

    async def main():
        task = loop.create_task(which(), name="painter", context=context, eager_start=eager)
        assert task.done() is bool(eager)
        assert task.get_name() == "painter"
        assert await task == (task, "green")
        assert asyncio.current_task() is not task
        alone = loop.create_task(which(), eager_start=eager)
        assert alone.done() is bool(eager)
        assert await alone == (alone, "none")

    run(main())


@pytest.mark.since("3.14")
def test_eager_tasks_make_eager_tasks(loop, run):
    async def nested(depth):
        if depth:
            task = loop.create_task(nested(depth - 1), eager_start=True)
            assert task.done()
            assert task.result() is task
        return asyncio.current_task()

    async def main():
        for _ in range(3):
            task = loop.create_task(nested(3), eager_start=True)
            assert task.done()
            assert task.result() is task
            assert await loop.create_task(colour()) == "none"

    run(main())


@pytest.mark.since("3.14")
def test_task_factory_is_given_every_keyword_of_create_task(loop, run):
    given = []

    def factory(loop, coro, **options):
        given.append(dict(options))
        options.pop("priority", None)
        return asyncio.Task(coro, loop=loop, **options)

    async def main():
        context = contextvars.copy_context()
        loop.set_task_factory(factory)
        await loop.create_task(colour(), priority=1)
        await loop.create_task(colour(), name="painter", context=context, eager_start=True, priority=2)
        await asyncio.create_task(colour(), priority=3)
        async with asyncio.TaskGroup() as group:
            group.create_task(colour(), name="member", priority=4)
        loop.set_task_factory(None)
        coroutine = colour()
        with pytest.raises(TypeError, match="'priority'"):
            loop.create_task(coroutine, priority=5)
        coroutine.close()
        return context

    context = run(main())
    assert given == [
        {"priority": 1},
        {"name": "painter", "context": context, "eager_start": True, "priority": 2},
        {"priority": 3},
        {"name": "member", "priority": 4},
    ]


def test_cancelled_task_raises_at_its_await(loop, run):
    seen = []

    async def victim():
        try:
            await asyncio.sleep(1000)
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise

    async def main():
        task = asyncio.create_task(victim())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(main())
    assert seen == ["cancelled"]


def test_wait_for_times_out(loop, run):
    async def main():
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(loop.create_future(), 0.01)

    run(main())


def test_task_factory_makes_the_tasks(loop):
    made = []

    def factory(loop, coro, **options):
        task = asyncio.Task(coro, loop=loop, **options)
        made.append(task)
        return task

    assert loop.get_task_factory() is None
    loop.set_task_factory(factory)
    assert loop.get_task_factory() is factory
    assert loop.run_until_complete(asyncio.sleep(0, "done")) == "done"
    assert len(made) == 1
    loop.set_task_factory(None)
    loop.run_until_complete(asyncio.sleep(0))
    assert len(made) == 1
    with pytest.raises(TypeError, match="task factory must be a callable or None"):
        loop.set_task_factory("factory")


def test_replaced_create_task_of_asyncio_is_called(loop, run, monkeypatch):
    made = []
    original = asyncio.BaseEventLoop.create_task

    def create_task(loop, coro, **options):
        made.append(sorted(options))
        return original(loop, coro, **options)

    async def main():
        assert await loop.create_task(colour()) == "none"
        monkeypatch.setattr(asyncio.BaseEventLoop, "create_task", create_task)
        await loop.create_task(colour())
        await loop.create_task(colour(), name="painter")
        monkeypatch.undo()
        await loop.create_task(colour())

    run(main())
    assert made == [[], ["name"]]


def test_code_of_create_task_that_is_replaced_is_run(loop, run, monkeypatch):
    original = asyncio.BaseEventLoop.create_task

    async def main():
        with monkeypatch.context() as patch:
            patch.setattr(original, "__code__", (lambda self, coro, **options: coro.close()).__code__)
            if sys.version_info < (3, 14):
                patch.setattr(original, "__kwdefaults__", None)
            assert loop.create_task(colour()) is None
        assert await loop.create_task(colour()) == "none"

    run(main())


def test_replaced_classes_of_asyncio_are_used(loop, run, monkeypatch):
    class Task(asyncio.Task):
        pass

    class Future(asyncio.Future):
        pass

    async def main():
        monkeypatch.setattr(asyncio.tasks, "Task", Task)
        monkeypatch.setattr(asyncio.futures, "Future", Future)
        task, future = loop.create_task(colour(), name="painter"), loop.create_future()
        monkeypatch.undo()
        assert (type(task), task.get_name(), type(future)) == (Task, "painter", Future)
        assert await task == "none"
        assert type(loop.create_task(colour())) is asyncio.Task
        assert type(loop.create_future()) is asyncio.Future

    run(main())


@pytest.mark.since("3.14")  # before, asyncio's own arguments besides
@pytest.mark.parametrize("option", ["name", "context", "eager_start"])
def test_replaced_task_is_given_what_create_task_was_given(loop, run, monkeypatch, option):
    """None too."""

    async def main():
        given = []

        class Task(asyncio.Task):
            def __init__(self, coro, **options):
                given.append(options)
                super().__init__(coro, **options)

        with monkeypatch.context() as patch:
            patch.setattr(asyncio.tasks, "Task", Task)
            task = loop.create_task(colour(), **{option: None})
        await task
        assert given == [{"loop": loop, option: None}]

    run(main())


def test_overridden_create_task_and_create_future_are_asked(loop):
    class Loop(type(loop)):
        asked = 0

        def create_task(self, *args, **options):
            self.asked += 1
            return super().create_task(*args, **options)

        def create_future(self):
            self.asked += 1
            return super().create_future()

    with contextlib.closing(Loop()) as derived:
        derived.run_until_complete(asyncio.sleep(0.001))
        assert derived.asked == 2


def test_closed_loop_makes_no_task(loop):
    loop.close()
    coroutine = colour()
    with pytest.raises(RuntimeError, match="Event loop is closed"):
        loop.create_task(coroutine)
    coroutine.close()


def test_create_task_refuses_what_is_no_coroutine_and_unknown_options(loop):
    with pytest.raises(TypeError, match="a coroutine was expected, got 1"):
        loop.create_task(1)
    for options in ({"colour": 1}, {"coro": 1}):
        coroutine = colour()
        with pytest.raises(TypeError):
            loop.create_task(coroutine, **options)
        coroutine.close()
    with pytest.raises(TypeError):
        loop.create_task()
    coroutine = colour()
    task = loop.create_task(coro=coroutine, name=None)
    assert task.get_name().startswith("Task-")
    loop.run_until_complete(task)


def test_traceback_of_a_task_in_debug_mode_ends_where_it_was_made(loop, run):
    async def main():
        task = loop.create_task(colour())
        future = loop.create_future()
        assert task._source_traceback[-1].name == "main"
        assert [entry.name for entry in future._source_traceback[-2:]] == ["main", "create_future"]
        await task

    loop.set_debug(True)
    assert loop.get_debug() is True
    run(main())


def test_pending_task_that_is_dropped_is_reported(loop, errors):
    async def wait():
        await loop.create_future()

    loop.create_task(wait())
    loop.stop()
    loop.run_forever()
    gc.collect()
    assert errors.messages() == ["Task was destroyed but it is pending!"]


def test_run_in_executor_returns_result_or_exception(loop, run):
    async def main():
        assert await loop.run_in_executor(None, divmod, 7, 2) == (3, 1)
        with pytest.raises(ZeroDivisionError):
            await loop.run_in_executor(None, divmod, 7, 0)
        thread = await loop.run_in_executor(None, threading.current_thread)
        assert thread is not threading.main_thread()
        assert thread.name.startswith("asyncio_")

    run(main())


def test_run_in_executor_takes_an_executor(loop, run):
    async def main():
        with concurrent.futures.ThreadPoolExecutor(thread_name_prefix="mine") as executor:
            return await loop.run_in_executor(executor, threading.current_thread)

    assert run(main()).name == "mine_0"


def test_set_default_executor_is_used(loop, run):
    executor = concurrent.futures.ThreadPoolExecutor(thread_name_prefix="mine")
    loop.set_default_executor(executor)
    assert run(asyncio.wrap_future(executor.submit(int), loop=loop)) == 0

    async def main():
        return await loop.run_in_executor(None, threading.current_thread)

    assert run(main()).name == "mine_0"


@pytest.mark.since("3.11")
def test_set_default_executor_refuses_other_types(loop):
    with pytest.raises(TypeError, match="executor must be ThreadPoolExecutor instance"):
        loop.set_default_executor("executor")


def test_hundred_executor_calls_all_come_back(loop, run):
    async def main():
        return await asyncio.gather(*(loop.run_in_executor(None, pow, number, 2) for number in range(100)))

    assert run(main()) == [number**2 for number in range(100)]


def test_shutdown_default_executor_joins_its_threads(loop, run):
    async def main():
        thread = await loop.run_in_executor(None, threading.current_thread)
        await loop.shutdown_default_executor()
        assert not thread.is_alive()
        with pytest.raises(RuntimeError, match="^Executor shutdown has been called$"):
            loop.run_in_executor(None, print)

    run(main())


def test_shutdown_asyncgens_finishes_open_generators(loop, run):
    steps = []

    async def numbers():
        try:
            yield 1
        finally:
            await asyncio.sleep(0)
            steps.append("closed")

    async def main():
        generator = numbers()
        assert await generator.__anext__() == 1
        await loop.shutdown_asyncgens()
        assert steps == ["closed"]

    run(main())


def test_dropped_asyncgen_is_closed_by_the_loop(loop, run):
    closed = loop.create_future()

    async def numbers():
        try:
            yield 1
        finally:
            await asyncio.sleep(0)
            closed.set_result("closed")

    async def main():
        generator = numbers()
        await generator.__anext__()
        del generator
        gc.collect()
        return await closed

    assert run(main()) == "closed"


def test_asyncgen_hooks_are_given_back_after_the_run(loop):
    before = sys.get_asyncgen_hooks()
    loop.run_until_complete(asyncio.sleep(0))
    assert sys.get_asyncgen_hooks() == before


@pytest.mark.since("3.11")
def test_runner_runs_on_the_loop_and_closes_it(loop_name, loop_factory):
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        loop = runner.get_loop()
        assert type(loop).__module__.partition(".")[0] == loop_name
        assert runner.run(asyncio.sleep(0, "first")) == "first"
        assert runner.run(asyncio.sleep(0, "second")) == "second"
        assert not loop.is_closed()
    assert loop.is_closed()


@pytest.mark.since("3.12")
def test_asyncio_run_takes_the_loop_factory(loop_name, loop_factory):
    async def main():
        return type(asyncio.get_running_loop()).__module__.partition(".")[0]

    assert asyncio.run(main(), loop_factory=loop_factory) == loop_name


@pytest.mark.since("3.11")
def test_task_group_cancels_its_siblings(loop, run):
    cancelled = []

    async def wait():
        try:
            await asyncio.sleep(1000)
        except asyncio.CancelledError:
            cancelled.append("sibling")
            raise

    async def fail():
        await asyncio.sleep(0)
        raise LookupError

    async def main():
        async with asyncio.TaskGroup() as group:
            group.create_task(wait())
            group.create_task(fail())

    with pytest.raises(BaseExceptionGroup) as caught:
        run(main())
    assert [type(exc) for exc in caught.value.exceptions] == [LookupError]
    assert cancelled == ["sibling"]


@pytest.mark.since("3.12")
def test_eager_tasks_finish_without_a_turn(loop, run):
    async def main():
        loop.set_task_factory(asyncio.eager_task_factory)
        task = asyncio.create_task(colour())
        return task.done()

    assert run(main()) is True


def test_thousand_queue_items_arrive_in_order(loop, run):
    async def main():
        queue = asyncio.Queue(10)

        async def produce():
            for number in range(1000):
                await queue.put(number)

        producer = asyncio.create_task(produce())
        seen = [await queue.get() for _ in range(1000)]
        await producer
        return seen

    assert run(main()) == list(range(1000))
