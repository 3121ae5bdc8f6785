"""Clients of Python's `websockets` against the server examples."""

import asyncio
import http.client
import ssl

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosedError

import harness
from harness import MIB, UNICODE, check, equal

MAX_MESSAGE = 16 * MIB  # the library's default for one message


def dial(url, **options):
    # Without a close timeout of its own the client waits until the server ends TCP: one that
    # forgets to fails the check. Compression stays offered: `echo_server` agrees to it, `server`
    # has to decline it.
    options = {"proxy": None, "max_size": None, "close_timeout": None} | options
    return connect(url, **options)


async def echoes(url, prefix, *messages):
    async with dial(url) as ws:
        for message in messages:
            await ws.send(message)
            equal(await ws.recv(), answer(prefix, message))


def answer(prefix, message):
    return prefix + message if isinstance(message, str) else message


async def many(url, prefix):
    texts = [f"connection {n}" for n in range(16)]
    everybody_is_in = asyncio.Barrier(len(texts))

    async def one(text):
        async with dial(url) as ws:
            await everybody_is_in.wait()
            await ws.send(text)
            equal(await ws.recv(), prefix + text)

    async with asyncio.TaskGroup() as group:
        for text in texts:
            group.create_task(one(text))


async def in_flight(url, prefix):
    messages = [f"message {n}" if n % 2 else bytes([n]) * n for n in range(64)]
    async with dial(url) as ws:
        for message in messages:
            await ws.send(message)
        for message in messages:
            equal(await ws.recv(), answer(prefix, message))


async def ping(url):
    async with dial(url) as ws:
        await (await ws.ping("are you there?"))
        await (await ws.ping(b""))


async def fragmented(url, prefix):
    async def with_a_ping():
        yield "Hel"
        # A control frame between two fragments, which has to be answered there and then.
        await (await ws.ping())
        yield "lo"
        yield ""

    async with dial(url) as ws:
        await ws.send(["a", "", "b€", "c"])
        equal(await ws.recv(), prefix + "ab€c")
        await ws.send([b"\0", b"\xff" * 70_000, b"\1"])
        equal(await ws.recv(), b"\0" + b"\xff" * 70_000 + b"\1")
        await ws.send(with_a_ping())
        equal(await ws.recv(), prefix + "Hello")


async def closing(url, code, reason, answered):
    async with dial(url) as ws:
        await ws.close(code, reason)
        equal(ws.protocol.close_rcvd.code, answered)
        equal(ws.protocol.close_rcvd.reason, "")
        equal(ws.protocol.close_rcvd_then_sent, False)


async def negotiated(url, extensions):
    # An offer that the server makes no use of must go unanswered, not be repeated.
    async with dial(url, subprotocols=["chat", "superchat"]) as ws:
        equal(ws.subprotocol, None)
        equal(ws.response.headers.get("Sec-WebSocket-Protocol"), None)
        equal(ws.response.headers.get("Sec-WebSocket-Extensions"), extensions)


async def largest(url):
    async with dial(url) as ws:
        message = bytes(MAX_MESSAGE)
        await ws.send(message)
        equal(await ws.recv(), message)


async def too_large(url):
    # No `async with`: its close() trips over asyncio when the server's end of the stream came
    # while the rest of the message was still being written, as it does here.
    ws = await dial(url)
    try:
        # In fragments: a server that has failed the connection reads no more than 4 MiB.
        await ws.send([bytes(1 << 20)] * (MAX_MESSAGE // (1 << 20) + 1))
        await ws.recv()
    except ConnectionClosedError as closed:
        equal(closed.rcvd and closed.rcvd.code, 1009)
    else:
        raise AssertionError("it was taken")
    # The rest of the message was read and dropped: a reset could overtake the Close frame.
    await ws.wait_closed()
    equal(ws.connection_exc, None)


async def plain_get(server, status, body):
    def get():
        secure = server.url.startswith("wss:")
        kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        connection = kind(server.host, server.port, timeout=10)
        connection.request("GET", "/")
        response = connection.getresponse()
        return response.status, response.headers, response.read().decode()

    got_status, headers, got_body = await asyncio.to_thread(get)
    equal(got_status, status)
    harness.contains(got_body, body)
    if status == 426:
        equal(headers["Upgrade"], "websocket")
        equal(headers["Sec-WebSocket-Version"], "13")


async def nothing_reported(server):
    equal(server.err, [])


async def speaks(url, version):
    context = ssl.create_default_context()
    context.minimum_version = context.maximum_version = version
    context.set_alpn_protocols(["http/1.1"])
    async with dial(url, ssl=context) as ws:
        session = ws.transport.get_extra_info("ssl_object")
        equal(session.version(), version.name.replace("_", "."))
        equal(session.selected_alpn_protocol(), "http/1.1")
        message = bytes(MIB)
        await ws.send(message)
        equal(await ws.recv(), message)


async def no_trust(server):
    # Nothing but what the system trusts by itself, and that is not us.
    stranger = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        async with dial(server.url, ssl=stranger):
            raise AssertionError("it was trusted")
    except ssl.SSLCertVerificationError:
        pass
    await echoes(server.url, "", "Still there?")


async def serves(name, prefix, secure=False):
    async with harness.server(name, secure=secure) as server:
        url = server.url
        scheme = url.partition(":")[0]

        async def case(what, work):
            what = f"python client, {name}, {scheme}: {what}"
            await check(what, work, server.out[-3:], server.err)

        await case("text", echoes(url, prefix, "Hello", "Hello again"))
        await case("binary", echoes(url, prefix, bytes(range(256)), b"\0"))
        await case("empty messages", echoes(url, prefix, "", b"", ""))
        await case("unicode", echoes(url, prefix, UNICODE))
        await case("1 MiB of text", echoes(url, prefix, "€uro" * (MIB // 6) + "more"))
        await case("1 MiB of bytes", echoes(url, prefix, bytes(range(256)) * (MIB // 256)))
        await case("lengths around each size field", echoes(
            url, prefix, *(bytes(n) for n in (125, 126, 127, 65535, 65536))))
        await case("16 connections at once", many(url, prefix))
        await case("64 messages in flight", in_flight(url, prefix))
        await case("ping", ping(url))
        await case("fragments", fragmented(url, prefix))
        await case("no subprotocol, and what extension", negotiated(
            url, "permessage-deflate" if name == "echo_server" else None))
        await case("close with 4001", closing(url, 4001, "bye", 4001))
        await case("close with 1000", closing(url, 1000, "", 1000))
        if name == "server":  # the other one reports nothing
            await case("all ended in order", nothing_reported(server))
        await case("16 MiB", largest(url))
        await case("more than 16 MiB", too_large(url))
        if name == "server":
            await case("plain GET", plain_get(server, 403, "WebSocket connections only"))
        else:
            await case("plain GET", plain_get(server, 426, "Upgrade"))
        if secure:
            for version in ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3:
                await case(version.name, speaks(url, version))
            await case("a client that does not trust it", no_trust(server))
        await case("text after all that", echoes(url, prefix, "Still there?"))


async def suite():
    await serves("echo_server", "")
    await serves("echo_server", "", secure=True)
    await serves("server", "Echo: ")


harness.main(suite)
