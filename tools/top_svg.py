"""Makes docs/img/top.svg: a frame of `python -m goloop top` over a program of three busy loops; `make docs-img` runs this.

The program is this file with --run: an echo server with clients, timers, and a report that is rendered in a callback.
"""

import asyncio
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import threading
import time

TO = pathlib.Path(__file__).resolve().parents[1] / "docs" / "img" / "top.svg"
CLIENTS = 20


def render_report():
    time.sleep(0.6)


async def report():
    while True:
        await asyncio.sleep(1.2)
        render_report()


async def echo():
    async def serve(reader, writer):
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()

    async def ask(address):
        reader, writer = await asyncio.open_connection(*address)
        while True:
            writer.write(bytes(1024))
            await reader.readexactly(1024)
            await asyncio.sleep(0.005)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    await asyncio.gather(*(ask(server.sockets[0].getsockname()) for _ in range(CLIENTS)))


async def timers():
    await asyncio.gather(*(tick(0.01 + number / 1000) for number in range(20)))


async def tick(pause):
    while True:
        await asyncio.sleep(pause)


def program(path):
    import goloop.control

    goloop.watch(0.25)
    goloop.control.serve(path)
    for main in (echo, timers):
        threading.Thread(target=lambda main=main: goloop.run(main()), daemon=True).start()
    goloop.run(report())


def picture(path):
    from rich.console import Console

    from goloop.cli import answers, frame, rates, top

    endpoint = answers.Endpoint(path)
    before = now = wait_for(endpoint, lambda sample: len(sample.stalls) >= 3)
    while now.at - before.at < 1 or not now.stalls or now.stalls[0]["event"] != "stalled":
        time.sleep(0.1)
        now = rates.take(endpoint)
    with open(os.devnull, "w") as nowhere:
        console = Console(record=True, width=116, file=nowhere, force_terminal=True, color_system="truecolor")
        console.print(frame.render(top.make_frame(endpoint, before, now), 34, console.width))
    text = console.export_svg(title="python -m goloop top", unique_id="top")
    return re.sub(r"@font-face \{.*?\}\s*", "", text, flags=re.DOTALL)  # they would be fetched from elsewhere


def wait_for(endpoint, condition):
    from goloop.cli import answers, rates

    end = time.monotonic() + 20
    while time.monotonic() < end:
        try:
            if condition(sample := rates.take(endpoint)):
                return sample
        except answers.NoAnswer:
            pass
        time.sleep(0.1)
    raise SystemExit("the program did not come so far")


def main():
    if sys.argv[1:2] == ["--run"]:
        program(sys.argv[2])
        return
    # The picture shows short names: of the socket, and of the file.
    source = f"exec(compile(open({__file__!r}).read(), 'shop.py', 'exec'), globals() | {{'__file__': {__file__!r}}})"
    TO.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        process = subprocess.Popen(
            [sys.executable, "-c", source, "--run", "shop.sock"], stderr=subprocess.DEVNULL
        )
        try:
            text = picture("shop.sock")
        finally:
            process.kill()
            process.wait()
    TO.write_text(text)
    print(f"{TO}: {len(text)} characters")


if __name__ == "__main__":
    main()
