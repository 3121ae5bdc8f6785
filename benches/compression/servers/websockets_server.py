"""The echo of Python's `websockets`: `websockets_server.py none|alone|takeover LEVEL MIN_LEN`.

It has no minimum length for compression.
"""

import asyncio
import sys

from websockets.asyncio.server import serve
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory

mode, level, _ = sys.argv[1:]
extensions = mode != "none" and [
    ServerPerMessageDeflateFactory(
        server_no_context_takeover=mode == "alone",
        client_no_context_takeover=mode == "alone",
        # The default of the library.
        compress_settings={"level": int(level), "memLevel": 5},
    )
]


async def echo(ws):
    async for message in ws:
        await ws.send(message)


async def main():
    options = {"compression": None, "extensions": extensions or None, "max_size": None}
    async with serve(echo, "127.0.0.1", 0, **options) as server:
        host, port = server.sockets[0].getsockname()
        print(f"listening on ws://{host}:{port}", flush=True)
        await server.serve_forever()


asyncio.run(main())
