// The command-line options of both programs.

import { closeSync, fstatSync, openSync, readFileSync } from "node:fs";
import { parseArgs } from "node:util";

import { UsageError } from "./errors.js";
import { reason } from "./printing.js";

const DEFAULT_TIMEOUT = 3; // seconds; a running daemon replies within milliseconds
export const REFRESH_TIMEOUT = 10; // seconds; the daemon waits for shards that do not reply
const Z85_KEY = /^[0-9A-Za-z.:+=^!/*?&<>()[\]{}@%$#-]{40}$/;

/** The options of both programs. */
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

/** The help text for these. */
export const COMMON_HELP = `\
  --key NAME            only this field; repeatable
  --prefix              each --key is a prefix of field names
  --connect ENDPOINT    query endpoint of the daemon [ZINFO_CONNECT, else tcp://127.0.0.1:9736]
  --timeout SECONDS     how long to wait for a reply [${DEFAULT_TIMEOUT}]
  --server-key FILE     public key of a daemon that requires keys: its server.key [ZINFO_SERVER_KEY]
  --client-key FILE     your own secret key: NAME.key_secret [ZINFO_CLIENT_KEY]
  --json                print JSON, one object a line
  -h, --help            show this help and exit`;

/**
 * Return the options, with those of both programs checked; `shards` has the other arguments.
 *
 * @param {string[]} words the command line
 * @param {object} own further options of the program, in the form of util.parseArgs
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
    throw new UsageError("--prefix needs at least one --key");
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

/** Return the value of an option in seconds. */
export function seconds(option, text) {
  const value = /^[0-9.]/.test(text) ? Number(text) : NaN;
  if (!(value >= 0 && value < Infinity)) {
    const expected = "expected a number of seconds, 0 or more";
    throw new UsageError(`argument --${option}: found ${text}, ${expected}`);
  }
  return value;
}

function waitingTime(text) {
  const value = text === undefined ? undefined : seconds("timeout", text);
  if (value === 0 || value > 86400) {
    const expected = "expected seconds above 0, at most 86400 (a day)";
    throw new UsageError(`argument --timeout: found ${text}, ${expected}`);
  }
  return value;
}

/** Return the --timeout in seconds, or a default. */
export function timeoutOr(options, otherwise = DEFAULT_TIMEOUT) {
  return options.timeout ?? otherwise;
}

// Return the CURVE options of a socket; undefined without keys.
function readKeys(serverFile, clientFile) {
  if (!serverFile && !clientFile) {
    return undefined;
  }
  if (!serverFile || !clientFile) {
    throw new UsageError("--server-key and --client-key belong together: give both, or none");
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
  const mounted = owner === 0 && process.geteuid() !== 0; // group-readable, as Kubernetes mounts it
  const open = mode & 0o7777 & ~(mounted ? 0o740 : 0o700);
  if (secret && open) {
    const found = (mode & 0o7777).toString(8).padStart(4, "0");
    throw new UsageError(
      `${path}: found mode ${found}, expected 0600, as it holds a secret: chmod 600 it`,
    );
  }
  return key;
}
