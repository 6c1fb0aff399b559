"""Programs at a terminal: aioconsole reads and writes it through pipe transports, prompt_toolkit by add_reader."""

import asyncio
import os

import aioconsole
import aioconsole.stream
import prompt_toolkit
from hosting import running_on
from prompt_toolkit.data_structures import Size
from prompt_toolkit.input.vt100 import Vt100Input
from prompt_toolkit.output.vt100 import Vt100_Output

from protocols import turns


async def read_until(loop, file, ending):
    """What a terminal shows, up to an ending."""
    shown = bytearray()
    more = asyncio.Event()

    def read():
        shown.extend(os.read(file.fileno(), 65536))
        more.set()

    loop.add_reader(file, read)
    while ending not in shown:
        await more.wait()
        more.clear()
    loop.remove_reader(file)
    return bytes(shown)


def test_aioconsole_asks_and_answers(loop, run, loop_name, terminal, unbuffered):
    async def main():
        assert running_on(loop_name)
        master, slave = terminal()
        stdio = [unbuffered(os.dup(slave.fileno()), mode) for mode in ("rb", "wb", "wb")]
        reader, writer, errors = await aioconsole.stream.create_standard_streams(*stdio)
        assert isinstance(writer, aioconsole.stream.StandardStreamWriter)  # by transports, not by threads
        names = []
        for name in ("Ada", "Grace"):
            asking = asyncio.ensure_future(aioconsole.ainput("name? ", streams=(reader, writer)))
            await read_until(loop, master, b"name? ")
            master.write(name.encode() + b"\n")
            names.append(await asking)
            await aioconsole.aprint("hello", names[-1], streams=(reader, writer))
            shown = await read_until(loop, master, names[-1].encode() + b"\n")
            assert shown.endswith(b"hello " + name.encode() + b"\n")
        for each in (errors, writer, reader._transport):
            each.close()
        await turns(3)
        return names

    assert run(main()) == ["Ada", "Grace"]


def test_prompt_toolkit_edits_a_line_while_tasks_run(loop, run, loop_name, terminal):
    ticks = []

    async def tick():
        while True:
            ticks.append(None)
            await asyncio.sleep(0.001)

    async def main():
        assert running_on(loop_name)
        master, slave = terminal()
        with open(os.dup(slave.fileno()), "w", buffering=1) as stdout, open(os.dup(slave.fileno())) as stdin:
            session = prompt_toolkit.PromptSession(
                input=Vt100Input(stdin),
                output=Vt100_Output(
                    stdout, lambda: Size(rows=24, columns=80), term="xterm", enable_cpr=False
                ),
            )
            ticking = asyncio.ensure_future(tick())
            asking = asyncio.ensure_future(session.prompt_async("> "))
            await read_until(loop, master, b">")
            master.write(b"helo\x1b[Dl\r")  # a cursor key, and the letter that was missing
            answer = await asking
            ticking.cancel()
        return answer

    assert run(main()) == "hello"
    assert len(ticks) > 1
