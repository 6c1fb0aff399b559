"""nest_asyncio and nest_asyncio2, which patch the class of a loop: each in an interpreter of its own."""

import pytest


@pytest.fixture(params=["nest_asyncio", "nest_asyncio2"])
def nested(request, script):
    """Runs a program to its end and returns what it printed; `nest` is the package."""
    preparation = f"""
        import signal, warnings
        warnings.simplefilter("ignore", DeprecationWarning)  # both ask the policy for its loop
        import {request.param} as nest
        signal.alarm(15)
        loop = new_event_loop()
        asyncio.set_event_loop(loop)

        async def traffic():
            async def echo(reader, writer):
                writer.write(await reader.readline())
                writer.close()
            server = await asyncio.start_server(echo, "127.0.0.1", 0)
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            writer.write(b"echo\\n")
            answer = await reader.read()
            writer.close()
            server.close()
            process = await asyncio.create_subprocess_exec("cat", stdin=-1, stdout=-1)
            out, _ = await process.communicate(b"child")
            await asyncio.sleep(0.001)
            return answer.decode().strip(), out.decode(), process.returncode
    """

    def nested(source):
        return script(preparation + source)

    return nested


def test_apply_in_a_running_loop(nested):
    out = nested("""
        async def main():
            nest.apply()
            for _ in range(3):
                print(*asyncio.get_running_loop().run_until_complete(traffic()))
                print(*asyncio.run(traffic()))
                print(*await traffic())

        loop.run_until_complete(main())
        loop.run_until_complete(main())
        loop.close()
    """)
    assert out == "echo child 0\n" * 18


def test_apply_before_the_loop_runs(nested):
    out = nested("""
        nest.apply(loop)

        def enter(depth):
            if depth == 0:
                return loop.run_until_complete(traffic())
            async def inner():
                await asyncio.sleep(0)
                return enter(depth - 1)
            return loop.run_until_complete(inner())

        print(*enter(0))
        print(*enter(5))
        loop.call_later(0.001, lambda: (print(*enter(1)), loop.stop()))
        loop.run_forever()
        loop.close()
    """)
    assert out == "echo child 0\n" * 3


def test_tasks_outside_go_on_while_one_waits_inside(nested):
    out = nested("""
        async def beat(event):
            count = 0
            while not event.is_set():
                count += 1
                await asyncio.sleep(0.001)
            return count

        async def main():
            nest.apply()
            event = asyncio.Event()
            task = asyncio.ensure_future(beat(event))
            asyncio.run(asyncio.sleep(0.1))
            event.set()
            print(await task > 10)

        loop.run_until_complete(main())
        loop.close()
    """)
    assert out == "True\n"


def test_other_loops_of_the_process_go_on(nested):
    """The class is patched, and with it every loop of goloop's; what they do stays right."""
    out = nested("""
        def other():
            other = new_event_loop()
            print(*other.run_until_complete(traffic()))
            other.close()

        nest.apply(loop)
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
        print(*loop.run_until_complete(traffic()))
        loop.close()
    """)
    assert out == "echo child 0\n" * 2


def test_request_handler_that_waits_for_another_request(nested):
    """As a notebook's kernel does: a callback of tornado's runs a coroutine of the user's to its end."""
    out = nested("""
        import tornado.httpclient, tornado.httpserver, tornado.netutil, tornado.web
        nest.apply(loop)

        async def fetch(path):
            answer = await tornado.httpclient.AsyncHTTPClient().fetch(f"http://127.0.0.1:{port}{path}")
            return answer.body.decode()

        class Leaf(tornado.web.RequestHandler):
            async def get(self):
                await asyncio.sleep(0.001)
                self.write("leaf")

        class Cell(tornado.web.RequestHandler):
            def get(self):
                self.write("cell of " + loop.run_until_complete(fetch("/leaf")))

        async def main():
            global port
            server = tornado.httpserver.HTTPServer(tornado.web.Application([("/leaf", Leaf), ("/cell", Cell)]))
            sockets = tornado.netutil.bind_sockets(0, "127.0.0.1")
            port = sockets[0].getsockname()[1]
            server.add_sockets(sockets)
            print(await fetch("/cell"), *await asyncio.gather(*[fetch("/cell") for _ in range(3)]), sep=", ")
            server.stop()
            await server.close_all_connections()

        loop.run_until_complete(main())
        loop.close()
    """)
    assert out == ", ".join(["cell of leaf"] * 4) + "\n"
