"""Loops after os.fork(): in the child, in its children, beside the parent's."""

import pytest

FORK = """
    import concurrent.futures, multiprocessing, warnings

    # Since 3.12 a fork of a process with threads warns; an engine's threads are threads.
    warnings.filterwarnings("ignore", ".*multi-threaded", DeprecationWarning)

    async def work():
        loop = asyncio.get_running_loop()
        ours, peer = socket.socketpair()
        with peer:
            reader, writer = await asyncio.open_connection(sock=ours)
            peer.send(b"hello")
            data = await reader.readexactly(5)
            await asyncio.sleep(0.001)
            with concurrent.futures.ThreadPoolExecutor() as pool:
                number = await loop.run_in_executor(pool, int, "7")
            writer.close()
            await writer.wait_closed()
            return data, number

    def child(function):
        pid = os.fork()
        if pid == 0:
            try:
                function()
            finally:
                os._exit(0)
        assert os.waitpid(pid, 0)[1] == 0

    def work_on_a_new_loop(name):
        loop = new_event_loop()
        print(name, loop.run_until_complete(work()))
        loop.close()
"""


def test_child_of_a_fork_makes_its_own_loop(script):
    out = script(FORK + """
    loop = new_event_loop()
    loop.run_until_complete(work())
    child(lambda: work_on_a_new_loop("child"))
    print("parent", loop.run_until_complete(work()))
    loop.close()
    """)
    assert out == "child (b'hello', 7)\nparent (b'hello', 7)\n"


def test_child_forked_inside_a_callback_makes_its_own_loop(script):
    out = script(FORK + """
    async def main():
        child(lambda: work_on_a_new_loop("child"))
        print("parent", await work())

    run(main())
    """)
    assert out == "child (b'hello', 7)\nparent (b'hello', 7)\n"


def test_grandchildren_make_their_own_loops(script):
    out = script(FORK + """
    def generation(number):
        work_on_a_new_loop(number)
        if number < 5:
            child(lambda: generation(number + 1))

    generation(0)
    """)
    assert out == "".join(f"{number} (b'hello', 7)\n" for number in range(6))


def test_twenty_children_of_a_busy_parent_all_work(script):
    out = script(FORK + """
    async def main():
        busy = asyncio.ensure_future(spin())
        for _ in range(20):
            child(lambda: work_on_a_new_loop("child"))
            await asyncio.sleep(0)
        busy.cancel()
        print("parent", await work())

    async def spin():
        while True:
            await asyncio.sleep(0)

    run(main())
    """)
    assert out == "child (b'hello', 7)\n" * 20 + "parent (b'hello', 7)\n"


@pytest.mark.goloop_only
def test_inherited_loop_refuses_in_the_child(script):
    out = script(FORK + """
    loop = new_event_loop()
    loop.run_until_complete(work())

    def use_the_inherited_loop():
        try:
            loop.run_forever()
        except RuntimeError as exc:
            print("fork" in str(exc))

    child(use_the_inherited_loop)
    print("parent", loop.run_until_complete(work()))
    loop.close()
    """)
    assert out == "True\nparent (b'hello', 7)\n"


def test_forked_worker_processes_run_loops(script):
    out = script(FORK + """
    def worker(number):
        return run(work())

    async def main():
        loop = asyncio.get_running_loop()
        context = multiprocessing.get_context("fork")
        with concurrent.futures.ProcessPoolExecutor(2, mp_context=context) as pool:
            print(await asyncio.gather(*(loop.run_in_executor(pool, worker, number) for number in range(3))))

    run(main())
    """)
    assert out == "[(b'hello', 7), (b'hello', 7), (b'hello', 7)]\n"
