// The client examples against servers of npm's `ws`.

import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { createServer as createSecureServer } from "node:https";

import { CERT, KEY, MIB, UNICODE, WebSocketServer, check, client, finish } from "./harness.mjs";

const [cert, key] = [CERT, KEY].map((path) => readFileSync(path));

/**
 * Runs a client example against a server whose connections go to `handler`: what it printed,
 * and the Close frame that it sent.
 */
async function meets(name, handler, secure = false) {
  const http = secure ? createSecureServer({ cert, key }) : createServer();
  const server = new WebSocketServer({ server: http });
  http.listen(0, "127.0.0.1");
  await once(http, "listening");
  try {
    const closed = new Promise((resolve, reject) => {
      server.once("connection", (ws) => {
        ws.on("error", reject);
        ws.on("close", (code, reason) => resolve([code, reason.toString()]));
        handler(ws);
      });
    });
    const url = `${secure ? "wss" : "ws"}://127.0.0.1:${http.address().port}/`;
    const ran = await client(name, url);
    return { url, ...ran, closed: await closed };
  } finally {
    server.clients.forEach((ws) => ws.terminate());
    server.close();
    http.close();
  }
}

function echo(ws) {
  ws.on("message", (data, binary) => ws.send(data, { binary }));
}

const answers = (reply) => (ws) => ws.once("message", () => ws.send(reply));

await check("node server: client", async () => {
  const { url, code, out, err, closed } = await meets("client", echo);
  assert.deepEqual(out, [`Connected to ${url}`, "Received: Hello from Rust!", "Disconnected"]);
  assert.deepEqual([code, err, closed], [0, [], [1000, ""]]);
});

await check("node server: client, wss", async () => {
  const { url, code, out, err, closed } = await meets("client", echo, true);
  assert.deepEqual(out, [`Connected to ${url}`, "Received: Hello from Rust!", "Disconnected"]);
  assert.deepEqual([code, err, closed], [0, [], [1000, ""]]);
});

await check("node server: client, wss, a long answer in fragments", async () => {
  const answer = "a".repeat(MIB);
  const { code, out } = await meets("client", (ws) => {
    ws.once("message", async () => {
      ws.send(answer, { fin: false });
      ws.ping("in between");
      await once(ws, "pong");
      ws.send(answer, { fin: true });
    });
  }, true);
  assert.deepEqual([code, out[1] === `Received: ${answer}${answer}`], [0, true]);
});

await check("node server: a server that closes with 4002, wss", async () => {
  const handler = (ws) => ws.once("message", () => ws.close(4002, "done"));
  const { out, closed } = await meets("error_handling", handler, true);
  assert.equal(out.at(-1), 'Done: code 4002, reason "done", closed by Peer, cleanly');
  assert.deepEqual(closed, [4002, ""]);
});

await check("node server: error_handling", async () => {
  const { code, out, err, closed } = await meets("error_handling", echo);
  assert.ok(out.includes("Received: Ping 2"), out.join("\n"));
  assert.equal(out.at(-1), 'Done: code 1000, reason "done", closed by Us, cleanly');
  assert.deepEqual([code, err, closed], [0, [], [1000, "done"]]);
});

await check("node server: binary", async () => {
  const { code, out, closed } = await meets("binary", echo);
  assert.deepEqual([code, out, closed], [0, ["Received bytes: [1, 2, 3, 4, 5]"], [1000, ""]]);
});

await check("node server: json, a typed reply", async () => {
  const content = UNICODE.slice(0, -1); // a terminal line needs no NUL
  const reply = JSON.stringify({ type: "reply", content });
  const { code, out, closed } = await meets("json", answers(reply));
  assert.deepEqual([code, out, closed], [0, [`Received reply: ${content}`], [1000, ""]]);
});

await check("node server: json, another reply", async () => {
  const { code, out, err, closed } = await meets("json", answers('{"type": null}'));
  assert.match(err[0], /which is not a packet/);
  assert.deepEqual([code, out, closed], [0, [], [1000, ""]]);
});

await check("node server: a server that closes with 4002", async () => {
  const handler = (ws) => ws.once("message", () => ws.close(4002, "done"));
  const { out, closed } = await meets("error_handling", handler);
  assert.equal(out.at(-1), 'Done: code 4002, reason "done", closed by Peer, cleanly');
  assert.deepEqual(closed, [4002, ""]);
});

await check("node server: fragmented answers", async () => {
  const { code, out } = await meets("client", (ws) => {
    ws.once("message", async () => {
      ws.send("Hello, ", { fin: false });
      ws.ping("in between");
      // The rest goes out only once the Pong is here.
      await once(ws, "pong");
      ws.send("", { fin: false });
      ws.send("fragments €", { fin: true });
    });
  });
  assert.deepEqual([code, out[1]], [0, "Received: Hello, fragments €"]);
});

await check("node server: a server that refuses with 401", async () => {
  const server = createServer();
  server.on("upgrade", (_request, socket) => {
    socket.end("HTTP/1.1 401 Unauthorized\r\nContent-Length: 13\r\n\r\nWho are you?\n");
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  try {
    const { code, err } = await client("error_handling", `ws://127.0.0.1:${server.address().port}/`);
    assert.match(err[0], /the server answered with status 401/);
    assert.equal(err[1], "The server said: Who are you?");
    assert.equal(code, 1);
  } finally {
    server.close();
  }
});

finish();
