import { readFileSync } from "node:fs";
import http from "node:http";
import https from "node:https";
import { createRequire } from "node:module";

const require = createRequire(`${process.env.TIGHTWIRE_INTEROP_HOME}/node/`);
const { WebSocket, WebSocketServer } = require("ws");
const { CA, CERT, DEFLATE, HEADER, KEY, SUBPROTOCOL } = process.env;
// `ws` sends short messages as they are, unless the threshold is zero.
const options = { perMessageDeflate: DEFLATE ? { threshold: 0 } : false, maxPayload: 32 << 20 };

function echo(ws, header) {
  ws.on("error", (error) => console.error(error));
  ws.on("message", (data, binary) => {
    switch (binary ? "" : data.toString()) {
      case "!close":
        return ws.close(4001, "bye");
      case "!ping":
        return ws.ping("interop");
      case "!header":
        return ws.send(header);
      case "!fragments":
        ws.send("one ", { fin: false });
        ws.send("two ", { fin: false });
        return ws.send("three", { fin: true });
      default:
        return ws.send(data, { binary });
    }
  });
}

function server(port) {
  const wss = new WebSocketServer({
    ...options,
    noServer: true,
    handleProtocols: (offered) => offered.has("chat") && "chat",
  });
  const listener = CERT
    ? https.createServer({ cert: readFileSync(CERT), key: readFileSync(KEY) })
    : http.createServer();
  listener.on("upgrade", (request, socket, head) => {
    if (request.url === "/refuse") {
      socket.end("HTTP/1.1 403 Forbidden\r\nContent-Length: 8\r\n\r\nno entry");
      return;
    }
    wss.handleUpgrade(request, socket, head, (ws) => echo(ws, request.headers["x-interop"]));
  });
  listener.listen(port, "127.0.0.1");
}

function client(url) {
  const ws = new WebSocket(url, SUBPROTOCOL ? [SUBPROTOCOL] : [], {
    ...options,
    headers: HEADER ? { "X-Interop": HEADER } : {},
    ca: CA && readFileSync(CA),
  });
  ws.on("unexpected-response", async (_request, response) => {
    const body = Buffer.concat(await response.toArray());
    console.log(`refused ${response.statusCode} ${body}`);
    process.exit();
  });
  ws.on("close", (code) => process.exit(code === 1006 ? 1 : 0));
  echo(ws);
}

const [role, place] = process.argv.slice(2);
if (role === "client") client(place);
else server(Number(place));
