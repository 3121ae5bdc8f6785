import asyncio
import os
import ssl
import sys

from aiohttp import ClientSession, WSMsgType, WSServerHandshakeError, web

LIMIT = 32 << 20


async def echo(ws, header=""):
    async for message in ws:
        if message.type == WSMsgType.BINARY:
            await ws.send_bytes(message.data)
        elif message.data == "!close":
            await ws.close(code=4001, message=b"bye")
        elif message.data == "!ping":
            await ws.ping(b"interop")
        elif message.data == "!header":
            await ws.send_str(header)
        else:
            await ws.send_str(message.data)


async def accept(request):
    ws = web.WebSocketResponse(
        protocols=["chat"], compress="DEFLATE" in os.environ, max_msg_size=LIMIT)
    await ws.prepare(request)
    await echo(ws, request.headers.get("X-Interop"))
    return ws


async def refuse(_request):
    return web.Response(status=403, text="no entry")


def server(port):
    app = web.Application()
    app.add_routes([web.get("/", accept), web.get("/refuse", refuse)])
    context = None
    if "CERT" in os.environ:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(os.environ["CERT"], os.environ["KEY"])
    web.run_app(app, host="127.0.0.1", port=port, ssl_context=context, print=None)


async def client(url):
    options = {"max_msg_size": LIMIT, "compress": 15 if "DEFLATE" in os.environ else 0}
    if "SUBPROTOCOL" in os.environ:
        options["protocols"] = [os.environ["SUBPROTOCOL"]]
    if "HEADER" in os.environ:
        options["headers"] = {"X-Interop": os.environ["HEADER"]}
    if "CA" in os.environ:
        options["ssl"] = ssl.create_default_context(cafile=os.environ["CA"])
    async with ClientSession() as session:
        try:
            async with session.ws_connect(url, **options) as ws:
                await echo(ws)
        except WSServerHandshakeError as refused:
            print("refused", refused.status)


role, place = sys.argv[1:]
if role == "client":
    asyncio.run(client(place))
else:
    server(int(place))
