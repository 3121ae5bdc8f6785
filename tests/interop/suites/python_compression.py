"""Python's `websockets` and permessage-deflate: its clients and its servers against `compressing`.

What is on the wire is seen on the side of `websockets`: an extension behind the one that
compresses gets every frame as it came, or as it goes out.
"""

import asyncio
import json
import random
from contextlib import asynccontextmanager

from websockets.asyncio.client import connect
from websockets.asyncio.server import serve
from websockets.extensions import Extension
from websockets.extensions.permessage_deflate import (
    ClientPerMessageDeflateFactory,
    ServerPerMessageDeflateFactory,
)
from websockets.frames import CTRL_OPCODES

import harness
from harness import MIB, UNICODE, check, contains, equal

RANDOM = random.Random(7692)
RECORDS = [
    {"id": RANDOM.getrandbits(32), "name": RANDOM.randbytes(4).hex(), "price": RANDOM.random(),
     "tags": RANDOM.sample(["new", "sold", "reserved", "refused"], 2)}
    for _ in range(100)
]
JSON = json.dumps(RECORDS)  # some 10 kB
INCOMPRESSIBLE = RANDOM.randbytes(MIB)
SCRIPTS = f"{UNICODE} Жизнь прекрасна. 사람은 빵만으로 살 수 없다. " * 40


class Tap(Extension):
    """Changes nothing, and notes the frames of messages."""

    name = "tap"

    def __init__(self):
        self.received, self.sent = [], []

    def decode(self, frame, *, max_size=None):
        return self._note(frame, self.received)

    def encode(self, frame):
        return self._note(frame, self.sent)

    @staticmethod
    def _note(frame, frames):
        if frame.opcode not in CTRL_OPCODES:
            frames.append((frame.rsv1, len(frame.data)))
        return frame


class Talk:
    """A conversation with somebody who echoes."""

    def __init__(self, ws):
        self.ws = ws
        self.tap = Tap()
        # The last one to encode, the first one to decode.
        ws.protocol.extensions.append(self.tap)

    async def exchange(self, message, pieces=None):
        """Has a message echoed: the bytes of the echo on the wire, if it came compressed."""
        self.tap.received.clear()
        await self.ws.send(pieces or message)
        equal(await self.ws.recv(), message)
        frames = self.tap.received
        equal([rsv1 for rsv1, _ in frames[1:] if rsv1], [])  # it stands on the first frame only
        return sum(size for _, size in frames) if frames[0][0] else None

    async def hold(self, takeover, window_bits, settings):
        """All kinds of messages; those of the peer are compressed in this way."""
        exchange, min_len = self.exchange, 0 if "min_len=0" in settings else 128
        # Ours keeps to its own window, also where that is not named.
        own = [int(setting[17:]) for setting in settings if setting.startswith("send_window_bits=")]
        window_bits = min([window_bits, *own])
        for short in "", b"", "Hello", "Hello":
            equal(await exchange(short) is not None, min_len == 0)
        sizes = [await exchange(JSON) for _ in range(4)]
        scripts = await exchange(SCRIPTS)
        # At level 0 nothing is to be gained, and with a window of 8 bits next to nothing.
        if "level=0" not in settings and window_bits > 8:
            assert scripts < len(SCRIPTS.encode()) / 2, scripts
            is_compressed(sizes, takeover, window_bits, settings)
        # What cannot be compressed grows by little: most at level 1, which looks for no better way.
        grown = await exchange(INCOMPRESSIBLE)
        assert grown < MIB * 1.06, grown
        await exchange("Hello, €!" * 50, ["Hello, ", "", "€!", "Hello, €!" * 49])
        await exchange(INCOMPRESSIBLE[:70_000], [INCOMPRESSIBLE[:9], b"", INCOMPRESSIBLE[9:70_000]])
        await self.in_flight()
        # What was said in between was counted alike on both ends.
        await exchange(JSON)
        assert all(rsv1 for rsv1, _ in self.tap.sent[:9]), "websockets itself did not compress"

    async def in_flight(self):
        messages = [json.dumps(RECORDS[:n]) for n in range(64)]
        for message in messages:
            await self.ws.send(message)
        for message in messages:
            equal(await self.ws.recv(), message)

    async def hold_plain(self):
        for message in "", "Hello", JSON, SCRIPTS, INCOMPRESSIBLE:
            equal(await self.exchange(message), None)
        equal([rsv1 for rsv1, _ in self.tap.sent if rsv1], [])


