import asyncio
import os
import ssl
import sys

from websockets.asyncio.client import connect
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed, InvalidStatus

OPTIONS = {
    "compression": "deflate" if "DEFLATE" in os.environ else None,
    "max_size": 32 << 20,
}


async def echo(ws):
    try:
        while True:
            match await ws.recv():
                case "!close":
                    await ws.close(4001, "bye")
                case "!ping":
                    await ws.ping(b"interop")
                case "!fragments":
                    await ws.send(["one ", "two ", "three"])
                case "!header":
                    await ws.send(ws.request.headers["X-Interop"])
                case message:
                    await ws.send(message)
    except ConnectionClosed as closed:
        return closed.rcvd is not None


def choose(_ws, offered):
    return "chat" if "chat" in offered else None


def refuse(ws, request):
    if request.path == "/refuse":
        return ws.respond(403, "no entry")


async def server(port):
    options = OPTIONS | {"select_subprotocol": choose, "process_request": refuse}
    if "CERT" in os.environ:
        options["ssl"] = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        options["ssl"].load_cert_chain(os.environ["CERT"], os.environ["KEY"])
    async with serve(echo, "127.0.0.1", port, **options) as serving:
        await serving.serve_forever()


async def client(url):
    options = OPTIONS | {"proxy": None}
    if "SUBPROTOCOL" in os.environ:
        options["subprotocols"] = [os.environ["SUBPROTOCOL"]]
    if "HEADER" in os.environ:
        options["additional_headers"] = {"X-Interop": os.environ["HEADER"]}
    if "CA" in os.environ:
        options["ssl"] = ssl.create_default_context(cafile=os.environ["CA"])
    try:
        async with connect(url, **options) as ws:
            return await echo(ws)
    except InvalidStatus as refused:
        print("refused", refused.response.status_code, refused.response.body.decode())


role, place = sys.argv[1:]
sys.exit(not asyncio.run(client(place) if role == "client" else server(int(place))))
