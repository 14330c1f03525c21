#!/usr/bin/env node
// Ask a zinfo daemon for the INFO of shards, and print it: `zinfo get` in JavaScript.

import { COMMON_HELP, REFRESH_TIMEOUT } from "./lib/options.js";
import { run } from "./lib/program.js";

const HELP = `\
usage: query.js [OPTION]... [SHARD]...

Print the newest INFO of shards, as a zinfo daemon has it: of these, or of all that were polled.

  --section NAME        only this section, as the server calls it (memory, ...); repeatable
  --label NAME=VALUE    only shards with this label; repeatable: all of them
  --max-age SECONDS     leave out INFO that is older; 0 takes any [0]
  --refresh             have shards polled now whose INFO is older than --max-age; waits up to
                        ${REFRESH_TIMEOUT} s where --timeout does not say
  --partial             go on where a SHARD is unknown or was never polled; its entry has the error
${COMMON_HELP}

examples:
  query.js                                     all shards, all fields
  query.js 127.0.0.1:6379 --section memory     one section of one shard
  query.js --key used_memory --key maxmemory
  query.js --key db --prefix                   all fields that begin with db
  query.js --label role=cache --max-age 5      of some shards, if recent
  query.js 127.0.0.1:6379 --refresh --json     polled now, for this

exit codes: 0 done, 1 no answer or a refusal, 2 wrong usage
`;

await run("query.js", HELP, () => import("./lib/get.js"));
