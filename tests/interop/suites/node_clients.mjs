// Clients of npm's `ws` against the server examples.

import assert from "node:assert/strict";
import { once } from "node:events";

import { CERT, KEY, MIB, UNICODE, WebSocket, check, finish, withServer } from "./harness.mjs";

const MAX_MESSAGE = 16 * MIB; // the library's default for one message

/** A connection whose messages wait until they are asked for. */
class Connection {
  static async open(url) {
    const connection = new Connection(new WebSocket(url));
    await once(connection.ws, "open");
    return connection;
  }

  constructor(ws) {
    this.ws = ws;
    this.received = [];
    this.closed = once(ws, "close").then(([code, reason]) => [code, reason.toString()]);
    // A failure is met by whoever waits for it; until then it is not an unhandled one.
    this.closed.catch(() => {});
    ws.on("message", (data, isBinary) => {
      this.received.push(isBinary ? data : data.toString());
      ws.emit("received");
    });
  }

  async next() {
    if (this.received.length === 0) {
      await Promise.race([once(this.ws, "received"), this.closed]);
    }
    assert.notEqual(this.received.length, 0, "it closed instead");
    return this.received.shift();
  }

  /** Closes; the code and reason of the answering Close frame. */
  async close(...args) {
    this.ws.close(...args);
    return this.closed;
  }
}

async function echoes(url, prefix, ...messages) {
  const connection = await Connection.open(url);
  for (const message of messages) {
    connection.ws.send(message);
    same(await connection.next(), answer(prefix, message));
  }
  assert.deepEqual(await connection.close(1000), [1000, ""]);
}

function answer(prefix, message) {
  return typeof message === "string" ? prefix + message : message;
}

// Not deepEqual alone, which would print megabytes.
function same(got, wanted) {
  assert.equal(typeof got, typeof wanted);
  assert.equal(got.length, wanted.length);
  assert.ok(typeof got === "string" ? got === wanted : got.equals(wanted), "other content");
}

async function many(url, prefix) {
  const texts = Array.from({ length: 16 }, (_, n) => `connection ${n}`);
  const connections = await Promise.all(texts.map(() => Connection.open(url)));
  await Promise.all(
    connections.map(async (connection, n) => {
      connection.ws.send(texts[n]);
      same(await connection.next(), prefix + texts[n]);
      assert.deepEqual(await connection.close(1000), [1000, ""]);
    }),
  );
}

async function inFlight(url, prefix) {
  const connection = await Connection.open(url);
  const messages = Array.from({ length: 64 }, (_, n) =>
    n % 2 ? `message ${n}` : Buffer.alloc(n, n),
  );
  messages.forEach((message) => connection.ws.send(message));
  for (const message of messages) same(await connection.next(), answer(prefix, message));
  await connection.close(1000);
}

async function ping(url) {
  const { ws, closed } = await Connection.open(url);
  for (const data of ["are you there?", "", "x".repeat(125)]) {
    const pong = once(ws, "pong");
    ws.ping(data);
    same((await pong)[0].toString(), data);
  }
  ws.close(1000);
  await closed;
}

async function fragmented(url, prefix) {
  const connection = await Connection.open(url);
  const { ws } = connection;
  const pong = once(ws, "pong");
  ws.send("Hel", { fin: false });
  // A control frame between two fragments, which has to be answered there and then.
  ws.ping("in between");
  await pong;
  ws.send("", { fin: false });
  ws.send("lo", { fin: true });
  same(await connection.next(), `${prefix}Hello`);
  ws.send(Buffer.from([0]), { fin: false });
  ws.send(Buffer.alloc(70_000, 255), { fin: true });
  same(await connection.next(), Buffer.concat([Buffer.from([0]), Buffer.alloc(70_000, 255)]));
  await connection.close(1000);
}

async function closing(url) {
  const withCode = await Connection.open(url);
  assert.deepEqual(await withCode.close(4001, "bye"), [4001, ""]);
  const withoutCode = await Connection.open(url);
  assert.deepEqual(await withoutCode.close(), [1005, ""]);
}

async function tooLarge(url) {
  const connection = await Connection.open(url);
  connection.ws.send(Buffer.alloc(MAX_MESSAGE + 1));
  const [code] = await connection.closed;
  assert.equal(code, 1009);
}

async function plainGet(url, status, body) {
  const response = await fetch(url.replace("ws", "http"));
  assert.equal(response.status, status);
  assert.match(await response.text(), body);
}

async function serves(name, prefix, ...options) {
  await withServer(name, async ({ url, err }) => {
    const scheme = url.split(":")[0];
    const one = (what, work) => check(`node client, ${name}, ${scheme}: ${what}`, work, err);

    await one("text", () => echoes(url, prefix, "Hello", "Hello again"));
    await one("binary", () => echoes(url, prefix, Buffer.from([0, 1, 254, 255])));
    await one("empty messages", () => echoes(url, prefix, "", Buffer.alloc(0), ""));
    await one("unicode", () => echoes(url, prefix, UNICODE));
    await one("1 MiB of text", () => echoes(url, prefix, "ab".repeat(MIB / 2)));
    await one("1 MiB of bytes", () => echoes(url, prefix, Buffer.alloc(MIB, "tightwire")));
    await one("16 connections at once", () => many(url, prefix));
    await one("64 messages in flight", () => inFlight(url, prefix));
    await one("ping", () => ping(url));
    await one("fragments", () => fragmented(url, prefix));
    await one("close with 4001, and without a code", () => closing(url));
    if (name === "server") { // the other one reports nothing
      await one("all ended in order", async () => assert.deepEqual(err, []));
    }
    await one("more than 16 MiB", () => tooLarge(url));
    await one("plain GET", () =>
      name === "server"
        ? plainGet(url, 403, /WebSocket connections only/)
        : plainGet(url, 426, /Upgrade/),
    );
  }, ...options);
}

await serves("echo_server", "");
await serves("echo_server", "", "--cert", CERT, "--key", KEY);
await serves("server", "Echo: ");

finish();
