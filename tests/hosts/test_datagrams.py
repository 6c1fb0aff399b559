"""What speaks over datagrams: QUIC by aioquic, DNS by dnspython."""

import asyncio
import os

import aioquic.asyncio
import dns.asyncquery
import dns.message
import dns.rcode
import dns.rrset
from aioquic.quic.configuration import QuicConfiguration
from hosting import running_on

from certificates import Authority


def configurations():
    """(server, client) of QUIC: one with a certificate for localhost, one who trusts it."""
    authority = Authority()
    certificate = authority.issue_cert("localhost")
    server = QuicConfiguration(is_client=False, alpn_protocols=["echo"])
    server.load_cert_chain(certificate.certificate, certificate.key)
    client = QuicConfiguration(is_client=True, alpn_protocols=["echo"], server_name="localhost")
    client.load_verify_locations(cadata=authority.certificate.read_bytes())
    return server, client


async def echo(reader, writer):
    writer.write(await reader.read())
    writer.write_eof()


def test_quic_streams(run, loop_name):
    serving, asking = configurations()
    tasks = set()

    def accept(reader, writer):
        tasks.add(asyncio.ensure_future(echo(reader, writer)))

    async def ask(client, data):
        reader, writer = await client.create_stream()
        writer.write(data)
        writer.write_eof()
        return await reader.read()

    async def main():
        assert running_on(loop_name)
        server = await aioquic.asyncio.serve("127.0.0.1", 0, configuration=serving, stream_handler=accept)
        port = server._transport.get_extra_info("sockname")[1]
        messages = [os.urandom(size) for size in (1, 1000, 30_000, 500_000)]
        async with aioquic.asyncio.connect("127.0.0.1", port, configuration=asking) as client:
            assert await asyncio.gather(*[ask(client, data) for data in messages]) == messages
        server.close()
        await asyncio.gather(*tasks)

    run(main())


class NameServer(asyncio.DatagramProtocol):
    """Knows one name."""

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, addr):
        query = dns.message.from_wire(data)
        answer = dns.message.make_response(query)
        name = query.question[0].name
        if name.to_text() == "goloop.test.":
            answer.answer.append(dns.rrset.from_text(name, 60, "IN", "A", "192.0.2.7"))
        else:
            answer.set_rcode(dns.rcode.NXDOMAIN)
        self.transport.sendto(answer.to_wire(), addr)


def test_dns_queries(run, loop, loop_name):
    async def main():
        assert running_on(loop_name)
        transport, _ = await loop.create_datagram_endpoint(NameServer, local_addr=("127.0.0.1", 0))
        port = transport.get_extra_info("sockname")[1]

        async def ask(name):
            answer = await dns.asyncquery.udp(
                dns.message.make_query(name, "A"), "127.0.0.1", port=port, timeout=10
            )
            return answer.rcode(), [rdata.to_text() for rrset in answer.answer for rdata in rrset]

        known, unknown = (dns.rcode.NOERROR, ["192.0.2.7"]), (dns.rcode.NXDOMAIN, [])
        names = ["goloop.test" if number % 2 else f"{number}.test" for number in range(40)]
        answers = await asyncio.gather(*map(ask, names))
        assert answers == [known if number % 2 else unknown for number in range(40)]
        transport.close()

    run(main())
