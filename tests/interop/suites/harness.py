"""What the Python suites share: named checks, and the example programs as child processes.

Needs the standard library only, for the Chromium suite runs without a virtual environment.
"""

import asyncio
import os
import signal
import sys
import traceback
from contextlib import asynccontextmanager

LIMIT = 30  # seconds for one check
MIB = 1 << 20
UNICODE = "Grüße, 世界 🦀\0"
EXAMPLES = os.environ["TIGHTWIRE_EXAMPLES"]
CERTS = os.environ["TIGHTWIRE_CERTS"]
CERTIFICATE = f"{CERTS}/cert.pem", f"{CERTS}/key.pem"

_failed = 0


async def check(name, work, *notes):
    """Awaits `work` and prints what became of it; `notes` are shown when it fails."""
    global _failed
    try:
        async with asyncio.timeout(LIMIT):
            await work
    except Exception:
        _failed += 1
        print(f"FAIL {name}", flush=True)
        traceback.print_exc(file=sys.stdout)
        for note in notes:
            print(f"     {note}", flush=True)
        tally("FAIL")
    else:
        print(f"ok   {name}", flush=True)
        tally("ok")


def tally(outcome):
    """Tells `run`, which counts over all suites."""
    with open(os.environ["TIGHTWIRE_TALLY"], "a", encoding="utf-8") as file:
        file.write(f"{outcome}\n")


def equal(got, wanted):
    if got != wanted:
        raise AssertionError(f"got {brief(got)}, wanted {brief(wanted)}")


def contains(text, part):
    if part not in text:
        raise AssertionError(f"{part!r} is not in {text!r}")


def brief(value):
    shown = repr(value)
    return shown if len(shown) < 300 else f"{shown[:100]}... ({len(value)} long)"


def main(suite):
    """Runs a suite to its end, and cleans up after a SIGTERM too."""

    async def run():
        task = asyncio.current_task()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        await suite()

    asyncio.run(run())
    sys.exit(1 if _failed else 0)


class Program:
    """A child process. What it prints is read all the time, so that it never waits for us."""

    def __init__(self, process):
        self.process = process
        self.out, self.err = [], []
        self._news = asyncio.Condition()
        self._readers = [
            asyncio.create_task(self._read(process.stdout, self.out)),
            asyncio.create_task(self._read(process.stderr, self.err)),
        ]

    async def _read(self, stream, lines):
        async for line in stream:
            lines.append(line.decode(errors="replace").rstrip("\n"))
            async with self._news:
                self._news.notify_all()
        async with self._news:
            self._news.notify_all()

    async def printed(self, is_it):
        """The first line on its standard output that `is_it` accepts, now or later."""

        def found():
            return next(filter(is_it, self.out), None)

        async with self._news:
            await self._news.wait_for(lambda: found() or self.process.stdout.at_eof())
        if not found():
            raise AssertionError(f"it ended; it printed {self.out} and {self.err}")
        return found()

    async def exit_code(self):
        await asyncio.gather(*self._readers)
        return await self.process.wait()

    async def end(self):
        if self.process.returncode is None:
            self.process.kill()
        # A child of its own that lives on would keep its output open.
        async with asyncio.timeout(LIMIT):
            await self.exit_code()


@asynccontextmanager
async def program(*command, env=None):
    pipe = asyncio.subprocess.PIPE
    # The example `server` prints each message in a line.
    process = await asyncio.create_subprocess_exec(
        *command, stdout=pipe, stderr=pipe, env=env, limit=64 << 20
    )
    child = Program(process)
    try:
        yield child
    finally:
        await child.end()


@asynccontextmanager
async def server(name, *settings, secure=False):
    """A server example on a free port. It has `host`, `port` and `url`."""
    cert, key = CERTIFICATE
    options = ["--cert", cert, "--key", key] if secure else []
    async with program(f"{EXAMPLES}/{name}", "127.0.0.1:0", *settings, *options) as child:
        async with asyncio.timeout(LIMIT):
            line = await child.printed(lambda line: line.startswith("listening on "))
        child.url = line.removeprefix("listening on ")
        child.host, _, port = child.url.partition("://")[2].partition(":")
        child.port = int(port)
        yield child


async def client(name, *arguments, env=None):
    """Runs a client example to its end: its exit code, and the lines that it printed."""
    async with program(f"{EXAMPLES}/{name}", *arguments, env=env) as child:
        return await child.exit_code(), child.out, child.err
