// Values: what is shown is computed here from one status after the other. Nothing of the document, no clock of its own.

const unitsOfBytes = ["B", "kB", "MB", "GB", "TB"];

/** Three digits that matter: 1.23, 12.3, 123. */
export function digits(value) {
  if (!Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  if (size >= 1000) return Math.round(value).toLocaleString("en-US");
  return size >= 100 ? value.toFixed(0) : size >= 10 ? value.toFixed(1) : size === 0 ? "0" : value.toFixed(2);
}

export const count = (value) => (Number.isFinite(value) ? value.toLocaleString("en-US") : "–");

export function bytes(value) {
  if (!Number.isFinite(value)) return "–";
  let unit = 0;
  while (value >= 1000 && unit < unitsOfBytes.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit === 0 ? Math.round(value) : digits(value)} ${unitsOfBytes[unit]}`;
}

export const bytesPerSecond = (value) => `${bytes(value)}/s`;

export const percent = (share) => (Number.isFinite(share) ? `${share > 0 && share < 0.0995 ? (share * 100).toFixed(1) : Math.round(share * 100)} %` : "–");

export function duration(ms) {
  if (!Number.isFinite(ms)) return "–";
  if (ms < 1000) return `${digits(ms)} ms`;
  const seconds = Math.floor(ms / 1000);
  const two = (first, unit, second, other) => (second > 0 ? `${first} ${unit} ${second} ${other}` : `${first} ${unit}`);
  if (seconds < 60) return ms % 1000 === 0 ? `${seconds} s` : `${(ms / 1000).toFixed(1)} s`;
  if (seconds < 3600) return two(Math.floor(seconds / 60), "min", seconds % 60, "s");
  return two(Math.floor(seconds / 3600), "h", Math.floor((seconds % 3600) / 60), "min");
}

export function clock(ms, withMs = false) {
  const date = new Date(ms);
  const two = (number) => String(number).padStart(2, "0");
  const text = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  return withMs ? `${text}.${String(date.getMilliseconds()).padStart(3, "0")}` : text;
}

/** Of another day, the day too. */
export function moment(ms, nowMs) {
  const date = new Date(ms);
  const isToday = date.toDateString() === new Date(nowMs).toDateString();
  return isToday ? clock(ms, true) : `${date.toLocaleDateString("en-CA")} ${clock(ms)}`;
}

// --- Requests ---

/** The upper bounds of the buckets of `request_latency`, in seconds. */
const bounds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

/** Milliseconds within which the share `q` of the requests was answered; in a bucket they are taken to lie evenly. `null` for none. */
export function quantile(buckets, total, q) {
  if (!(total > 0)) return null;
  const wanted = q * total;
  let below = 0;
  for (let index = 0; index < bounds.length; index += 1) {
    const here = buckets[index] ?? 0;
    if (here > 0 && below + here >= wanted) {
      const from = index === 0 ? 0 : bounds[index - 1];
      return 1000 * (from + ((bounds[index] - from) * (wanted - below)) / here);
    }
    below += here;
  }
  return 60_000;
}

/** What became of every request that was admitted since the coordinator's start. */
export function balance(status) {
  const counters = status.counters;
  const answered = counters.requests_completed + counters.requests_cached;
  const open = status.requests_unanswered ?? status.requests_in_flight;
  const sum = answered + counters.requests_failed + counters.requests_cancelled + open;
  const admitted = counters.requests_admitted;
  return {
    answered, open, admitted, failed: counters.requests_failed, cancelled: counters.requests_cancelled,
    refused: counters.requests_rejected, lost: admitted === undefined ? null : admitted - sum,
  };
}

// --- Rates ---

const pair = (from, to) => `${from}\n${to}`;

function frame(status, atMs) {
  const links = new Map();
  for (const link of status.links) links.set(pair(link.from, link.to), link);
  const computeMs = new Map(status.nodes.map((node) => [node.name, node.timing?.compute_ms ?? 0]));
  const items = status.request_times?.items;
  return { atMs, items, counters: status.counters, latency: status.request_latency, links, computeMs };
}

/**
 * Differences between statuses: rates now, and their course. Throughput is taken over three seconds and all else over five, as workers tell
 * of themselves once a second and requests end in bursts.
 */
export class Track {
  constructor(limit = 600) {
    this.limit = limit;
    this.frames = [];
    this.points = [];
  }

  /** What comes next has no connection with what was. */
  gap(atMs) {
    this.frames = [];
    if (this.points.length > 0) this.points.push({ atMs, items: null, p50: null, p99: null });
  }

  add(status, atMs) {
    const now = frame(status, atMs);
    const last = this.frames.at(-1);
    const fell = (name) => (now.counters[name] ?? 0) < (last.counters[name] ?? 0);
    if (last && (["requests_completed", "micro_batches_dispatched", "plans"].some(fell) || now.latency.count < last.latency.count)) this.gap(atMs);
    this.frames.push(now);
    while (this.frames.length > 2 && this.frames[1].atMs <= atMs - 5000) this.frames.shift();
    const rates = this.rates();
    this.points.push({ atMs, items: rates.items, p50: rates.p50, p99: rates.p99 });
    if (this.points.length > this.limit) this.points.splice(0, this.points.length - this.limit);
    return rates;
  }

  since(ms) {
    const now = this.frames.at(-1);
    return this.frames.find((frame) => frame.atMs >= now.atMs - ms - 500) ?? now;
  }

  rates() {
    const now = this.frames.at(-1);
    const none = { items: null, requests: null, p50: null, p99: null, mean: null, link: () => null, busy: () => null };
    const [recent, earlier] = [this.since(3000), this.since(5000)];
    const [short, long] = [(now.atMs - recent.atMs) / 1000, (now.atMs - earlier.atMs) / 1000];
    if (!(short > 0)) return none;
    const counted = (name) => ((now.counters[name] ?? 0) - (recent.counters[name] ?? 0)) / short;
    const done = now.latency.count - earlier.latency.count;
    const buckets = now.latency.buckets.map((value, index) => value - (earlier.latency.buckets[index] ?? 0));
    return {
      items: now.items === undefined || recent.items === undefined ? null : (now.items - recent.items) / short,
      requests: counted("requests_completed") + counted("requests_cached"),
      p50: quantile(buckets, done, 0.5),
      p99: quantile(buckets, done, 0.99),
      mean: done > 0 ? (1000 * (now.latency.sum_seconds - earlier.latency.sum_seconds)) / done : null,
      /** Bytes a second from any of `from` to any of `to`, and what of the raw bytes was sent. */
      link: (from, to) => {
        const sum = { wire: 0, raw: 0, bandwidth: 0, isUp: true, isKnown: false, share: 0 };
        for (const one of from) {
          for (const other of to) {
            const link = now.links.get(pair(one, other));
            if (!link) continue;
            const before = earlier.links.get(pair(one, other));
            // A worker that was started again counts from nothing.
            const base = before && before.wire_bytes <= link.wire_bytes ? before : link;
            sum.isKnown = true;
            sum.wire += (link.wire_bytes - base.wire_bytes) / long;
            sum.raw += (link.raw_bytes - base.raw_bytes) / long;
            sum.bandwidth += link.bandwidth_bytes_per_second;
            sum.share = Math.max(sum.share, link.compressed_share);
            sum.isUp = sum.isUp && link.connected;
          }
        }
        return sum.isKnown ? sum : null;
      },
      /** The share of the time in which the node computed. */
      busy: (node) => {
        const [last, before] = [now.computeMs.get(node), earlier.computeMs.get(node)];
        if (last === undefined || before === undefined || last < before) return null;
        return Math.min(1, (last - before) / (1000 * long));
      },
    };
  }
}

// --- Plans ---

export const layers = (stage) => (stage.first_layer === stage.last_layer ? `${stage.first_layer}` : `${stage.first_layer}–${stage.last_layer}`);

/** What a stage takes in time: measured by its replicas where they have, predicted where not. */
export function stageMs(stage) {
  const measured = (stage.measured_ms ?? []).filter((value) => value > 0);
  return measured.length > 0 ? measured.reduce((sum, value) => sum + value, 0) / measured.length : stage.cost;
}

/** The place of the slowest stage, by what its replicas share; `-1` for a plan of one stage. */
export function bottleneck(stages) {
  if (stages.length < 2) return -1;
  const intervals = stages.map((stage) => stageMs(stage) / Math.max(1, stage.replicas.length));
  return intervals.indexOf(Math.max(...intervals));
}

const total = (event, name) => {
  const value = Number(event.details[name]);
  return event.details[name] === undefined || !Number.isFinite(value) ? null : value;
};

/**
 * What each `plan serves` of the events (oldest first) replaced, how long that took, and what of the requests was lost, failed or sent again
 * from the plan before until the next: the totals stand in the events, and for the newest plan in the status.
 */
export function replans(events, status) {
  const found = new Map();
  const serving = events.filter((event) => event.event === "plan serves");
  let from = 0;
  serving.forEach((event, index) => {
    const at = events.indexOf(event, from);
    const between = events.slice(from, at);
    from = at + 1;
    const isTrigger = (one) => ["node is lost", "node is suspect", "node is draining", "node is ready"].includes(one.event);
    const made = between.findLast((one) => one.event === "plan is made" && one.details.generation === event.details.generation);
    const losses = between.filter((one) => isTrigger(one) && one.event !== "node is ready");
    const trigger = losses[0] ?? between.filter(isTrigger).at(-1);
    const before = serving[index - 1];
    const next = serving[index + 1];
    const isSame = (one) => one && Number(one.details.generation) < Number(event.details.generation);
    const start = (name) => (isSame(before) ? total(before, name) : 0);
    const restarted = next && !(Number(next.details.generation) > Number(event.details.generation));
    const end = (name, live) => (restarted ? total(event, name) : next ? total(next, name) : (live ?? total(event, name)));
    const change = (name, live) => {
      const [first, last] = [start(name), end(name, live)];
      return first === null || last === null ? null : Math.max(0, last - first);
    };
    const counters = status?.counters;
    found.set(event, {
      trigger, origin: made?.details.origin,
      ms: event.time_ms - (trigger ?? made ?? event).time_ms,
      lost: change("requests_lost", status?.requests_lost),
      failed: change("requests_failed", counters?.requests_failed),
      again: change("micro_batches_replayed", counters?.micro_batches_replayed),
    });
  });
  return found;
}
