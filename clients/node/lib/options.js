// What both programs take on the command line, and how wrong usage is told.

import { closeSync, fstatSync, openSync, readFileSync } from "node:fs";
import { parseArgs } from "node:util";

import { UsageError } from "./errors.js";
import { reason } from "./printing.js";

const DEFAULT_TIMEOUT = 3; // seconds; a daemon answers within milliseconds, or is not there
export const REFRESH_TIMEOUT = 10; // seconds; shards that do not answer keep the daemon waiting
const Z85_KEY = /^[0-9A-Za-z.:+=^!/*?&<>()[\]{}@%$#-]{40}$/;

/** The options of every program that asks a daemon. */
const COMMON = {
  help: { type: "boolean", short: "h" },
  key: { type: "string", multiple: true, default: [] },
  prefix: { type: "boolean", default: false },
  connect: { type: "string" },
  timeout: { type: "string" },
  "server-key": { type: "string" },
  "client-key": { type: "string" },
  json: { type: "boolean", default: false },
};

/** How the help of both programs tells these. */
export const COMMON_HELP = `\
  --key NAME            only this field; repeatable
  --prefix              each --key is the beginning of field names
  --connect ENDPOINT    query endpoint of the daemon [ZINFO_CONNECT, else tcp://127.0.0.1:9736]
  --timeout SECONDS     how long to wait for an answer [${DEFAULT_TIMEOUT}]
  --server-key FILE     public key of a daemon that asks for keys: its server.key [ZINFO_SERVER_KEY]
  --client-key FILE     your own secret key: NAME.key_secret [ZINFO_CLIENT_KEY]
  --json                print JSON, one object a line
  -h, --help            show this and end`;

/**
 * Return the options, those of both programs checked; `shards` has the words that are none.
 *
 * @param {string[]} words the command line
 * @param {object} own the program's own options, as those of util.parseArgs
 */
export function readOptions(words, own = {}) {
  let values, positionals;
  try {
    ({ values, positionals } = parseArgs({
      args: words,
      options: { ...COMMON, ...own },
      allowPositionals: true,
    }));
  } catch (error) {
    throw new UsageError(error.message.split(/\. |\n/)[0]);
  }
  if (values.prefix && !values.key.length) {
    throw new UsageError("--prefix says how to take --key, and there is none");
  }
  return {
    ...values,
    shards: positionals,
    connect: values.connect || process.env.ZINFO_CONNECT || "tcp://127.0.0.1:9736",
    timeout: waitingTime(values.timeout),
    keys: readKeys(
      values["server-key"] || process.env.ZINFO_SERVER_KEY,
      values["client-key"] || process.env.ZINFO_CLIENT_KEY,
    ),
  };
}

/** Return a number of seconds that an option says. */
export function seconds(option, text) {
  const value = /^[0-9.]/.test(text) ? Number(text) : NaN;
  if (!(value >= 0 && value < Infinity)) {
    throw new UsageError(`argument --${option}: ${text} is no number of seconds from 0 on`);
  }
  return value;
}

function waitingTime(text) {
  const value = text === undefined ? undefined : seconds("timeout", text);
  if (value === 0 || value > 86400) {
    throw new UsageError(`argument --timeout: ${text} is not above 0 and at most 86400 (a day)`);
  }
  return value;
}

/** Return how long to wait, in seconds, where the user did not say. */
export function timeoutOr(options, otherwise = DEFAULT_TIMEOUT) {
  return options.timeout ?? otherwise;
}

// By which client and daemon know each other: options of a socket; undefined without keys.
function readKeys(serverFile, clientFile) {
  if (!serverFile && !clientFile) {
    return undefined;
  }
  if (!serverFile || !clientFile) {
    throw new UsageError("--server-key and --client-key come together: give both, or none");
  }
  const curveServerKey = keyIn(serverFile, "public");
  const curveSecretKey = keyIn(clientFile, "secret", true);
  return { curveServerKey, curvePublicKey: keyIn(clientFile, "public"), curveSecretKey };
}

function keyIn(path, which, secret = false) {
  let text, mode, owner;
  try {
    const file = openSync(path);
    try {
      ({ mode, uid: owner } = fstatSync(file));
      text = readFileSync(file, "utf8");
    } finally {
      closeSync(file);
    }
  } catch (error) {
    throw new UsageError(`${path}: cannot be read: ${reason(error)}`);
  }
  const key = new RegExp(`^\\s*${which}-key\\s*=\\s*"([^"\\n]*)"`, "m").exec(text)?.[1];
  if (key === undefined) {
    throw new UsageError(`${path}: found no ${which} key, expected what \`zinfo keygen\` makes`);
  }
  if (!Z85_KEY.test(key)) {
    throw new UsageError(`${path}: found a broken ${which} key, expected 40 characters of Z85`);
  }
  const mounted = owner === 0 && process.geteuid() !== 0; // a group may read it, as in Kubernetes
  const open = mode & 0o7777 & ~(mounted ? 0o740 : 0o700);
  if (secret && open) {
    const found = (mode & 0o7777).toString(8).padStart(4, "0");
    throw new UsageError(
      `${path}: found mode ${found}, expected 0600, as it holds a secret: chmod 600 it`,
    );
  }
  return key;
}
