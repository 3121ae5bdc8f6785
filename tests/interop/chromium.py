"""Headless Chromium as a client of the server examples.

The page `chromium.html` does the work and posts what it found.
"""

import asyncio
import json
import os
import tempfile
import threading
from contextlib import asynccontextmanager
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


async def page_left(server):
    """The connection of the page that went away ended in order on the server."""
    connected = await server.printed(lambda line: line.endswith(" connected to /leaving"))
    peer = connected.partition(" ")[0]
    await server.printed(lambda line: line == f"{peer} disconnected")
    equal(server.err, [])


async def suite():
    async with harness.server("echo_server") as echo_server, harness.server("server") as server:
        async with web_server() as (web, posted):
            urls = {"echo_server": echo_server.url, "server": server.url}
            async with browser(f"{web}?{urlencode(urls)}") as child:
                try:
                    async with asyncio.timeout(PATIENCE):
                        results = await posted
                except TimeoutError:
                    await check("chromium runs the page", no_results(), child.err[-20:])
                    return
                for result in results:
                    await check(f"chromium, {result['name']}", passed(result["error"]))
                await check("chromium, server: the page leaves", page_left(server), server.err)


async def no_results():
    raise AssertionError(f"no results within {PATIENCE} s")


async def passed(error):
    equal(error, None)


harness.main(suite)