def is_compressed(sizes, takeover, window_bits, settings):
    """The sizes of the same message, several times in a row."""
    assert all(size < len(JSON) * 0.75 for size in sizes), sizes
    if "fragment_len=1000" in settings:
        return
    if not takeover:
        equal(sizes, sizes[:1] * len(sizes))
    elif window_bits >= 14:
        # The message before it is within reach.
        assert all(size < sizes[0] / 3 for size in sizes[1:]), sizes


def agreed(server, client):
    """What `compressing` prints: whether messages may refer to others, and the window."""
    return "server {} {}, client {} {}".format(*map(str, server + client)).lower()


def seen(ws):
    """The same as `websockets` sees it, for its own side first and then for the peer's."""
    deflate = ws.protocol.extensions[0]
    return (
        (not deflate.local_no_context_takeover, deflate.local_max_window_bits),
        (not deflate.remote_no_context_takeover, deflate.remote_max_window_bits),
    )


BOTH = (True, 15)
NO_TAKEOVER = (False, 15)
OWN_WAYS = [["min_len=0"], ["level=0"], ["level=1"], ["level=9"], ["fragment_len=1000"],
            ["min_len=0", "fragment_len=1000", "send_context_takeover=false"]]

# What the client offers, the settings of our server, and what both ends make of it.
CLIENTS = [
    ({}, [], BOTH, BOTH),
    *(({"server_max_window_bits": n, "client_max_window_bits": 24 - n}, [], (True, n), (True, 24 - n))
      for n in range(9, 16)),
    # What was not offered is not named.
    *(({}, [f"send_window_bits={n}", f"recv_window_bits={24 - n}"], BOTH, (True, 24 - n))
      for n in range(9, 16)),
    ({"server_max_window_bits": 12}, ["send_window_bits=10"], (True, 10), BOTH),
    ({"server_max_window_bits": 10}, ["send_window_bits=12"], (True, 10), BOTH),
    ({"server_max_window_bits": 8}, [], (True, 8), BOTH),
    ({}, ["send_window_bits=8", "min_len=0"], BOTH, BOTH),
    # A client that cannot be told has its way.
    ({"client_max_window_bits": None}, ["recv_window_bits=10"], BOTH, BOTH),
    ({"server_no_context_takeover": True}, [], NO_TAKEOVER, BOTH),
    ({"client_no_context_takeover": True}, [], BOTH, NO_TAKEOVER),
    ({}, ["send_context_takeover=false"], NO_TAKEOVER, BOTH),
    ({}, ["recv_context_takeover=false"], BOTH, NO_TAKEOVER),
    ({"server_no_context_takeover": True, "server_max_window_bits": 9},
     ["recv_context_takeover=false", "recv_window_bits=9"], (False, 9), (False, 9)),
    *(({}, settings, (settings[-1] != "send_context_takeover=false", 15), BOTH)
      for settings in OWN_WAYS),
]

# The settings of our client, those of the server, and what both ends make of it.
SERVERS = [
    ([], {}, BOTH, BOTH),
    *(([f"send_window_bits={n}", f"recv_window_bits={24 - n}"], {}, (True, 24 - n), (True, n))
      for n in range(9, 16)),
    *(([], {"server_max_window_bits": n, "client_max_window_bits": 24 - n}, (True, n), (True, 24 - n))
      for n in range(9, 16)),
    (["recv_window_bits=10"], {"server_max_window_bits": 12}, (True, 10), BOTH),
    (["send_window_bits=10"], {"client_max_window_bits": 12, "require_client_max_window_bits": True},
     BOTH, (True, 10)),
    ([], {"client_max_window_bits": 8 + 1, "require_client_max_window_bits": True}, BOTH, (True, 9)),
    (["send_window_bits=8", "min_len=0"], {}, BOTH, (True, 8)),
    (["recv_context_takeover=false"], {}, NO_TAKEOVER, BOTH),
    (["send_context_takeover=false"], {}, BOTH, NO_TAKEOVER),
    ([], {"server_no_context_takeover": True}, NO_TAKEOVER, BOTH),
    ([], {"client_no_context_takeover": True}, BOTH, NO_TAKEOVER),
    (["send_context_takeover=false", "send_window_bits=9"],
     {"server_no_context_takeover": True, "server_max_window_bits": 9}, (False, 9), (False, 9)),
    *((settings, {}, BOTH, (settings[-1] != "send_context_takeover=false", 15))
      for settings in OWN_WAYS),
]


