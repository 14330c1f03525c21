// The names of fields and labels that the shards have, for suggestions and the choice of columns.

export class KnownNames {
  constructor({ api, definitions, store }) {
    Object.assign(this, { api, definitions, store });
    this.labels = [];
    this.longest = 0; // characters of the longest id
    this.shards = 0;
  }

  // Finds the labels again if the number of shards has changed; returns whether it has.
  refresh() {
    const { rows, feed } = this.store;
    if (!feed.ever || this.shards === rows.size) return false;
    this.shards = rows.size;
    const found = new Set();
    this.longest = 0;
    for (const row of rows.values()) {
      for (const label in row.labels) found.add(label);
      this.longest = Math.max(this.longest, row.shard.length);
    }
    this.labels = [...found].sort();
    return true;
  }

  // Resolves to the names of the fields of INFO of a primary and of a replica, and those that are
  // read for all shards.
  async fields() {
    this.reading ??= this.read();
    const found = new Set(await this.reading);
    for (const row of this.store.rows.values()) for (const field in row.info) found.add(field);
    return [...found].sort();
  }

  async read() {
    const current = [...this.store.rows.values()].filter((row) => row.current);
    const replica = current.find((row) => row.role === "slave");
    const primary = current.find((row) => row.role !== "slave");
    const ids = [replica, primary].filter(Boolean).map((row) => ["shard_ids", row.shard]);
    if (!ids.length || !this.definitions.allows("get_infos")) return this.later();
    try {
      const { data } = await this.api.json("api/v1/infos", ids);
      return data.flatMap((info) => Object.keys(info)).filter((name) => name !== "meta");
    } catch {
      return this.later();
    }
  }

  later() {
    this.reading = null;
    return [];
  }
}
