// What the Node suites share: named checks, the example programs as child processes, and `ws`.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { appendFileSync } from "node:fs";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

// It is installed outside the source tree, where `import` would not find it.
export const { WebSocket, WebSocketServer } =
  createRequire(`${process.env.TIGHTWIRE_INTEROP_HOME}/node/`)("ws");

export const MIB = 1 << 20;
export const UNICODE = "Grüße, 世界 🦀\0";

const LIMIT = 30_000; // milliseconds for one check
const EXAMPLES = process.env.TIGHTWIRE_EXAMPLES;
/** The files with a certificate that everybody trusts here, and with its key. */
export const [CERT, KEY] = ["cert", "key"].map((name) => `${process.env.TIGHTWIRE_CERTS}/${name}.pem`);

const children = new Set();
process.on("exit", () => children.forEach((child) => child.kill("SIGKILL")));
process.on("SIGTERM", () => process.exit(1));

/** Runs `work` and prints what became of it; `notes` are shown when it fails. */
export async function check(name, work, ...notes) {
  let timer;
  const tooLong = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error("it takes too long")), LIMIT);
  });
  let outcome = "ok";
  try {
    await Promise.race([work(), tooLong]);
    console.log(`ok   ${name}`);
  } catch (error) {
    outcome = "FAIL";
    process.exitCode = 1;
    console.log(`FAIL ${name}\n${error.stack}`);
    notes.forEach((note) => console.log("    ", note));
  } finally {
    clearTimeout(timer);
  }
  // Tells `run`, which counts over all suites.
  appendFileSync(process.env.TIGHTWIRE_TALLY, `${outcome}\n`);
}

/** Ends a suite: what a check that took too long left behind would keep it running. */
export function finish() {
  process.exit();
}

/** Runs a server example on a free port while `use` lasts. */
export async function withServer(name, use, ...settings) {
  const child = start(name, "127.0.0.1:0", ...settings);
  try {
    const ready = once(child.out, "line", { signal: AbortSignal.timeout(LIMIT) });
    const [line] = await Promise.race([ready, child.ended.then(() => [`it ended: ${child.lines.err}`])]);
    if (!line.startsWith("listening on ")) throw new Error(`${name}: ${line}`);
    await use({ url: line.slice("listening on ".length), ...child.lines });
  } finally {
    child.kill("SIGKILL");
    await child.ended;
  }
}

/** Runs a client example to its end: its exit code, and the lines that it printed. */
export async function client(name, url, ...settings) {
  const child = start(name, url, ...settings);
  const [code] = await child.ended;
  return { code, ...child.lines };
}

function start(name, ...args) {
  const child = spawn(`${EXAMPLES}/${name}`, args, { stdio: ["ignore", "pipe", "pipe"] });
  children.add(child);
  child.lines = { out: [], err: [] };
  child.out = createInterface({ input: child.stdout });
  child.out.on("line", (line) => child.lines.out.push(line));
  createInterface({ input: child.stderr }).on("line", (line) => child.lines.err.push(line));
  // "close" comes after the last of its output, "exit" may come before.
  child.ended = once(child, "close").finally(() => children.delete(child));
  return child;
}
