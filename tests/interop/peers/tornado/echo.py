import asyncio
import os
import ssl
import sys

from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.httpserver import HTTPServer
from tornado.web import Application, RequestHandler
from tornado.websocket import WebSocketHandler, websocket_connect

LIMIT = 32 << 20
COMPRESSION = {} if "DEFLATE" in os.environ else None


class Echo(WebSocketHandler):
    def select_subprotocol(self, offered):
        return "chat" if "chat" in offered else None

    def get_compression_options(self):
        return COMPRESSION

    async def on_message(self, message):
        match message:
            case "!close":
                self.close(4001, "bye")
            case "!ping":
                self.ping(b"interop")
            case "!header":
                await self.write_message(self.request.headers["X-Interop"])
            case _:
                await self.write_message(message, isinstance(message, bytes))


class Refuse(RequestHandler):
    def get(self):
        self.set_status(403)
        self.write("no entry")


async def server(port):
    context = None
    if "CERT" in os.environ:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(os.environ["CERT"], os.environ["KEY"])
    app = Application([("/", Echo), ("/refuse", Refuse)], websocket_max_message_size=LIMIT)
    HTTPServer(app, ssl_options=context).listen(port, "127.0.0.1")
    await asyncio.Event().wait()


async def client(url):
    headers = {"X-Interop": os.environ["HEADER"]} if "HEADER" in os.environ else {}
    request = HTTPRequest(url, headers=headers, ca_certs=os.environ.get("CA"))
    subprotocols = [os.environ["SUBPROTOCOL"]] if "SUBPROTOCOL" in os.environ else None
    try:
        ws = await websocket_connect(
            request, compression_options=COMPRESSION, subprotocols=subprotocols,
            max_message_size=LIMIT)
    except HTTPClientError as refused:
        print("refused", refused.code)
        return
    while (message := await ws.read_message()) is not None:
        if message == "!close":
            ws.close(4001, "bye")
        elif message == "!ping":
            ws.ping(b"interop")
        else:
            await ws.write_message(message, isinstance(message, bytes))


role, place = sys.argv[1:]
asyncio.run(client(place) if role == "client" else server(int(place)))