async def client_compresses(offer, settings, server, client):
    async with harness.server("compressing", *settings) as child:
        factory = ClientPerMessageDeflateFactory(**offer)
        async with dial(child.url, extensions=[factory], compression=None) as ws:
            equal(seen(ws), (client, server))
            await Talk(ws).hold(*server, settings)
        await ended(child, agreed(server, client))


async def client_is_plain(settings, **options):
    async with harness.server("compressing", *settings) as child:
        async with dial(child.url, **options) as ws:
            equal(ws.protocol.extensions, [])
            await Talk(ws).hold_plain()
        await ended(child, "plain")


def dial(url, **options):
    return connect(url, proxy=None, max_size=None, close_timeout=None, **options)


async def ended(child, line):
    await child.printed(lambda line: line == "closed with 1000")
    equal((child.out[1:], child.err), ([line, "closed with 1000"], []))


@asynccontextmanager
async def peer(talk, **options):
    """A server on a free port that talks to one client: its URL, and what came of that."""
    outcome = asyncio.get_running_loop().create_future()

    async def serve_one(ws):
        try:
            outcome.set_result(await talk(ws))
        except Exception as error:
            outcome.set_exception(error)

    async with serve(serve_one, "127.0.0.1", 0, max_size=None, **options) as server:
        host, port = server.sockets[0].getsockname()
        yield f"ws://{host}:{port}/", outcome


async def server_compresses(settings, options, server, client):
    async def talk(ws):
        equal(seen(ws), (server, client))
        await Talk(ws).hold(*client, settings)

    factory = ServerPerMessageDeflateFactory(**options)
    await serves(talk, settings, agreed(server, client), extensions=[factory], compression=None)


async def server_is_plain(settings, **options):
    async def talk(ws):
        equal(ws.protocol.extensions, [])
        await Talk(ws).hold_plain()

    await serves(talk, settings, "plain", **options)


async def serves(talk, settings, line, **options):
    async with peer(talk, **options) as (url, outcome):
        ran = await harness.client("compressing", url, *settings)
        await outcome
        equal(ran, (0, [line, "closed with 1000"], []))


async def default_of_a_server():
    # It asks for windows of 12 bits.
    async def talk(ws):
        equal(seen(ws), ((True, 12), (True, 12)))
        await Talk(ws).hold(True, 12, [])

    await serves(talk, [], agreed((True, 12), (True, 12)))


async def default_of_a_client():
    async with harness.server("compressing") as child:
        async with dial(child.url) as ws:
            await Talk(ws).hold(True, 15, [])
        await ended(child, agreed(BOTH, BOTH))


async def bad_data():
    """A message that is none: the connection fails, and the peer is told why."""
    async with harness.server("compressing") as child:
        async with dial(child.url) as ws:
            ws.protocol.extensions[0].encode = lambda frame: type(frame)(
                frame.opcode, b"\xff\xff\xff", rsv1=True)
            await ws.send("anything")
            await ws.wait_closed()
            equal(ws.close_code, 1007)
            contains(ws.close_reason, "cannot be decompressed")


async def bomb():
    """Some 70 kB that would become 64 MiB: no more than the limit is made of them."""
    async with harness.server("compressing") as child:
        async with dial(child.url) as ws:
            await ws.send(bytes(64 * MIB))
            await ws.wait_closed()
            equal(ws.close_code, 1009)
            contains(ws.close_reason, "over the limit")


async def suite():
    for offer, settings, server, client in CLIENTS:
        name = f"python client, offers {said(offer)}; ours {said(settings)}"
        await check(name, client_compresses(offer, settings, server, client))
    await check("python client, compression as it comes", default_of_a_client())
    await check("python client, no compression", client_is_plain([], compression=None))
    await check("python client, ours does not compress", client_is_plain(["deflate=no"]))
    await check("python client, bad data", bad_data())
    await check("python client, a bomb", bomb())
    for settings, options, server, client in SERVERS:
        name = f"python server, with {said(options)}; ours {said(settings)}"
        await check(name, server_compresses(settings, options, server, client))
    await check("python server, compression as it comes", default_of_a_server())
    await check("python server, no compression", server_is_plain([], compression=None))
    await check("python server, ours does not compress", server_is_plain(["deflate=no"]))
    await check("python server, cannot grant 8 bits", server_is_plain(["recv_window_bits=8"]))


def said(settings):
    if isinstance(settings, dict):
        settings = [f"{name}={value}" for name, value in settings.items()]
    return " ".join(settings) or "nothing"


harness.main(suite)
