"""Headless Chromium as a client of the server examples.

The page `chromium.html` does the work and posts what it found.
"""

import asyncio
import json
import os
import tempfile
import threading
from contextlib import AsyncExitStack, asynccontextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlencode

import harness
from harness import check, equal

PAGE = Path(__file__).with_suffix(".html").read_bytes()
PATIENCE = 120  # seconds for the browser to start and run all; a busy machine needs some
FLAGS = [
    "--headless",
    "--no-sandbox",  # it does not start as root with one
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--ignore-certificate-errors",  # it has no roots that a test could add to
    # Else a page that was left is kept, with its connections, to be shown again.
    "--disable-features=BackForwardCache",
    # It is to talk to nobody but us.
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@asynccontextmanager
async def web_server():
    """Serves the page; gives the server's URL and what the page posts."""
    loop = asyncio.get_running_loop()
    posted = loop.create_future()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            body = {"/": PAGE, "/left": b"Bye"}.get(self.path.partition("?")[0])
            self.answer(404 if body is None else 200, body or b"")

        def do_POST(self):
            results = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            self.answer(200, b"")
            loop.call_soon_threadsafe(posted.set_result, results)

        def answer(self, status, body):
            self.send_response(status)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever)
        thread.start()
        try:
            yield "http://{}:{}/".format(*http.server_address), posted
        finally:
            http.shutdown()
            thread.join()


@asynccontextmanager
async def browser(url):
    # Its processes may still write there while they end.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as temp:
        command = [os.environ["CHROMIUM"], *FLAGS, f"--user-data-dir={temp}/profile", url]
        # It leaves temporary files behind.
        async with harness.program(*command, env=os.environ | {"TMPDIR": temp}) as child:
            try:
                yield child
            finally:
                # Asked to, it ends its own child processes; killed, it leaves them behind.
                if child.process.returncode is None:
                    child.process.terminate()
                async with asyncio.timeout(harness.LIMIT):
                    await child.exit_code()


class Relay:
    """Goes between the browser and a server on a free port, and counts bytes on their way."""

    def __init__(self, target):
        self.target = target
        self.up = self.down = 0

    async def __aenter__(self):
        self.listener = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        self.url = "ws://{}:{}/".format(*self.listener.sockets[0].getsockname())
        return self

    async def __aexit__(self, *_):
        self.listener.close()

    async def serve(self, reader, writer):
        from_server, to_server = await asyncio.open_connection(self.target.host, self.target.port)

        async def pump(source, sink, count):
            while data := await source.read(1 << 16):
                count(len(data))
                sink.write(data)
                await sink.drain()
            sink.close()

        def count_up(n):
            self.up += n

        def count_down(n):
            self.down += n

        await asyncio.gather(
            pump(reader, to_server, count_up), pump(from_server, writer, count_down))


# Settings of ours, what was agreed on, and the most bytes that then come from the server, and
# from the browser: without compression more than 200,000 each way.
COMPRESSING = [
    ([], "server true 15, client true 15", 10_000, 10_000),
    (["send_context_takeover=false", "recv_context_takeover=false"],
     "server false 15, client false 15", 40_000, 40_000),
    (["send_context_takeover=false"], "server false 15, client true 15", 40_000, 10_000),
    (["recv_context_takeover=false"], "server true 15, client false 15", 10_000, 40_000),
    *(([f"send_window_bits={n}", f"recv_window_bits={24 - n}"],
       f"server true 15, client true {24 - n}", 40_000, 40_000) for n in range(9, 16)),
    (["send_window_bits=8", "min_len=0"], "server true 15, client true 15", 100_000, 10_000),
    (["fragment_len=1000"], "server true 15, client true 15", 20_000, 10_000),
]


async def was_compressed(server, relay, line, down, up):
    await server.printed(lambda line: line == "closed with 1000")
    equal((server.out[1:], server.err), ([line, "closed with 1000"], []))
    assert relay.down < down and relay.up < up, (relay.down, relay.up)


async def page_left(server):
    """The connection of the page that went away ended in order on the server, like all others."""
    begun, ended = "Client connected", "Client disconnected"
    await server.printed(lambda _: server.out.count(begun) == server.out.count(ended) > 0)
    equal(server.err, [])


async def suite():
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        echo_server = await enter(harness.server("echo_server"))
        secure = await enter(harness.server("echo_server", secure=True))
        server = await enter(harness.server("server"))
        compressing = []
        for settings, *expected in COMPRESSING:
            child = await enter(harness.server("compressing", *settings))
            relay = await enter(Relay(child))
            compressing.append((settings, child, relay, expected))
        query = [("echo_server", echo_server.url), ("wss", secure.url), ("server", server.url)]
        query += [("compressing", relay.url) for _, _, relay, _ in compressing]

        web, posted = await enter(web_server())
        child = await enter(browser(f"{web}?{urlencode(query)}"))
        try:
            async with asyncio.timeout(PATIENCE):
                results = await posted
        except TimeoutError:
            await check("chromium runs the page", no_results(), child.err[-20:])
            return
        for result in results:
            await check(f"chromium, {result['name']}", passed(result["error"]))
        for n, (settings, child, relay, expected) in enumerate(compressing, 1):
            name = f"chromium, compressing, number {n}: {' '.join(settings) or 'no settings'}"
            await check(name, was_compressed(child, relay, *expected))
        await check("chromium, server: the page leaves", page_left(server), server.err)


async def no_results():
    raise AssertionError(f"no results within {PATIENCE} s")


async def passed(error):
    equal(error, None)


harness.main(suite)
