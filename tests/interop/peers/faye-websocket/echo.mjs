import { readFileSync } from "node:fs";
import http from "node:http";
import https from "node:https";
import { createRequire } from "node:module";

const require = createRequire(`${process.env.TIGHTWIRE_INTEROP_HOME}/node/`);
const WebSocket = require("faye-websocket");
const { CA, CERT, DEFLATE, HEADER, KEY, SUBPROTOCOL } = process.env;
const options = {
  extensions: DEFLATE ? [require("permessage-deflate")] : [],
  maxLength: 32 << 20,
};

function echo(ws, header) {
  ws.on("message", ({ data }) => {
    if (data === "!close") ws.close(4001, "bye");
    else if (data === "!ping") ws.ping("interop");
    else if (data === "!header") ws.send(header);
    else ws.send(data);
  });
}

function server(port) {
  const listener = CERT
    ? https.createServer({ cert: readFileSync(CERT), key: readFileSync(KEY) })
    : http.createServer();
  listener.on("upgrade", (request, socket, head) => {
    if (request.url === "/refuse") {
      socket.end("HTTP/1.1 403 Forbidden\r\nContent-Length: 8\r\n\r\nno entry");
      return;
    }
    const ws = new WebSocket(request, socket, head, ["chat"], options);
    echo(ws, request.headers["x-interop"]);
  });
  listener.listen(port, "127.0.0.1");
}

function client(url) {
  const ws = new WebSocket.Client(url, SUBPROTOCOL ? [SUBPROTOCOL] : [], {
    ...options,
    headers: HEADER ? { "X-Interop": HEADER } : {},
    tls: CA ? { ca: readFileSync(CA) } : {},
  });
  ws.on("error", ({ message }) => {
    const status = message.match(/Unexpected response code: (\d+)/);
    if (status) console.log(`refused ${status[1]}`);
    else console.error(message);
  });
  ws.on("close", ({ code }) => process.exit(code === 1006 ? 1 : 0));
  echo(ws);
}

const [role, place] = process.argv.slice(2);
if (role === "client") client(place);
else server(Number(place));
