#!/usr/bin/env node
// Print each change of INFO as it arrives: `zinfo watch` in JavaScript.

import { COMMON_HELP } from "./lib/options.js";
import { run } from "./lib/program.js";

const HELP = `\
usage: stream.js [OPTION]... [SHARD]...

Print each change of INFO of each SHARD, or of all, as it arrives, until Ctrl-C: time (UTC), shard,
field, old and new value. Events come in between, and so does every break: "gap" where messages were
lost, "stale" where the daemon is silent, "again" when it is back, "restart" where it was started
again. A SHARD need not exist yet.

${COMMON_HELP}

examples:
  stream.js                                        all that changes, of all shards
  stream.js --key used_memory --key connected_clients
  stream.js 127.0.0.1:6379 --key db --prefix       all fields that begin with db
  stream.js --key role --json

exit codes: 0 done (whoever read the output is gone), 1 no answer or a refusal, 2 wrong usage,
130 Ctrl-C, which is the way to end it
`;

await run("stream.js", HELP, () => import("./lib/watch.js"));
