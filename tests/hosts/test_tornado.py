"""tornado: its HTTP server, its client, websockets, and its use of add_reader and threads."""

import asyncio
import os

import pytest
import tornado.httpclient
import tornado.httpserver
import tornado.ioloop
import tornado.iostream
import tornado.netutil
import tornado.tcpclient
import tornado.tcpserver
import tornado.web
import tornado.websocket
from hosting import running_on, until

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


class Hello(tornado.web.RequestHandler):
    def get(self):
        self.write("hello")

    def post(self):
        self.write(self.request.body)


class Stream(tornado.web.RequestHandler):
    async def get(self):
        for number in range(200):
            self.write(b"%08d" % number * 1000)
            await self.flush()


class Socket(tornado.websocket.WebSocketHandler):
    def on_message(self, message):
        self.write_message(message, binary=isinstance(message, bytes))


def serve():
    """A server of the running loop, and its port."""
    app = tornado.web.Application(
        [("/", Hello), ("/stream", Stream), ("/ws", Socket)], websocket_max_message_size=1 << 24
    )
    server = tornado.httpserver.HTTPServer(app, max_body_size=1 << 24)
    sockets = tornado.netutil.bind_sockets(0, "127.0.0.1")
    server.add_sockets(sockets)
    return server, sockets[0].getsockname()[1]


async def close(server, client=None):
    if client is not None:
        client.close()
    server.stop()
    await server.close_all_connections()


def test_http_server_and_client(run, loop_name):
    async def main():
        assert running_on(loop_name)
        assert tornado.ioloop.IOLoop.current().asyncio_loop is asyncio.get_running_loop()
        server, port = serve()
        client = tornado.httpclient.AsyncHTTPClient(force_instance=True, max_clients=50)
        url = f"http://127.0.0.1:{port}/"
        answers = await asyncio.gather(
            *[client.fetch(url, method="POST", body=b"%d" % number * 1000) for number in range(50)]
        )
        assert [answer.body for answer in answers] == [b"%d" % number * 1000 for number in range(50)]
        assert (await client.fetch(url)).body == b"hello"
        body = os.urandom(3_000_000)
        headers = {"Content-Type": "application/octet-stream"}
        assert (await client.fetch(url, method="POST", body=body, headers=headers)).body == body
        streamed = await client.fetch(url + "stream")
        assert streamed.body == b"".join(b"%08d" % number * 1000 for number in range(200))
        with pytest.raises(tornado.httpclient.HTTPClientError):
            await client.fetch(url + "missing")
        await close(server, client)

    run(main())


def test_websocket(run):
    async def main():
        server, port = serve()
        client = await tornado.websocket.websocket_connect(
            f"ws://127.0.0.1:{port}/ws", max_message_size=1 << 24
        )
        for message in ("text", b"bytes", os.urandom(1_000_000)):
            await client.write_message(message, binary=isinstance(message, bytes))
            assert await client.read_message() == message
        client.close()
        assert await client.read_message() is None
        await close(server)

    run(main())


def test_tcp_server_and_stream(run):
    class Echo(tornado.tcpserver.TCPServer):
        async def handle_stream(self, stream, address):
            try:
                while True:
                    await stream.write(await stream.read_until(b"\n"))
            except tornado.iostream.StreamClosedError:
                pass

    async def main():
        server = Echo()
        sockets = tornado.netutil.bind_sockets(0, "127.0.0.1")
        server.add_sockets(sockets)
        stream = await tornado.tcpclient.TCPClient().connect(*sockets[0].getsockname())
        for number in range(50):
            await stream.write(b"%d\n" % number)
            assert await stream.read_until(b"\n") == b"%d\n" % number
        stream.close()
        server.stop()
        await asyncio.sleep(0.001)

    run(main())


def test_callbacks_from_threads_and_periodic_ones(run):
    async def main():
        ioloop = tornado.ioloop.IOLoop.current()
        calls, ticks = [], []
        periodic = tornado.ioloop.PeriodicCallback(lambda: ticks.append(1), 1)
        periodic.start()
        await ioloop.run_in_executor(
            None, lambda: [ioloop.add_callback(calls.append, n) for n in range(1000)]
        )
        await until(lambda: len(calls) == 1000 and len(ticks) >= 5)
        periodic.stop()
        return calls

    assert run(main()) == list(range(1000))
