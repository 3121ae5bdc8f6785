import { readFileSync } from "node:fs";
import http from "node:http";
import https from "node:https";
import { createRequire } from "node:module";

const require = createRequire(`${process.env.TIGHTWIRE_INTEROP_HOME}/node/`);
const websocket = require("websocket");
const { CA, CERT, HEADER, KEY, SUBPROTOCOL } = process.env;
const options = { maxReceivedFrameSize: 32 << 20, maxReceivedMessageSize: 32 << 20 };

function echo(connection, header) {
  connection.on("message", ({ type, utf8Data, binaryData }) => {
    if (type === "binary") connection.sendBytes(binaryData);
    else if (utf8Data === "!close") connection.close(4001, "bye");
    else if (utf8Data === "!ping") connection.ping("interop");
    else if (utf8Data === "!header") connection.sendUTF(header);
    else connection.sendUTF(utf8Data);
  });
}

function server(port) {
  const listener = CERT
    ? https.createServer({ cert: readFileSync(CERT), key: readFileSync(KEY) })
    : http.createServer();
  const server = new websocket.server({ ...options, httpServer: listener });
  server.on("request", (request) => {
    if (request.resource === "/refuse") return request.reject(403, "no entry");
    const subprotocol = request.requestedProtocols.find((name) => name === "chat");
    return echo(request.accept(subprotocol), request.httpRequest.headers["x-interop"]);
  });
  listener.listen(port, "127.0.0.1");
}

function client(url) {
  const client = new websocket.client({
    ...options,
    tlsOptions: CA ? { ca: readFileSync(CA) } : {},
  });
  client.on("httpResponse", ({ statusCode }) => {
    console.log(`refused ${statusCode}`);
    process.exit();
  });
  client.on("connectFailed", (error) => console.error(error));
  client.on("connect", (connection) => {
    connection.on("close", (code) => process.exit(code === 1006 ? 1 : 0));
    echo(connection);
  });
  const headers = HEADER ? { "X-Interop": HEADER } : {};
  client.connect(url, SUBPROTOCOL ? [SUBPROTOCOL] : [], undefined, headers);
}

const [role, place] = process.argv.slice(2);
if (role === "client") client(place);
else server(Number(place));
