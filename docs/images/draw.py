#!/usr/bin/env python3
"""Draws the pictures of the guide: life.svg, closing.svg, directions.svg.

    python3 docs/images/draw.py          # writes the files next to this script
    python3 docs/images/draw.py --check  # fails if a file is not what would be written

Only the standard library is needed, and the output is the same every time. The pictures stand on a
panel of their own, so they can be read on any page; the panel follows the reader's color scheme.

docs.rs cannot show a file of the repository, so `definitions.txt` has each picture once more, as a
link definition with a data URL that rustdoc can put into a page.
"""

import base64
import math
import sys
from pathlib import Path
from xml.sax.saxutils import escape

WIDTH = 720

# Colors for light pages and for dark ones.
STYLE = """\
{id} text {{ font: 16px sans-serif; fill: #24292f; }}
{id} .panel {{ fill: #ffffff; stroke: #c4cbd3; }}
{id} .paper {{ fill: #ffffff; }}
{id} .dim {{ fill: #59636e; font-size: 15px; }}
{id} .code {{ font: 15px monospace; }}
{id} .state {{ font-size: 14px; }}
{id} .title {{ font-weight: bold; }}
{id} .middle {{ text-anchor: middle; }}
{id} .end {{ text-anchor: end; }}
{id} .line {{ stroke: #7d8792; stroke-width: 2; fill: none; }}
{id} .head {{ fill: #7d8792; }}
{id} .dashed {{ stroke-dasharray: 6 5; }}
{id} .thin {{ stroke-width: 1.2; }}
{id} .box {{ stroke-width: 1.6; fill-opacity: 0.14; }}
{id} .blue {{ stroke: #3b82c4; fill: #3b82c4; }}
{id} .orange {{ stroke: #c9772b; fill: #c9772b; }}
{id} .green {{ stroke: #3f9a5f; fill: #3f9a5f; }}
{id} .gray {{ stroke: #8b949e; fill: #8b949e; }}
@media (prefers-color-scheme: dark) {{
  {id} text {{ fill: #e6edf3; }}
  {id} .panel {{ fill: #161b22; stroke: #3d444d; }}
  {id} .paper {{ fill: #161b22; }}
  {id} .dim {{ fill: #a5afba; }}
  {id} .line {{ stroke: #8d96a0; }}
  {id} .head {{ fill: #8d96a0; }}
}}"""


class Picture:
    """An SVG that grows by one element a line."""

    def __init__(self, name, height, title, description):
        self.name, self.height = name, height
        self.title, self.description = title, description
        self.lines = []

    def add(self, line):
        self.lines.append(line)

    def text(self, x, y, text, classes=""):
        attribute = f' class="{classes}"' if classes else ""
        self.add(f'<text x="{x}" y="{y}"{attribute}>{escape(text)}</text>')

    def box(self, x, y, width, height, color, radius=6):
        self.add(
            f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="{radius}" '
            f'class="box {color}"/>'
        )

    def line(self, x1, y1, x2, y2, classes=""):
        self.add(
            f'<path d="M{x1} {y1}L{x2} {y2}" class="{" ".join(["line", classes]).strip()}"/>'
        )

    def head(self, x, y, angle):
        """The head of an arrow that points in a direction, with its tip here."""
        points = []
        for length, turn in ((0, 0), (11, 0.42), (11, -0.42)):
            px = x - length * math.cos(angle + turn)
            py = y - length * math.sin(angle + turn)
            points.append(f"{px:.1f},{py:.1f}")
        self.add(f'<polygon points="{" ".join(points)}" class="head"/>')

    def arrow(self, x1, y1, x2, y2, classes="", both=False):
        angle = math.atan2(y2 - y1, x2 - x1)
        # The line ends inside the head.
        bx, by = 6 * math.cos(angle), 6 * math.sin(angle)
        start = (x1 + bx, y1 + by) if both else (x1, y1)
        self.line(
            round(start[0], 1), round(start[1], 1), round(x2 - bx, 1), round(y2 - by, 1), classes
        )
        self.head(x2, y2, angle)
        if both:
            self.head(x1, y1, angle + math.pi)

    def svg(self):
        style = STYLE.format(id=f"#tightwire-{self.name}")
        return "\n".join(
            [
                f'<svg id="tightwire-{self.name}" xmlns="http://www.w3.org/2000/svg" role="img" '
                f'viewBox="0 0 {WIDTH} {self.height}" width="{WIDTH}" height="{self.height}" '
                f'style="max-width:100%;height:auto">',
                f"<title>{escape(self.title)}</title>",
                f"<desc>{escape(self.description)}</desc>",
                f"<style>\n{style}\n</style>",
                f'<rect x="0.5" y="0.5" width="{WIDTH - 1}" height="{self.height - 1}" rx="8" '
                'class="panel"/>',
                *self.lines,
                "</svg>\n",
            ]
        )


