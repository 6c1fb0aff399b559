"""goloop.testing.virtual_loop as the loop factory of pytest-asyncio and anyio, each in a pytest of its own."""

import os
import subprocess
import sys
import textwrap

import pytest

pytestmark = pytest.mark.goloop_only

SCOPE = ["-o", "asyncio_default_fixture_loop_scope=function"]  # without it pytest-asyncio warns
ECHO = """
    import asyncio, time
    import pytest
    import goloop.testing

    async def answer(reader, writer):
        data = await reader.readline()
        await asyncio.sleep(60)
        writer.write(data)
        writer.close()

    async def sleep_and_ask():
        loop = asyncio.get_running_loop()
        assert type(loop) is goloop.testing.VirtualLoop
        began = loop.time(), time.monotonic()
        await asyncio.sleep(3600)
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(b"hello\\n")
        assert await asyncio.wait_for(reader.read(), 61) == b"hello\\n"
        writer.close()
        server.close()
        assert loop.time() - began[0] == 3660
        assert time.monotonic() - began[1] < 5
"""


@pytest.fixture
def passes(tmp_path):
    """Runs a module of tests, with a conftest.py; all must pass, and so many."""

    def passes(count, tests, conftest=""):
        (tmp_path / "conftest.py").write_text(textwrap.dedent(conftest))
        (tmp_path / "test_it.py").write_text(textwrap.dedent(ECHO) + textwrap.dedent(tests))
        ended = subprocess.run(
            [
                sys.executable,
                "-m",
                "pytest",
                "-q",
                "-p",
                "no:cacheprovider",
                "-W",
                "error",
                *SCOPE,
                str(tmp_path),
            ],
            cwd=tmp_path,
            env={name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")},
            capture_output=True,
            text=True,
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr
        assert f"{count} passed" in ended.stdout

    return passes


def test_pytest_asyncio(passes):
    passes(
        2,
        """
        import pytest_asyncio

        @pytest_asyncio.fixture
        async def tomorrow():
            began = asyncio.get_running_loop().time()
            await asyncio.sleep(24 * 3600)
            yield asyncio.get_running_loop().time() - began
            await asyncio.sleep(24 * 3600)

        @pytest.mark.asyncio
        async def test_virtual(tomorrow):
            assert tomorrow == 24 * 3600
            await sleep_and_ask()

        @pytest.mark.asyncio
        async def test_timeout():
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(asyncio.Event().wait(), 3600)
        """,
        """
        import goloop.testing

        def pytest_asyncio_loop_factories(config, item):
            return {"virtual": goloop.testing.virtual_loop}
        """,
    )


def test_anyio(passes):
    passes(
        2,
        """
        import anyio

        @pytest.fixture
        def anyio_backend():
            return "asyncio", {"loop_factory": goloop.testing.virtual_loop}

        @pytest.mark.anyio
        async def test_virtual():
            await sleep_and_ask()
            with anyio.move_on_after(3600) as scope:
                await anyio.sleep_forever()
            assert scope.cancelled_caught

        @pytest.mark.anyio
        async def test_threads():
            with anyio.fail_after(3600):
                await anyio.to_thread.run_sync(time.sleep, 0.1)
        """,
    )


@pytest.mark.since("3.13")
def test_unittest(passes):
    passes(
        1,
        """
        import unittest

        class Case(unittest.IsolatedAsyncioTestCase):
            loop_factory = staticmethod(goloop.testing.virtual_loop)

            async def test_virtual(self):
                await sleep_and_ask()
        """,
    )
