// Calls functions of the programs for Node.js, as requested on stdin.
//
// stdin has an array of tasks, [function, argument...]; stdout gets an array of results, with
// {"failed": ...} for a task that failed. The argument is the programs' directory.

import { readFileSync } from "node:fs";
import { join } from "node:path";

const home = process.argv[2];
const load = (name) => import(join(home, "lib", `${name}.js`));
const [wire, { FailedError, RefusedError }, { toJson }, slices] = await Promise.all(
  ["wire", "errors", "printing", "slices"].map(load),
);

const raw = (frames) => frames.map((digits) => Buffer.from(digits, "hex"));
const digits = (data) => Buffer.from(data).toString("hex");

const FUNCTIONS = {
  encode_request: (meaning) => wire.encodeRequest(meaning).map(digits),
  decode_reply: (frames) => {
    try {
      return wire.decodeReply(raw(frames));
    } catch (error) {
      if (error instanceof RefusedError) {
        return { error: error.error };
      }
      throw error;
    }
  },
  decode_message: (frames) => {
    const { kind, name, header, body } = wire.decodeMessage(raw(frames));
    return [kind, name, header, body];
  },
  make_topic: (kind, of) => digits(wire.makeTopic(kind, of)),
  slices_of: ({ id, labels, by, count, copies }) => {
    const key = slices.sliceKey(id, labels, by);
    return { key, slices: slices.slicesOf(key, count, copies) };
  },
  unpack: (data) => wire.unpack(Buffer.from(data, "hex")),
};

function run([name, ...given]) {
  try {
    return FUNCTIONS[name](...given);
  } catch (error) {
    if (error instanceof FailedError) {
      return { failed: error.message };
    }
    throw error;
  }
}

console.log(toJson(JSON.parse(readFileSync(0, "utf8")).map(run)));
