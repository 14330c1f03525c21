// Start and exit of the programs.

import { FailedError, OutputError, UsageError } from "./errors.js";
import { note, say } from "./printing.js";

/**
 * Run a program, and exit: 0 done, 1 failed, 2 wrong usage, 130 Ctrl-C.
 *
 * @param {string} name of the program
 * @param {string} help what --help prints
 * @param {() => Promise<object>} load imports the module whose `main` gets the arguments
 */
export async function run(name, help, load) {
  process.on("SIGINT", () => process.exit(130));
  const words = process.argv.slice(2);
  try {
    if (words.includes("--help") || words.includes("-h")) {
      say(help.trimEnd());
    } else {
      const { main } = await load();
      await main(words);
    }
    process.exit(0);
  } catch (error) {
    process.exit(reported(name, error));
  }
}

// Print an error, and return the exit code.
function reported(name, error) {
  if (error instanceof UsageError) {
    note(`usage: ${name} [OPTION]... [SHARD]...    (--help lists them)`);
    note(`${name}: error: ${error.message}`);
    return 2;
  }
  if (error instanceof FailedError || error instanceof OutputError) {
    note(`${name}: ${error.message}`);
    return 1;
  }
  if (error.code === "ERR_MODULE_NOT_FOUND") {
    const where = new URL("..", import.meta.url).pathname;
    note(`${name}: zeromq and @msgpack/msgpack are needed: run \`npm install\` in ${where}`);
    return 1;
  }
  note(`${name}: unexpected error: ${error.stack}`);
  return 1;
}
