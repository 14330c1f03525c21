#!/usr/bin/env node
// Print each change of INFO as it arrives: `zinfo watch` in JavaScript.

import { COMMON_HELP } from "./lib/options.js";
import { run } from "./lib/program.js";

const HELP = `\
usage: stream.js [OPTION]... [SHARD]...

Print each change of INFO of each SHARD, or of all, as it arrives, until Ctrl-C: time (UTC), shard,
field, old and new value. Events are printed as well, and interruptions of the stream: "gap" if
messages were lost, "stale" if heartbeats have stopped, "again" when they are back, "restart" if the
daemon was restarted. A SHARD need not exist yet.

${COMMON_HELP}

examples:
  stream.js                                        all changes of all shards
  stream.js --key used_memory --key connected_clients
  stream.js 127.0.0.1:6379 --key db --prefix       fields that begin with db
  stream.js --key role --json

exit codes: 0 done (the reader of the output has gone), 1 no reply or an error reply,
2 wrong usage, 130 ended by Ctrl-C
`;

await run("stream.js", HELP, () => import("./lib/watch.js"));
