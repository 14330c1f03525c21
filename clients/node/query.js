#!/usr/bin/env node
// Query a zinfo daemon for the INFO of shards, and print it: `zinfo get` in JavaScript.

import { COMMON_HELP, REFRESH_TIMEOUT } from "./lib/options.js";
import { run } from "./lib/program.js";

const HELP = `\
usage: query.js [OPTION]... [SHARD]...

Print the newest INFO of each SHARD, or of all that were polled, from a zinfo daemon.

  --section NAME        only this section, by the server's name for it (memory, ...); repeatable
  --label NAME=VALUE    only shards with this label; repeatable, a shard must have all
  --max-age SECONDS     omit INFO that is older; 0 omits none [0]
  --refresh             poll shards whose INFO is older than --max-age; the default --timeout is
                        then ${REFRESH_TIMEOUT} s
  --partial             if a SHARD is unknown or was never polled, print an entry with the error
${COMMON_HELP}

examples:
  query.js                                     all shards, all fields
  query.js 127.0.0.1:6379 --section memory     one section of one shard
  query.js --key used_memory --key maxmemory
  query.js --key db --prefix                   fields that begin with db
  query.js --label role=cache --max-age 5      recent INFO of shards with a label
  query.js 127.0.0.1:6379 --refresh --json     polled for this query

exit codes: 0 done, 1 no reply or an error reply, 2 wrong usage
`;

await run("query.js", HELP, () => import("./lib/get.js"));
