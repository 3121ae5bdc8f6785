// The echo of npm's `ws`: `ws.mjs none|alone|takeover LEVEL MIN_LEN`.

import { createRequire } from "node:module";

// It is installed outside the source tree, where `import` would not find it.
const { WebSocketServer } = createRequire(`${process.env.COMPRESSION_BENCH_HOME}/`)("ws");

const [mode, level, minLen] = process.argv.slice(2);
const perMessageDeflate = mode !== "none" && {
  serverNoContextTakeover: mode === "alone",
  clientNoContextTakeover: mode === "alone",
  threshold: Number(minLen),
  zlibDeflateOptions: { level: Number(level) },
};
const server = new WebSocketServer({ host: "127.0.0.1", port: 0, perMessageDeflate });
server.on("connection", (ws) => {
  ws.on("message", (data, binary) => ws.send(data, { binary }));
});
server.on("listening", () => {
  console.log(`listening on ws://127.0.0.1:${server.address().port}`);
});
