// npm's `ws` and permessage-deflate: its clients and its servers against `compressing`.
//
// What came over the wire is read off the sockets of `ws`.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";

import {
  MIB, UNICODE, WebSocket, WebSocketServer, check, client, finish, withServer,
} from "./harness.mjs";

// Digests of numbers are as good as random, and the same in each run.
const digest = (n) => createHash("sha256").update(String(n)).digest();
const INCOMPRESSIBLE = Buffer.concat(Array.from({ length: MIB / 32 }, (_, n) => digest(n)));
const RECORDS = Array.from({ length: 100 }, (_, n) => ({
  id: digest(n).readUInt32LE(), name: digest(n).toString("hex", 4, 8),
  price: digest(n).readUInt32LE(8) / 100, tags: ["new", n % 3 ? "sold" : "reserved"],
}));
const JSON_TEXT = JSON.stringify(RECORDS); // some 8 kB
const SCRIPTS = `${UNICODE} Жизнь прекрасна. 사람은 빵만으로 살 수 없다. `.repeat(40);

/** A conversation with somebody who echoes. */
class Talk {
  constructor(ws, socket) {
    this.ws = ws;
    this.socket = socket;
    this.received = [];
    this.closed = once(ws, "close");
    // A failure is met by whoever waits for it; until then it is not an unhandled one.
    this.closed.catch(() => {});
    ws.on("message", (data, isBinary) => {
      this.received.push(isBinary ? data : data.toString());
      ws.emit("received");
    });
  }

  async echo(message) {
    if (this.received.length === 0) await Promise.race([once(this.ws, "received"), this.closed]);
    const echo = this.received.shift();
    assert.equal(typeof echo, typeof message, "it closed instead");
    const same = typeof echo === "string" ? echo === message : echo.equals(message);
    assert.ok(same, "other content");
  }

  /** Has a message echoed: how many bytes came for that. */
  async exchange(message, pieces = [message]) {
    const before = this.socket.bytesRead;
    pieces.forEach((piece, n) => this.ws.send(piece, { fin: n + 1 === pieces.length }));
    await this.echo(message);
    return this.socket.bytesRead - before;
  }

  /** All kinds of messages; those of the peer are compressed in this way. */
  async hold({ takeover, windowBits = 15, shrinks = true }) {
    for (const short of ["", Buffer.alloc(0), "Hello", "Hello"]) await this.exchange(short);
    const sizes = [];
    for (let n = 0; n < 4; n += 1) sizes.push(await this.exchange(JSON_TEXT));
    const scripts = await this.exchange(SCRIPTS);
    if (shrinks) {
      assert.ok(sizes.every((size) => size < JSON_TEXT.length * 0.75), String(sizes));
      assert.ok(scripts < Buffer.byteLength(SCRIPTS) / 2, String(scripts));
    }
    if (shrinks && !takeover) {
      assert.deepEqual(sizes, sizes.map(() => sizes[0]));
    } else if (shrinks && windowBits >= 14) {
      // The message before it is within reach.
      assert.ok(sizes.slice(1).every((size) => size < sizes[0] / 3), String(sizes));
    }
    // What cannot be compressed grows by little: most at level 1, which looks for no better way.
    assert.ok((await this.exchange(INCOMPRESSIBLE)) < MIB * 1.06);
    await this.exchange("Hello, €!".repeat(50), ["Hello, ", "", "€!", "Hello, €!".repeat(49)]);
    const binary = INCOMPRESSIBLE.subarray(0, 70_000);
    await this.exchange(binary, [binary.subarray(0, 9), Buffer.alloc(0), binary.subarray(9)]);
    await this.inFlight();
    await this.exchange(JSON_TEXT);
  }

  async inFlight() {
    const messages = RECORDS.slice(0, 64).map((_, n) => JSON.stringify(RECORDS.slice(0, n)));
    messages.forEach((message) => this.ws.send(message));
    for (const message of messages) await this.echo(message);
  }

  /** Without compression everything has its length, and a header, which a client's key is in. */
  async holdPlain() {
    for (const message of ["", "Hello", JSON_TEXT, SCRIPTS, INCOMPRESSIBLE]) {
      const header = (await this.exchange(message)) - Buffer.byteLength(message);
      assert.ok([2, 4, 10, 2 + 4, 4 + 4, 10 + 4].includes(header), String(header));
    }
  }

  async close() {
    this.ws.close(1000);
    assert.equal((await this.closed)[0], 1000);
  }
}

async function clientTalks(options, settings, line, hold) {
  const use = async ({ url, out, err }) => {
    const ws = new WebSocket(url, options);
    const upgraded = once(ws, "upgrade");
    await once(ws, "open");
    const talk = new Talk(ws, (await upgraded)[0].socket);
    assert.equal(ws.extensions, line === "plain" ? "" : "permessage-deflate");
    await hold(talk);
    await talk.close();
    assert.deepEqual([out[1], err], [line, []]);
  };
  await withServer("compressing", use, ...settings);
}

async function serverTalks(options, settings, line, hold) {
  const server = new WebSocketServer({ host: "127.0.0.1", port: 0, ...options });
  await once(server, "listening");
  try {
    const connected = once(server, "connection");
    const ran = client("compressing", `ws://127.0.0.1:${server.address().port}/`, ...settings);
    const held = connected.then(async ([ws, request]) => {
      assert.equal(ws.extensions, line === "plain" ? "" : "permessage-deflate");
      const talk = new Talk(ws, request.socket);
      await hold(talk);
      await talk.close();
    });
    // One that ends early is not waited for in vain.
    await Promise.race([held, ran.then(({ err }) => assert.deepEqual(err, []))]);
    await held;
    assert.deepEqual(await ran, { code: 0, out: [line, "closed with 1000"], err: [] });
  } finally {
    server.clients.forEach((ws) => ws.terminate());
    server.close();
  }
}

