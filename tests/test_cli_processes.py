"""``python -m goloop run`` of a program that starts processes by multiprocessing: what their asyncio makes."""

import subprocess
import sys
import textwrap

import pytest

pytestmark = pytest.mark.goloop_only

PROGRAM = """
    import asyncio
    import multiprocessing
    import os
    import sys


    async def main():
        return type(asyncio.get_running_loop()).__module__, os.getpid()


    def work(answers, method, deep):
        answers.put(asyncio.run(main()))
        if deep:
            start(answers, method, deep - 1)


    def start(answers, method, deep):
        process = multiprocessing.get_context(method).Process(target=work, args=(answers, method, deep))
        process.start()
        process.join()
        assert process.exitcode == 0


    if __name__ == "__main__":
        method = sys.argv[1]
        answers = multiprocessing.get_context(method).Queue()
        start(answers, method, 1)
        found = [answers.get(), answers.get(), asyncio.run(main())]
        print(*(module for module, _ in found), len({pid for _, pid in found}))
"""


RUN = ["-m", "goloop", "run"]


@pytest.mark.parametrize(
    "words, method, module",
    [
        ([*RUN, "program.py"], "fork", "goloop.loop"),
        ([*RUN, "program.py"], "forkserver", "goloop.loop"),
        ([*RUN, "program.py"], "spawn", "goloop.loop"),
        ([*RUN, "-m", "program"], "spawn", "goloop.loop"),
        (["program.py"], "spawn", "asyncio.unix_events"),
    ],
)
def test_processes_and_theirs(tmp_path, words, method, module):
    (tmp_path / "program.py").write_text(textwrap.dedent(PROGRAM))
    command = [sys.executable, *words, method]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=25)
    assert (done.returncode, done.stdout) == (0, f"{module} {module} {module} 3\n"), done.stderr
