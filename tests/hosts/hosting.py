"""What the tests under real servers share: the check of the loop, certificates, waiting."""

import asyncio
import ssl

from certificates import Authority


def running_on(loop_name):
    """Whether the running loop is of that kind; a host that made one of its own would pass every other test."""
    return type(asyncio.get_running_loop()).__module__.partition(".")[0] == loop_name


async def until(condition):
    """Wait for what no event tells of; the limit is the caller's."""
    while not condition():
        await asyncio.sleep(0.001)


def certificates():
    """(server, client): contexts of a certificate for localhost and of one who trusts it."""
    authority = Authority()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(server)
    client = ssl.create_default_context()
    authority.configure_trust(client)
    return server, client
