"""An echo server with asyncio's streams, on goloop.

python examples/echo_streams.py [PORT]
nc 127.0.0.1 8888
"""

import asyncio
import sys

import goloop


async def echo(reader, writer):
    peer = writer.get_extra_info("peername")
    print("connected:", peer)
    while data := await reader.read(64 * 1024):
        writer.write(data)
        await writer.drain()
    writer.close()
    await writer.wait_closed()
    print("gone:", peer)


async def main(port):
    server = await asyncio.start_server(echo, "127.0.0.1", port)
    print("serving on", *(sock.getsockname() for sock in server.sockets))
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 8888
    try:
        goloop.run(main(port))
    except KeyboardInterrupt:
        pass
