// The last minutes of the shards that are visible, for sparklines: from the daemon's history, and
// continued by the values of the stream.

const MAX_SHARDS = 400; // whose series are in memory
const MAX_CHARACTERS = 6000; // of the ids in a request: they are part of its address
const MAX_POINTS = 180;
const DELAY = 120; // ms for which the visible range has to stay before its history is requested

export class Recent {
  // `names`: returns the series that are shown. `quantityOf`: returns the quantity of a series.
  constructor({ api, store, names, quantityOf, onChange }) {
    Object.assign(this, { api, store, names, quantityOf, onChange });
    this.series = new Map(); // by id: by name: {values, version}
    this.asked = new Set(); // ids
    this.step = 5;
    this.newest = 0; // wall time of the last value
    this.version = 0;
    this.available = true;
  }

  // Returns the series of a shard, or null.
  of(name, row) {
    return this.series.get(row.shard)?.[name] ?? null;
  }

  // Has the history of the visible rows read, after the table has come to rest.
  show(rows) {
    this.visible = rows;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.read(), DELAY);
  }

  close() {
    clearTimeout(this.timer);
    this.running?.abort();
  }

  async read() {
    const names = this.names();
    const lacking = (this.visible ?? []).map((row) => row.shard).filter((id) => !this.asked.has(id));
    if (!this.available || !names.length || !lacking.length) return;
    this.running = new AbortController();
    for (const ids of batches(lacking)) {
      for (const id of ids) this.asked.add(id);
      try {
        await this.take(ids, names);
      } catch (error) {
        if (error.name === "AbortError") return;
        for (const id of ids) this.asked.delete(id);
        if ([403, 404].includes(error.status)) this.available = false; // an older daemon, or no right
        return;
      }
    }
    this.forget();
    this.onChange();
  }

  async take(ids, names) {
    const parameters = [...ids.map((id) => ["shard_ids", id]), ...names.map((name) => ["fields", name])];
    const { data } = await this.api.json("api/v1/history", parameters, { signal: this.running.signal });
    this.step = data.step;
    this.newest = Math.max(this.newest, data.newest ?? 0);
    this.version += 1;
    data.ids.forEach((id, at) => {
      const found = {};
      for (const name of names) {
        const values = data.fields?.[name]?.[at] ?? []; // null: it never had a value
        found[name] = { values: values.slice(-MAX_POINTS), version: this.version };
      }
      this.series.set(id, found);
    });
  }

  // Adds the present values once per step.
  extend() {
    const now = this.store.now();
    if (!this.store.feed.fresh || now < this.newest + this.step) return;
    const gap = Math.min(MAX_POINTS, Math.floor((now - this.newest) / this.step) - 1);
    this.newest = this.newest ? this.newest + (gap + 1) * this.step : now;
    this.version += 1;
    for (const [id, found] of this.series) {
      const row = this.store.rows.get(id);
      for (const [name, series] of Object.entries(found)) {
        const value = row?.current ? (this.quantityOf(name)?.value(row) ?? null) : null;
        const values = [...series.values, ...Array(Math.max(0, gap)).fill(null), value];
        found[name] = { values: values.slice(-MAX_POINTS), version: this.version };
      }
    }
  }

  // Forgets the shards that were requested first, except the visible ones.
  forget() {
    const visible = new Set(this.visible.map((row) => row.shard));
    for (const id of this.asked) {
      if (this.asked.size <= MAX_SHARDS) return;
      if (visible.has(id)) continue;
      this.asked.delete(id);
      this.series.delete(id);
    }
  }

  // Forgets all: after a pause the series would have gaps that the daemon's history has not.
  clear() {
    this.asked.clear();
    this.series.clear();
    this.read();
  }
}

function batches(ids) {
  const found = [];
  let [batch, size] = [[], 0];
  for (const id of ids) {
    size += id.length + 12;
    if (batch.length && (size > MAX_CHARACTERS || batch.length >= 100)) {
      found.push(batch);
      [batch, size] = [[], id.length + 12];
    }
    batch.push(id);
  }
  return batch.length ? [...found, batch] : found;
}
