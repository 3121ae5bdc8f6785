"""The client examples against servers of Python's `websockets`."""

import asyncio
import json
import os
import socket
import ssl
from contextlib import asynccontextmanager

from websockets.asyncio.server import serve

import harness
from harness import check, contains, equal


class Peer:
    """A server on a free port that serves one client; the check reads how that went."""

    def __init__(self):
        self.ended = asyncio.get_running_loop().create_future()

    async def closed_with(self):
        """The client's Close frame, once the connection is over."""
        ws = await self.ended
        frame = ws.protocol.close_rcvd
        return frame and (frame.code, frame.reason)


# Whether the servers have TLS. The clients trust what SSL_CERT_FILE names.
secure = False


def context():
    if not secure:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*harness.CERTIFICATE)
    context.set_alpn_protocols(["http/1.1"])
    return context


@asynccontextmanager
async def peer(handler, **options):
    this = Peer()

    async def serve_one(ws):
        try:
            await handler(ws)
            await ws.wait_closed()
            this.ended.set_result(ws)
        except Exception as error:
            this.ended.set_exception(error)

    async with serve(serve_one, "127.0.0.1", 0, ssl=context(), **options) as server:
        host, port = server.sockets[0].getsockname()
        this.url = f"{'wss' if secure else 'ws'}://{host}:{port}/"
        yield this


async def echo(ws):
    async for message in ws:
        await ws.send(message)


async def ignore(ws):
    async for _ in ws:
        pass


def answers(*replies):
    """A handler that answers each message with the next of these."""

    async def handler(ws):
        for reply in replies:
            await ws.recv()
            await ws.send(reply)
        await ignore(ws)

    return handler


async def client():
    async with peer(echo) as server:
        wanted = [f"Connected to {server.url}", "Received: Hello from Rust!", "Disconnected"]
        equal(await harness.client("client", server.url), (0, wanted, []))
        equal(await server.closed_with(), (1000, ""))


async def error_handling():
    async with peer(echo) as server:
        code, out, err = await harness.client("error_handling", server.url)
        equal((code, err), (0, []))
        equal([line for line in out if line.startswith("Received")],
              ["Received: Ping", "Received: Ping 2"])
        equal(out[-1], 'Done: code 1000, reason "done", closed by Us, cleanly')
        equal(await server.closed_with(), (1000, "done"))


async def binary():
    async with peer(echo) as server:
        wanted = ["Received bytes: [1, 2, 3, 4, 5]"]
        equal(await harness.client("binary", server.url), (0, wanted, []))
        equal(await server.closed_with(), (1000, ""))


async def typed_json():
    async def handler(ws):
        equal(json.loads(await ws.recv()), {"type": "greeting", "content": "Hello from Rust!"})
        await ws.send(json.dumps({"type": "reply", "content": harness.UNICODE.rstrip("\0")}))
        await ignore(ws)

    async with peer(handler) as server:
        wanted = ["Received reply: Grüße, 世界 🦀"]
        equal(await harness.client("json", server.url), (0, wanted, []))
        equal(await server.closed_with(), (1000, ""))


async def other_json():
    for reply in ('{"type": 1}', "[]", "no JSON"):
        async with peer(answers(reply)) as server:
            code, out, err = await harness.client("json", server.url)
            equal((code, out), (0, []))
            contains(err[0], "which is not a packet")
            equal(await server.closed_with(), (1000, ""))


async def echoed_json():
    # The greeting comes back, and it is a packet too.
    async with peer(echo) as server:
        wanted = ["Received greeting: Hello from Rust!"]
        equal(await harness.client("json", server.url), (0, wanted, []))
        equal(await server.closed_with(), (1000, ""))


