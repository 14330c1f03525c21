// Which shard is meant by an address in INFO, as zinfo/views/peers.py finds it: servers know each
// other by addresses of their own, which need not be the ids of the shards.

import { own } from "./expressions.js";
import { REPLICA_ROLE } from "./totals_of.js";

export const FIELDS = ["master_replid", "master_host", "master_port", "tcp_port"];

const ADDRESS = /^(?:.*:\/\/)?\[?([^/]*?)\]?:([0-9]{1,5})$/s;
const REPLICA = /^slave[0-9]{1,5}$/;
const MAX_CHAIN = 20; // replicas of replicas; those that name each other have no end
const addresses = new Map(); // of texts that were split; ids seldom change

export class Peers {
  // `rows`: all shards, not only those that are shown, in the order of their ids.
  constructor(rows) {
    this.rows = new Map();
    this.addresses = new Map();
    this.replids = new Map();
    for (const row of rows) {
      this.rows.set(row.shard, row);
      const found = splitAddress(row.shard);
      if (found) setDefault(this.addresses, key(...found), row.shard);
      const [hostname, port] = [own(row.labels, "hostname"), own(row.info, "tcp_port")];
      if (hostname && port) setDefault(this.addresses, key(hostname.toLowerCase(), port), row.shard);
      const replid = replidOf(row);
      if (replid && row.role !== REPLICA_ROLE) setDefault(this.replids, replid, row.shard);
    }
  }

  has(shard) {
    return this.rows.has(shard);
  }

  // Returns the id of the shard at an address; "" where there is none.
  find(host, port) {
    return this.addresses.get(key(host.replace(/^[[\]]+|[[\]]+$/g, "").toLowerCase(), port)) ?? "";
  }

  // Returns the id of the primary that a replica follows directly, or its address where no shard
  // has it; "" where the row is no replica, or INFO has none.
  primary(row) {
    if (row.role !== REPLICA_ROLE) return "";
    const [host, port] = [own(row.info, "master_host"), own(row.info, "master_port")];
    const named = typeof host === "string" && host !== "";
    if (named && port !== null) {
      const found = this.find(host, port);
      if (found && found !== row.shard) return found;
    }
    const byReplid = this.replids.get(replidOf(row)) ?? "";
    if (byReplid && byReplid !== row.shard) return byReplid;
    const group = own(row.labels, "group") ?? ""; // of the sources cluster and sentinel
    if (this.rows.has(group) && group !== row.shard) return group;
    return named ? addressText(host, port) : "";
  }

  // Returns the id of the primary at the end of a chain of replicas; the row's own where there is none.
  root(row) {
    let shard = row.shard;
    const passed = new Set([shard]);
    for (let step = 0; step < MAX_CHAIN; step += 1) {
      const known = this.rows.get(shard);
      const above = known ? this.primary(known) : "";
      if (!above) return shard;
      if (passed.has(above)) return [...passed].sort()[0]; // they follow each other
      passed.add(above);
      shard = above;
    }
    return shard;
  }

  // Returns the replicas that a primary's whole INFO lists: `{address, shard, state, lag, offset}`.
  replicas(info) {
    return Object.keys(info)
      .filter((name) => REPLICA.test(name) && info[name] && typeof info[name] === "object" && !Array.isArray(info[name]))
      .map((name) => {
        const { ip = "", port = "", state, lag, offset } = info[name];
        return {
          address: addressText(String(ip), port),
          shard: this.find(String(ip), port),
          state: typeof state === "string" ? state : "",
          lag: Number.isInteger(lag) ? lag : null,
          offset: Number.isInteger(offset) ? offset : null,
        };
      });
  }
}

// Returns host and port of `host:port`, `[IPv6]:port` or a URL; null where it is none.
export function splitAddress(text) {
  if (!addresses.has(text)) {
    if (addresses.size > 50_000) addresses.clear();
    const found = ADDRESS.exec(text);
    addresses.set(text, found ? [found[1].toLowerCase(), found[2]] : null);
  }
  return addresses.get(text);
}

export function addressText(host, port) {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

const key = (host, port) => `${host} ${port}`;

function replidOf(row) {
  const found = own(row.info, "master_replid");
  return typeof found !== "string" || /^0*$/.test(found) ? "" : found;
}

function setDefault(map, name, value) {
  if (!map.has(name)) map.set(name, value);
}
