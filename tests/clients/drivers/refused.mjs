// Runs a program whose connection is refused before it sends: `refused.mjs PROGRAM ARGUMENT...`.
//
// A request is sent only after the daemon has closed the connection for good.

import { createRequire } from "node:module";
import { setTimeout as sleep } from "node:timers/promises";
import { pathToFileURL } from "node:url";

const TRIES = 1000; // checks, a hundredth of a second apart

const [node, , program, ...words] = process.argv;
const zmq = createRequire(pathToFileURL(program))("zeromq");
const plainSend = zmq.Request.prototype.send;

async function send(...given) {
  for (let tries = 0; this.writable; tries += 1) {
    if (tries === TRIES) {
      console.error("refused.mjs: the daemon refuses nothing");
      process.exit(3);
    }
    await sleep(10);
  }
  return plainSend.apply(this, given);
}

Object.defineProperty(zmq.Request.prototype, "send", { value: send });

process.argv = [node, program, ...words];
await import(pathToFileURL(program));