async def server_closes():
    async def handler(ws):
        await ws.recv()
        await ws.close(4002, "done")

    async with peer(handler) as server:
        wanted = [f"Connected to {server.url}", "Disconnected"]
        equal(await harness.client("client", server.url), (0, wanted, []))
        # The answer to a Close repeats its code.
        equal(await server.closed_with(), (4002, ""))

    async with peer(handler) as server:
        code, out, err = await harness.client("error_handling", server.url)
        # Its second message finds the connection closed.
        equal(code, 1)
        contains(err[0], "Error while sending")
        equal(out[-1], 'Done: code 4002, reason "done", closed by Peer, cleanly')
        equal(await server.closed_with(), (4002, ""))


async def server_vanishes():
    async def handler(ws):
        await ws.recv()
        ws.transport.abort()

    async with peer(handler) as server:
        code, out, err = await harness.client("error_handling", server.url)
        equal(code, 1)
        contains(err[0], "Error while receiving")
        equal(out[-1], 'Done: code 1006, reason "", closed by Nobody, not cleanly')


async def fragments():
    async def pieces(ws):
        yield "Hello, "
        # A Ping between two fragments: the next one goes out only once its Pong is here.
        await (await ws.ping("in between"))
        yield ""
        yield "fragments €"

    async def handler(ws):
        await ws.recv()
        await ws.send(pieces(ws))
        await ignore(ws)

    async with peer(handler) as server:
        code, out, err = await harness.client("client", server.url)
        equal((code, out[1], err), (0, "Received: Hello, fragments €", []))
        equal(await server.closed_with(), (1000, ""))

    async with peer(answers([b"\0", b"", b"\1\2", b"\xff"])) as server:
        wanted = ["Received bytes: [0, 1, 2, 255]"]
        equal(await harness.client("binary", server.url), (0, wanted, []))


async def refused():
    def refuse(ws, _request):
        return ws.respond(401, "Who are you?\n")

    async with peer(echo, process_request=refuse) as server:
        code, out, err = await harness.client("error_handling", server.url)
        equal((code, out), (1, []))
        contains(err[0], "the server answered with status 401")
        contains(err[1], "The server said: Who are you?")


async def nobody_there():
    # Bound but not listening: the port is ours, and connecting to it is refused.
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        url = "ws://{}:{}/".format(*bound.getsockname())
        code, out, err = await harness.client("error_handling", url)
        equal((code, out, len(err)), (1, [], 1))
        contains(err[0], f"Failed to connect to {url}: ")
        for name in "client", "binary", "json":
            code, out, err = await harness.client(name, url)
            equal((code, out), (1, []))
            contains(err[0], "Error: ")


async def many_clients():
    async with asyncio.TaskGroup() as group:
        for _ in range(16):
            group.create_task(client())


async def own_root():
    # One that is given, while the system has none.
    env = os.environ | {"SSL_CERT_FILE": os.devnull}
    async with peer(echo) as server:
        url = server.url.replace("127.0.0.1", "localhost")
        root = f"{harness.CERTS}/root.pem"
        wanted = [f"Connected to {url}", "Received: Hello from Rust!", "Disconnected"]
        equal(await harness.client("wss_client", url, root, env=env), (0, wanted, []))
        equal(await server.closed_with(), (1000, ""))
    async with peer(echo) as server:
        code, out, err = await harness.client("wss_client", server.url, env=env)
        equal((code, out), (1, []))
        contains(err[0], "Error: Tls")


async def suite():
    global secure
    await all_of_it()
    secure = True
    await all_of_it()
    await check("python server, wss: a root of one's own", own_root())


async def all_of_it():
    for name, work in {
        "client": client(),
        "error_handling": error_handling(),
        "binary": binary(),
        "json, a typed reply": typed_json(),
        "json, its own greeting": echoed_json(),
        "json, other replies": other_json(),
        "a server that closes with 4002": server_closes(),
        "a server that vanishes": server_vanishes(),
        "fragmented answers": fragments(),
        "a server that refuses with 401": refused(),
        "nobody is there": nobody_there(),
        "16 clients at once": many_clients(),
    }.items():
        await check(f"python server, {'wss' if secure else 'ws'}: {name}", work)


harness.main(suite)