/** What `compressing` prints: whether messages may refer to others, and the window. */
const agreed = (server, client) => `server ${server.join(" ")}, client ${client.join(" ")}`;

const BOTH = [true, 15];
const NO_TAKEOVER = [false, 15];
const WINDOWS = [9, 10, 11, 12, 13, 14, 15].map((n) => [n, 24 - n]);
const OWN_WAYS = [
  ["min_len=0"], ["level=0"], ["level=1"], ["level=9"], ["fragment_len=1000"],
  ["min_len=0", "fragment_len=1000"],
];

// The options of ws, the settings of ours, and what both ends make of it: server, client.
const CLIENTS = [
  [{}, [], BOTH, BOTH],
  [{ threshold: 0 }, [], BOTH, BOTH],
  [{ threshold: 1 << 30 }, [], BOTH, BOTH],
  ...WINDOWS.map(([server, client]) => [
    { serverMaxWindowBits: server, clientMaxWindowBits: client }, [], [true, server], [true, client],
  ]),
  ...WINDOWS.map(([server, client]) => [
    {}, [`send_window_bits=${server}`, `recv_window_bits=${client}`], BOTH, [true, client],
  ]),
  [{ serverMaxWindowBits: 8 }, ["min_len=0"], [true, 8], BOTH],
  // It compresses with 9 bits then, as zlib does.
  [{ clientMaxWindowBits: 8 }, [], BOTH, [true, 8]],
  [{ clientMaxWindowBits: false }, ["recv_window_bits=10"], BOTH, BOTH],
  [{ serverNoContextTakeover: true }, [], NO_TAKEOVER, BOTH],
  [{ clientNoContextTakeover: true }, [], BOTH, NO_TAKEOVER],
  [{ clientNoContextTakeover: true, threshold: 0 }, [], BOTH, NO_TAKEOVER],
  [{}, ["send_context_takeover=false"], NO_TAKEOVER, BOTH],
  [{}, ["recv_context_takeover=false"], BOTH, NO_TAKEOVER],
  [{ serverNoContextTakeover: true, clientNoContextTakeover: true, serverMaxWindowBits: 9 },
    ["recv_window_bits=9"], [false, 9], [false, 9]],
  ...OWN_WAYS.map((settings) => [{}, settings, BOTH, BOTH]),
];

const SERVERS = [
  [{}, [], BOTH, BOTH],
  [{ threshold: 0 }, [], BOTH, BOTH],
  [{ threshold: 1 << 30 }, [], BOTH, BOTH],
  ...WINDOWS.map(([server, client]) => [
    { serverMaxWindowBits: server, clientMaxWindowBits: client }, [], [true, server], [true, client],
  ]),
  ...WINDOWS.map(([server, client]) => [
    {}, [`recv_window_bits=${server}`, `send_window_bits=${client}`], [true, server], [true, client],
  ]),
  [{ serverMaxWindowBits: 8 }, [], [true, 8], BOTH],
  [{}, ["recv_window_bits=8"], [true, 8], BOTH],
  [{}, ["send_window_bits=8", "min_len=0"], BOTH, [true, 8]],
  [{ serverNoContextTakeover: true }, [], NO_TAKEOVER, BOTH],
  [{ clientNoContextTakeover: true }, [], BOTH, NO_TAKEOVER],
  [{}, ["recv_context_takeover=false"], NO_TAKEOVER, BOTH],
  [{}, ["send_context_takeover=false"], BOTH, NO_TAKEOVER],
  [{ serverNoContextTakeover: true, serverMaxWindowBits: 9, threshold: 0 },
    ["send_context_takeover=false", "send_window_bits=9"], [false, 9], [false, 9]],
  ...OWN_WAYS.map((settings) => [{}, settings, BOTH, BOTH]),
];

async function compresses(role, talks, perMessageDeflate, settings, server, client) {
  const shown = Object.entries(perMessageDeflate).map((option) => option.join("="));
  const name = `${shown.join(" ") || "nothing"}; ours ${settings.join(" ") || "nothing"}`;
  const [takeover, agreedBits] = role === "client" ? server : client;
  // Ours keeps to its own window, also where that is not named.
  const own = settings.filter((setting) => setting.startsWith("send_window_bits="));
  const windowBits = Math.min(agreedBits, ...own.map((setting) => Number(setting.slice(17))));
  // Level 0 does not compress, and a window of 8 bits allows next to nothing.
  const shrinks = !settings.includes("level=0") && windowBits > 8;
  const hold = (talk) => talk.hold({ takeover, windowBits, shrinks });
  const line = agreed(server, client);
  await check(`node ${role}, with ${name}`, () =>
    talks({ perMessageDeflate }, settings, line, hold),
  );
}

const plain = (talk) => talk.holdPlain();

for (const row of CLIENTS) await compresses("client", clientTalks, ...row);
await check("node client, no compression", () =>
  clientTalks({ perMessageDeflate: false }, [], "plain", plain));
await check("node client, ours does not compress", () =>
  clientTalks({}, ["deflate=no"], "plain", plain));
for (const row of SERVERS) await compresses("server", serverTalks, ...row);
await check("node server, no compression", () => serverTalks({}, [], "plain", plain));
await check("node server, ours does not compress", () =>
  serverTalks({ perMessageDeflate: true }, ["deflate=no"], "plain", plain));

finish();