def life():
    """The life of a connection, from `connect` to the end of TCP."""
    picture = Picture(
        "life",
        838,
        "The life of a connection",
        "A client connects, asks for WebSocket with a GET and gets a 101. Both ends send messages, "
        "Pings and Pongs. The client sends Close, the server answers with Close, the server ends "
        "TCP, and then the client does.",
    )
    client, server = 216, 504
    picture.text(client, 32, "Client", "title middle")
    picture.text(server, 32, "Server", "title middle")

    # A phase: its title, its section, its color, and rows of (direction, label, client, server).
    # A tilde marks a note that is not a call.
    phases = [
        ("1  Connect", "§4.1", "gray", [
            ("both", "DNS, TCP, and TLS for wss:", "Client::connect", "Server::run"),
        ]),
        ("2  Opening handshake", "§4", "blue", [
            ("right", "GET, Upgrade: websocket", "", "on_request"),
            ("left", "101 Switching Protocols", "→ WebSocket", "→ the handler"),
        ]),
        ("3  State::Open", "§5, §6", "green", [
            ("right", "message, masked", "send", "recv"),
            ("left", "message", "recv", "send"),
            ("left", "Ping", "", "~keepalive"),
            ("right", "Pong", "~in recv", ""),
        ]),
        ("4  State::Closing", "§5.5.1, §7.1.2", "orange", [
            ("right", "Close 1000", "close", ""),
            ("left", "Close 1000", "", "~in recv"),
        ]),
        ("5  The end of TCP", "§7.1.1", "gray", [
            ("left", "FIN", "", "~the server first"),
            ("right", "FIN", "~then the client", "recv → None"),
        ]),
    ]
    y = 50
    for title, section, color, rows in phases:
        height = 36 + 46 * len(rows) + 6
        picture.box(12, y, WIDTH - 24, height, color)
        picture.text(24, y + 24, title, "title")
        picture.text(WIDTH - 24, y + 24, section, "dim end")
        for x in (client, server):
            picture.line(x, y + 40, x, y + height - 8, "thin")
        for index, (direction, label, left, right) in enumerate(rows):
            line = y + 36 + 46 * index + 28
            ends = (client + 6, line, server - 6, line)
            if direction == "left":
                ends = (server - 6, line, client + 6, line)
            picture.arrow(*ends, both=direction == "both")
            picture.text((client + server) // 2, line - 8, label, "middle")
            for x, note, anchor in ((client - 14, left, " end"), (server + 14, right, "")):
                if note:
                    kind = "dim" if note.startswith("~") else "code"
                    picture.text(x, line + 5, note.removeprefix("~"), kind + anchor)
        y += height + 8
    picture.height = y + 6
    return picture


def closing():
    """The closing handshake and the end of TCP, with the states of both."""
    picture = Picture(
        "closing",
        668,
        "The closing handshake, with the states of WebSocket and of TCP",
        "The client sends Close 1000 and the server answers it. The server then sends a FIN: its "
        "TCP goes from ESTABLISHED through FIN_WAIT_1 and FIN_WAIT_2 to TIME_WAIT. The client's "
        "TCP goes from ESTABLISHED through CLOSE_WAIT and LAST_ACK to CLOSED.",
    )
    client, server = 246, 474
    picture.text(128, 30, "Client", "title middle")
    picture.text(592, 30, "Server", "title middle")
    for x, text in ((69, "TCP"), (187, "WebSocket"), (533, "WebSocket"), (651, "TCP")):
        picture.text(x, 54, text, "dim middle")

    def lane(x, width, color, states):
        """States one below the other: (name, from, to)."""
        for name, start, end in states:
            picture.box(x, start + 2, width, end - start - 4, color)
            picture.text(x + width // 2, (start + end) // 2 + 5, name, "state middle")

    top, bottom = 64, 650
    lane(12, 114, "gray", [
        ("ESTABLISHED", top, 372), ("CLOSE_WAIT", 372, 464), ("LAST_ACK", 464, 560),
        ("CLOSED", 560, bottom),
    ])
    lane(138, 98, "blue", [
        ("OPEN", top, 124), ("CLOSING", 124, 464), ("CLOSED", 464, bottom),
    ])
    lane(484, 98, "orange", [
        ("OPEN", top, 160), ("CLOSING", 160, 500), ("CLOSED", 500, bottom),
    ])
    lane(594, 114, "gray", [
        ("ESTABLISHED", top, 336), ("FIN_WAIT_1", 336, 430), ("FIN_WAIT_2", 430, 500),
        ("TIME_WAIT", 500, bottom),
    ])
    picture.line(client, top, client, bottom, "thin")
    picture.line(server, top, server, bottom, "thin")

    middle = (client + server) / 2

    def message(start, to_server, label, call="", classes=""):
        """An arrow that takes 36 units of time, with its label above and the call below."""
        ends = (client, start, server, start + 36)
        if not to_server:
            ends = (server, start, client, start + 36)
        picture.arrow(*ends, classes)
        # The text follows the arrow.
        angle = math.degrees(math.atan2(36, server - client)) * (1 if to_server else -1)
        rotate = f'transform="rotate({angle:.1f} {middle} {start + 18})"'
        for text, y, kind in ((label, start + 9, "middle"), (call, start + 36, "code middle")):
            if text:
                picture.add(
                    f'<text x="{middle}" y="{y}" class="{kind}" {rotate}>{escape(text)}</text>'
                )

    picture.text(middle, 82, "closing handshake", "dim middle")
    picture.text(middle, 101, "§5.5.1", "dim middle")
    message(124, True, "Close 1000", "ws.close()")
    message(206, False, "Close 1000", "in ws.recv()")
    picture.text(middle, 294, "the end of TCP", "dim middle")
    picture.text(middle, 312, "§7.1.1", "dim middle")
    message(336, False, "FIN", "shutdown(Write)")
    message(394, True, "ACK", "", "dashed thin")
    message(464, True, "FIN", "shutdown")
    message(524, False, "ACK", "", "dashed thin")
    picture.text(middle, 606, "The server remembers the", "dim middle")
    picture.text(middle, 626, "connection for a while.", "dim middle")
    return picture


def directions():
    """Who reads, who writes, and the two locks between them."""
    picture = Picture(
        "directions",
        600,
        "The two directions of a connection, and the threads that use them",
        "One thread reads. It posts control frames to the inbox, whose lock is held only for a "
        "moment, and never waits for a thread that writes. Any number of threads write: each waits "
        "for the lock of the writer, takes what is in the inbox, and writes. The two directions of "
        "the socket are independent.",
    )
    # The threads.
    picture.box(24, 24, 250, 92, "blue")
    picture.text(149, 52, "One reading thread", "title middle")
    picture.text(149, 76, "Receiver::recv", "code middle")
    picture.text(149, 100, "never waits for a writer", "dim middle")
    for offset in (16, 8, 0):
        x, y = 446 + offset, 40 - offset
        picture.add(f'<rect x="{x}" y="{y}" width="234" height="92" rx="6" class="paper"/>')
        picture.box(x, y, 234, 92, "orange")
    picture.text(563, 68, "Any number of", "title middle")
    picture.text(563, 90, "writing threads", "title middle")
    picture.text(563, 116, "Sender::send", "code middle")

    # What they share.
    picture.box(172, 214, 226, 122, "green")
    picture.text(285, 240, "inbox", "title middle")
    picture.text(285, 263, "one Pong, one Ping,", "middle")
    picture.text(285, 284, "one Close; broadcasts", "middle")
    picture.text(285, 318, "lock held for a moment", "dim middle")
    picture.box(446, 290, 250, 122, "orange")
    picture.text(571, 316, "writer", "title middle")
    picture.text(571, 339, "encoder, and the bytes", "middle")
    picture.text(571, 360, "that wait", "middle")
    picture.text(571, 394, "lock held during a write", "dim middle")

    # The socket.
    picture.box(24, 520, 672, 56, "gray")
    picture.text(360, 554, "socket: two independent directions, to the peer", "middle")

    picture.arrow(76, 520, 76, 116)
    picture.text(86, 440, "read", "code")
    picture.text(86, 462, "may wait for", "dim")
    picture.text(86, 482, "the peer", "dim")
    picture.arrow(571, 412, 571, 520)
    picture.text(583, 458, "write", "code")
    picture.text(583, 480, "may wait for", "dim")
    picture.text(583, 500, "the peer", "dim")

    picture.arrow(222, 116, 222, 214)
    picture.text(210, 156, "1. post", "end")
    picture.text(210, 178, "a Pong", "dim end")
    picture.arrow(640, 132, 640, 290)
    picture.text(630, 216, "lock", "code end")
    picture.text(630, 238, "waits", "dim end")
    picture.add('<path d="M274 100C 370 120, 470 150, 498 282" class="line dashed"/>')
    picture.head(499, 290, math.radians(80))
    picture.text(304, 170, "2. try_lock", "code")
    picture.text(304, 192, "does not wait", "dim")
    picture.arrow(398, 316, 446, 336)
    picture.text(418, 362, "take", "end")
    return picture


def main():
    folder = Path(__file__).resolve().parent
    files, definitions = {}, []
    for picture in (life(), closing(), directions()):
        svg = picture.svg()
        files[f"{picture.name}.svg"] = svg
        data = base64.b64encode(svg.encode()).decode()
        definitions.append(f"[{picture.name}.svg]: data:image/svg+xml;base64,{data}\n")
    files["definitions.txt"] = "".join(definitions)
    for name, content in files.items():
        path = folder / name
        if sys.argv[1:] == ["--check"]:
            if not path.exists() or path.read_text() != content:
                sys.exit(f"{name} is not what draw.py draws: run it")
        else:
            path.write_text(content)


main()
