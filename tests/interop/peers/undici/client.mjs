import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const require = createRequire(`${process.env.TIGHTWIRE_INTEROP_HOME}/node/`);
const { Agent, WebSocket } = require("undici");
const { CA, HEADER, SUBPROTOCOL } = process.env;

const ws = new WebSocket(process.argv[2], {
  protocols: SUBPROTOCOL ? [SUBPROTOCOL] : [],
  headers: HEADER ? { "X-Interop": HEADER } : {},
  dispatcher: new Agent({ connect: { ca: CA && readFileSync(CA) } }),
});
ws.binaryType = "arraybuffer";
ws.onmessage = ({ data }) => (data === "!close" ? ws.close(4001, "bye") : ws.send(data));
ws.onerror = ({ message, error }) => console.error(message, error);
ws.onclose = ({ code }) => process.exit(code === 1006 ? 1 : 0);
