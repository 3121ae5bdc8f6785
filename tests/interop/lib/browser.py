"""Has a browser run `browser.html` until the page says that its connection is closed.

browser.py URL COMMAND... is called with the URL of a WebSocket server and a command that starts the
browser; the page's address is appended to it. The browser gets a home directory of its own.
"""

import os
import signal
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlencode

PAGE = Path(__file__).with_suffix(".html").read_bytes()
closed = threading.Event()
outcome = []


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        is_page = self.path.startswith("/?")
        self.answer(200 if is_page else 404, PAGE if is_page else b"")

    def do_POST(self):
        outcome.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
        self.answer(200, b"")
        closed.set()

    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


url, *command = sys.argv[1:]
http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=http.serve_forever, daemon=True).start()
query = urlencode({"url": url, "subprotocol": os.environ.get("SUBPROTOCOL", "")})
page = f"http://127.0.0.1:{http.server_port}/?{query}"
browser = subprocess.Popen([*command, page], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
threading.Thread(target=lambda: sys.stderr.buffer.write(browser.stderr.read()), daemon=True).start()
if not closed.wait(60):
    outcome.append("the page reports nothing")
# Asked to, it ends its own child processes.
browser.send_signal(signal.SIGTERM)
try:
    browser.wait(10)
except subprocess.TimeoutExpired:
    browser.kill()
print(outcome[0])
sys.exit(outcome[0] != "clean")
