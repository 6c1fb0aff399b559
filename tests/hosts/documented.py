"""docs/hosts.md as what can be run: its blocks are files and commands.

A block with a title is a file, there for the examples of its section that come after it; those before the first section are for all.
A block without a title is an example: Python is a program, `sh` a shell's commands, of which the last one counts. The line
`# in another terminal` divides the commands of several shells. What is run listens at 8000, and Redis and PostgreSQL are expected at
their own ports; whoever runs an example gives others.
"""

import dataclasses
import pathlib
import re

PAGE = pathlib.Path(__file__).resolve().parents[2] / "docs" / "hosts.md"
BLOCK = re.compile(r'^```(\w+)(?: title="([^"]+)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)
ELSEWHERE = "# in another terminal\n"
PORTS = ("8000", "8786", "6379", "5432")  # of what is served, of Dask's scheduler, of Redis, of PostgreSQL

# What is written for goloop, as it would be written for asyncio.
ON_ASYNCIO = [
    ("python -m goloop run -m", "python -m"),
    ("python -m goloop run", "python"),
    ('"-m", "goloop", "run", ', ""),
    ("goloop.workers.UvicornH11Worker", "uvicorn_worker.UvicornH11Worker"),
    ("goloop.workers.UvicornWorker", "uvicorn_worker.UvicornWorker"),
    ("goloop.workers.AiohttpWorker", "aiohttp.worker.GunicornWebWorker"),
    ("goloop:new_event_loop", "asyncio:SelectorEventLoop"),
    ("goloop.new_event_loop", "asyncio.SelectorEventLoop"),
    ("goloop.install()", "asyncio"),
    ("goloop.run", "asyncio.run"),
    ("goloop.EventLoopPolicy", "asyncio.DefaultEventLoopPolicy"),
    ("goloop.Loop", "asyncio.SelectorEventLoop"),
    ("import goloop", "import asyncio"),
]

# Home Assistant's packages are many, and few Pythons can have them: how its runner makes a loop, and what it does to it.
RUNNER = """
import asyncio
import time
from concurrent.futures import ThreadPoolExecutor


def create_event_loop(debug=False):
    loop = asyncio.SelectorEventLoop()
    configure_event_loop(loop, debug)
    return loop


def configure_event_loop(loop, debug=False):
    loop.set_debug(debug)
    loop.set_default_executor(ThreadPoolExecutor())
    loop.set_default_executor = None
    loop.time = time.monotonic


async def hass():
    loop = asyncio.get_running_loop()
    await asyncio.sleep(0.01)
    print(await loop.run_in_executor(None, lambda: type(loop).__module__))
    assert loop.time is time.monotonic


def run():
    loop = create_event_loop()
    try:
        asyncio.set_event_loop(loop)
        loop.run_until_complete(hass())
        loop.run_until_complete(loop.shutdown_default_executor())
    finally:
        asyncio.set_event_loop(None)
        loop.close()
"""
POLICY = """


class HassEventLoopPolicy(asyncio.DefaultEventLoopPolicy):
    def new_event_loop(self):
        loop = super().new_event_loop()
        configure_event_loop(loop)
        return loop


def create_event_loop():
    asyncio.set_event_loop_policy(HassEventLoopPolicy())
    return asyncio.new_event_loop()
"""
MAIN = "from .runner import run as main\n"
MODELS = {
    "Home Assistant": {
        "homeassistant/__main__.py": MAIN,
        "homeassistant/runner.py": RUNNER,
    },
    "Home Assistant with a policy": {
        "homeassistant/__main__.py": MAIN,
        "homeassistant/runner.py": RUNNER + POLICY,
    },
}


@dataclasses.dataclass(frozen=True)
class Example:
    """One way to put a host on goloop; the files are those that its section has shown so far, by name."""

    section: str
    number: int
    files: dict
    commands: tuple  # of one shell, or of several, the last of which is a program that ends

    @property
    def name(self):
        return f"{self.section}-{self.number}"

    @property
    def text(self):
        """The commands and the files that they name, and those that these name."""
        shown, left = "\n".join(self.commands), dict(self.files)
        while named := [
            name for name in left if re.search(rf"\b{name.split('/')[0].removesuffix('.py')}\b", shown)
        ]:
            shown = "\n".join([shown, *map(left.pop, named)])
        return shown

    @property
    def workers(self):
        found = re.search(r"(?:workers[= ]|-w |fork_processes\()(\d+)", self.text)
        return int(found[1]) if found else 1

    @property
    def since(self):
        found = re.match(r"# Python 3\.(\d+) and newer", self.files.get("example.py", ""))
        return f"3.{found[1]}" if found else "3.10"

    def on(self, loop_name):
        if loop_name == "goloop":
            return self
        return self.changed(ON_ASYNCIO)

    def changed(self, replacements):
        def change(text):
            for old, new in replacements:
                text = text.replace(old, new)
            return text

        files = {name: change(text) for name, text in self.files.items()}
        return dataclasses.replace(self, files=files, commands=tuple(map(change, self.commands)))


def table():
    """(section, what is to be typed) of each row of the table at the page's beginning."""
    rows = re.findall(r"^\| \[(.+?)\]\(#[\w-]+\) \| (.+) \|$", PAGE.read_text(), re.MULTILINE)
    return [(section, re.findall(r"`([^`]+)`", typed)) for section, typed in rows]


def examples():
    """Those of the page, in its order."""
    common, *sections = re.split(r"^## (.+)\n", PAGE.read_text(), flags=re.MULTILINE)
    shared = {title: text for _, title, text in BLOCK.findall(common) if title}
    found = []
    for section, body in zip(sections[::2], sections[1::2]):
        files, number = {**shared, **MODELS.get(section, {})}, 0
        for language, title, text in BLOCK.findall(body):
            if title:
                files[title] = text
                continue
            number += 1
            here = dict(files)
            if language == "python":
                here["example.py"], text = text, "python example.py\n"
            found.append(Example(section, number, here, tuple(text.split(ELSEWHERE))))
    return found
