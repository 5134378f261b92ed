// What of the document shows which figure. Every text from outside goes in as text (`textContent`, `append`), never as markup.

import * as figures from "./dashboard-figures.js";

export const byId = (id) => document.getElementById(id);

/** Only what differs is written: whoever has selected a text, or has it read aloud, is left alone. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export function show(element, isShown) {
  if (element.hidden === isShown) element.hidden = !isShown;
}

export function make(name, className, ...children) {
  const element = document.createElement(name);
  if (className) element.className = className;
  element.append(...children);
  return element;
}

/** Signs beside the colours: what is meant is said without them. */
const signs = { ready: "●", joining: "◌", suspect: "?", lost: "✕", draining: "↓", drained: "■" };
const levels = { ready: "good", joining: "busy", suspect: "warn", lost: "bad", draining: "busy", drained: "off" };

export const levelOf = (node) => (node ? (levels[node.state] ?? "off") : "bad");

function sign(level, text) {
  const element = make("span", `sign ${level}`, text);
  element.setAttribute("aria-hidden", "true");
  return element;
}

function bar(share, isHigh) {
  const fill = make("i", isHigh ? "high" : "");
  fill.style.width = `${Math.max(0, Math.min(1, share || 0)) * 100}%`;
  const whole = make("span", "bar", fill);
  whole.setAttribute("aria-hidden", "true");
  return whole;
}

/** Makes anew what an element holds where it was made of something else. */
function remake(element, value, build) {
  const signature = JSON.stringify(value);
  if (element.made === signature) return;
  element.made = signature;
  element.replaceChildren(...build());
}

// --- Tiles ---

export function showTiles(status, rates) {
  setText(byId("throughput"), rates.items === null ? "–" : `${figures.digits(rates.items)}`);
  setText(byId("throughput-note"), rates.requests === null ? "items/s" : `items/s in ${figures.digits(rates.requests)} requests/s`);
  setText(byId("latency"), rates.p50 === null ? "–" : `${figures.digits(rates.p50)} ms`);
  setText(byId("latency-note"), rates.p50 === null ? "no request was answered just now"
    : `half are quicker; 99 %: ${rates.p99 >= 60_000 ? "over 60 s" : `${figures.digits(rates.p99)} ms`}; mean ${figures.digits(rates.mean)} ms`);
  setText(byId("in-flight"), figures.count(status.requests_in_flight));
  setText(byId("in-flight-note"), `requests; ${figures.count(status.micro_batches_in_flight)} micro-batches, ${figures.bytes(status.held_bytes)} held`);
  const sum = figures.balance(status);
  const isKnown = sum.lost !== null;
  setText(byId("lost"), isKnown ? figures.count(sum.lost) : "–");
  byId("lost-tile").dataset.level = sum.lost > 0 ? "bad" : sum.failed > 0 ? "warn" : "good";
  const failed = sum.failed > 0 ? `⚠ ${figures.count(sum.failed)} failed` : "0 failed";
  setText(byId("lost-note"), isKnown
    ? `of ${figures.count(sum.admitted)} admitted: ${figures.count(sum.answered)} answered, ${failed}, ${figures.count(sum.cancelled)} cancelled, ${figures.count(sum.open)} open`
    : `${figures.count(sum.answered)} answered, ${failed}`);
}

// --- Stages ---

export function showStages(status, rates, slowest, hops) {
  const nodes = new Map(status.nodes.map((node) => [node.name, node]));
  const list = byId("stages");
  const stages = status.plan.stages;
  const longest = Math.max(...stages.map(figures.stageMs));
  const rows = [];
  const hopRow = (index, name, inputBytes) => {
    const hop = hops[index];
    const saved = hop && hop.raw > 0 ? 1 - hop.wire / hop.raw : 0;
    const facts = [inputBytes === null ? null : `${figures.bytes(inputBytes)} each`];
    if (!hop) facts.push("no figures yet");
    else {
      if (!hop.isUp) facts.push("✕ not connected");
      facts.push(figures.bytesPerSecond(hop.wire), hop.bandwidth > 0 ? `link carries ${figures.bytesPerSecond(hop.bandwidth)}` : null);
      facts.push(`${figures.percent(hop.share)} of messages compressed${saved > 0.0005 ? `, ${figures.percent(saved)} saved` : ""}`);
    }
    return make("li", `hop-row ${hop && !hop.isUp ? "bad" : ""}`, sign("busy", "↓"), make("span", "", `${name}: ${facts.filter(Boolean).join(" · ")}`));
  };
  stages.forEach((stage, index) => {
    rows.push(hopRow(index, index === 0 ? "from the coordinator" : `to stage ${index + 1}`, stage.input_bytes));
    const head = make("p", "stage-head", make("b", "stage-number", String(index + 1)));
    for (const name of stage.replicas.slice(0, 8)) {
      const node = nodes.get(name);
      head.append(make("span", "replica", sign(levelOf(node), signs[node?.state] ?? "✕"), ` ${name}`, make("span", "hidden-text", ` (${node?.state ?? "not known"})`)));
    }
    if (stage.replicas.length > 8) head.append(make("span", "quiet", `and ${stage.replicas.length - 8} more`));
    if (index === slowest) head.append(make("span", "tag", "▲ slowest"));
    const measured = (stage.measured_ms ?? []).filter((value) => value > 0).sort((one, other) => one - other).map(figures.digits);
    const range = measured.length < 4 ? measured.join(", ") : `${measured[0]} to ${measured.at(-1)}`;
    const times = measured.length > 0 ? `measured ${range} ms, predicted ${figures.digits(stage.cost)} ms` : `predicted ${figures.digits(stage.cost)} ms`;
    const shares = stage.replicas.map((name) => rates.busy(name)).filter((value) => value !== null);
    const busy = shares.length > 0 ? ` · busy ${figures.percent(shares.reduce((sum, value) => sum + value, 0) / shares.length)}` : "";
    const size = stage.last_layer - stage.first_layer + 1;
    rows.push(make("li", "stage-row", head,
      make("p", "quiet", `layers ${figures.layers(stage)} (${size}) · weights ${figures.bytes(stage.parameter_bytes)}`),
      make("div", "stage-time", bar(figures.stageMs(stage) / longest, index === slowest), make("span", "quiet", `${times}${busy}`))));
  });
  rows.push(hopRow(stages.length, "back to the coordinator", null));
  list.replaceChildren(...rows);
  const left = status.nodes.filter((node) => node.unused);
  const unused = byId("unused");
  show(unused, left.length > 0);
  setText(unused, left.length > 5 ? `Ready and in no stage: ${left.map((node) => node.name).join(", ")}` : left.map((node) => `${node.name} is in no stage: ${node.unused}`).join(" · "));
}

// --- Nodes ---

const rows = new Map();

function newRow(node, onDrain) {
  const cell = (label) => {
    const element = make("td", "");
    element.dataset.label = label;
    return element;
  };
  const row = make("tr", "");
  const name = make("th", "");
  name.scope = "row";
  const parts = { row, name, state: cell("State"), layers: cell("Layers"), cpu: cell("CPU"), memory: cell("Memory"), work: cell("Micro-batches"), beat: cell("Heartbeat"), action: cell("Action") };
  parts.button = make("button", "drain");
  parts.button.type = "button";
  parts.button.addEventListener("click", () => onDrain(parts.node));
  parts.action.append(parts.button);
  row.append(name, parts.state, parts.layers, parts.cpu, parts.memory, parts.work, parts.beat, parts.action);
  return parts;
}

const two = (first, second, level = "") => [make("span", `first ${level}`, first), ...(second ? [make("span", "second", second)] : [])];

function meter(used, limit, text, more) {
  const share = limit > 0 ? used / limit : 0;
  return [make("span", "first", bar(share, share > 0.9), ` ${text}`), ...(more ? [make("span", "second", more)] : [])];
}

function fill(parts, node, places, canDrain) {
  parts.node = node;
  const isThere = node.network !== undefined;
  const isOld = node.heartbeat_age_ms > 2500;
  remake(parts.name, [node.name, node.address], () => two(node.name, node.address));
  const cause = node.cause && node.cause !== "answering" ? node.cause : (node.unused ?? "");
  remake(parts.state, [node.state, cause], () => [
    make("span", "first", sign(levelOf(node), signs[node.state] ?? "?"), ` ${node.state}`), ...(cause ? [make("span", "second", cause)] : [])]);
  remake(parts.layers, [places, node.pinned_stage], () => two(places.length > 0 ? places.join(", ") : "none", node.pinned_stage === undefined ? "" : `pinned to stage ${node.pinned_stage + 1}`));
  const throttled = node.cpu.throttled_share > 0.005 ? ` · ⚠ throttled ${figures.percent(node.cpu.throttled_share)}` : "";
  remake(parts.cpu, [isThere, node.cpu], () => (isThere
    ? meter(node.cpu.used_cores, node.cpu.quota_cores, `${figures.digits(node.cpu.used_cores)} of ${figures.digits(node.cpu.quota_cores)}`, `worker ${figures.digits(node.cpu.process_cores)}${throttled}`) : ["–"]));
  remake(parts.memory, [isThere, node.memory], () => (isThere
    ? meter(node.memory.used_bytes, node.memory.limit_bytes, `${figures.bytes(node.memory.used_bytes)} of ${figures.bytes(node.memory.limit_bytes)}`, `worker ${figures.bytes(node.memory.process_bytes)}`) : ["–"]));
  remake(parts.work, [isThere, node.executing, node.queued, node.completed], () => (isThere
    ? two(`${node.executing} running · ${node.queued} queued`, `${figures.count(node.completed)} done`) : ["–"]));
  const age = node.heartbeat_age_ms === undefined ? "–" : `${figures.duration(Math.round(node.heartbeat_age_ms / 100) * 100)} ago`;
  remake(parts.beat, [age, isOld, node.round_trip_ms], () => two(`${isOld ? "⚠ " : ""}${age}`, isThere && node.round_trip_ms !== undefined ? `round trip ${figures.digits(node.round_trip_ms)} ms` : "", isOld ? "warn" : ""));
  const isOut = node.state === "draining" || node.state === "drained";
  show(parts.action, canDrain);
  setText(parts.button, isOut ? "Take back" : "Drain");
  const purpose = `${isOut ? "Take back" : "Drain"} ${node.name}`;
  if (parts.button.getAttribute("aria-label") !== purpose) parts.button.setAttribute("aria-label", purpose);
}

export function showNodes(status, { canDrain, onDrain, filter }) {
  const body = byId("nodes");
  const stages = status.plan?.stages ?? [];
  const wanted = filter.trim().toLowerCase();
  const isMany = status.nodes.length > 8;
  const all = isMany ? [...status.nodes].sort((one, other) => (one.state === "ready") - (other.state === "ready")) : status.nodes;
  const shown = all.filter((node) => !wanted || `${node.name} ${node.address} ${node.state}`.toLowerCase().includes(wanted));
  const names = new Set(shown.map((node) => node.name));
  for (const [name, parts] of rows) {
    if (names.has(name)) continue;
    parts.row.remove();
    rows.delete(name);
  }
  shown.forEach((node, index) => {
    if (!rows.has(node.name)) rows.set(node.name, newRow(node, onDrain));
    const parts = rows.get(node.name);
    fill(parts, node, stages.filter((stage) => stage.replicas.includes(node.name)).map(figures.layers), canDrain);
    if (body.children[index] !== parts.row) body.insertBefore(parts.row, body.children[index] ?? null);
  });
  const counts = new Map();
  for (const node of status.nodes) counts.set(node.state, (counts.get(node.state) ?? 0) + 1);
  remake(byId("nodes-summary"), [...counts], () => [...counts].map(([state, number]) => make("span", `chip ${levels[state] ?? "off"}`, `${signs[state] ?? "?"} ${number} ${state}`)));
  show(byId("action-head"), canDrain);
  show(byId("filter-label"), isMany);
  const none = byId("no-nodes");
  show(none, shown.length === 0);
  setText(none, status.nodes.length === 0 ? "No worker is known yet." : "No node is called so.");
}

// --- Plan ---

const together = (names) => (names.length > 3 ? `${names[0]} and ${names.length - 1} more` : names.join("+"));

const route = (stages) => stages.map((stage) => `${together(stage.replicas)} ${figures.layers(stage)}`).join(" → ");

function standbyRow(one) {
  const isPossible = one.stages.length > 0;
  const [level, text] = isPossible && one.staged ? ["good", "✓"] : isPossible ? ["warn", "◌"] : ["bad", "✕"];
  const word = !isPossible ? `no plan: ${one.cause}` : one.staged ? "loaded" : `not all loaded: ${one.cause}`;
  return make("li", "", sign(level, text), make("b", "", ` without ${one.without} `), isPossible ? `${route(one.stages)} ` : "", make("span", "quiet", word));
}

/** Those that are not ready to serve come first; beyond a few, the rest is there on demand. */
function showStandbys(standbys) {
  const isReady = (one) => one.staged && one.stages.length > 0;
  const sorted = [...standbys.filter((one) => !isReady(one)), ...standbys.filter(isReady)];
  const more = byId("standbys-more");
  remake(byId("standbys"), sorted, () => {
    more.lastChild.replaceChildren(...sorted.slice(6).map(standbyRow));
    setText(more.firstChild, `${sorted.length - 6} more, ${sorted.slice(6).filter(isReady).length} of them loaded`);
    return sorted.length > 0 ? sorted.slice(0, 6).map(standbyRow) : [make("li", "quiet", "No standby plan is made yet.")];
  });
  show(more, sorted.length > 6);
}

export function showPlan(status, rates) {
  const plan = status.plan;
  show(byId("plan-body"), Boolean(plan));
  show(byId("no-plan"), !plan);
  if (!plan) return setText(byId("no-plan"), status.cause ? `No plan serves: ${status.cause}.` : "No plan serves.");
  const levels = [["predicted", plan.predicted_items_per_second], ["corrected by measurements", plan.corrected_items_per_second], ["done now", rates.items ?? undefined]];
  const most = Math.max(1, ...levels.map(([, value]) => value ?? 0));
  byId("plan-bars").replaceChildren(...levels.map(([name, value]) => make("div", "bar-row", make("span", "quiet", name), bar((value ?? 0) / most, false),
    make("span", "number", value === undefined ? "not yet known" : `${figures.digits(value)} items/s`))));
  remake(byId("reasons"), plan.reasons, () => plan.reasons.map((reason) => make("li", "", reason)));
  showStandbys(status.standby);
}

// --- What happened ---

const keep = 300;
const icons = { info: "·", warning: "⚠", error: "✕" };

const isImportant = (event) => event.level !== "info" || event.event === "plan serves" || event.event === "connected again";

const facts = (details, leave = []) => Object.entries(details).filter(([name]) => !leave.includes(name)).map(([name, value]) => `${name.replaceAll("_", " ")}: ${value}`).join(" · ");

function sentence(event, replan) {
  const { details, node } = event;
  if (event.event === "plan serves") {
    const totals = ["generation", "stages", "deployed_in", "requests_lost", "requests_failed", "micro_batches_replayed"];
    const why = replan?.trigger ? ` after ${replan.trigger.node ?? "a node"} ${replan.trigger.event.replace("node ", "")}` : "";
    const numbers = replan && replan.lost !== null
      ? ` · lost: ${figures.count(replan.lost)} · failed: ${figures.count(replan.failed ?? 0)} · sent again: ${figures.count(replan.again ?? 0)}` : "";
    return { head: `Plan ${details.generation} serves in ${figures.duration(replan?.ms ?? NaN)}${why}`, numbers, rest: [`${details.stages} stages, loaded in ${details.deployed_in}`, facts(details, totals)].filter(Boolean).join(" · ") };
  }
  if (event.event === "plan is made") return { head: `Plan ${details.generation} is made`, rest: `${details.stages} · ${details.origin}` };
  if (node && event.event.startsWith("node ")) return { head: event.event.replace("node", node), rest: [details.cause, facts(details, ["cause"])].filter(Boolean).join(" · ") };
  return { head: node ? `${node}: ${event.event}` : event.event, rest: facts(details) };
}

/** Rows of the log by their events; the newest stands first. */
export class Log {
  constructor() {
    this.events = [];
    this.rows = new Map();
    this.list = byId("log");
  }

  add(events, isStart) {
    if (isStart) {
      this.list.setAttribute("aria-live", "off");
      this.events = [];
      this.rows.clear();
      this.list.replaceChildren();
    }
    this.events.push(...events);
    for (const event of events) {
      const row = make("li", `${event.level} ${isImportant(event) ? "important" : ""} ${event.event === "plan serves" ? "replan" : ""}`);
      this.rows.set(event, row);
      this.list.prepend(row);
    }
    for (const old of this.events.splice(0, Math.max(0, this.events.length - keep))) {
      this.rows.get(old)?.remove();
      this.rows.delete(old);
    }
    if (isStart) setTimeout(() => this.list.setAttribute("aria-live", "polite"), 500);
  }

  draw(status, nowMs) {
    const plans = figures.replans(this.events, status);
    for (const [event, row] of this.rows) {
      const { head, numbers, rest } = sentence(event, plans.get(event));
      remake(row, [head, numbers, rest], () => {
        const icon = sign("icon", event.event === "plan serves" ? "↻" : (icons[event.level] ?? "·"));
        const time = make("time", "", figures.moment(event.time_ms, nowMs));
        time.dateTime = new Date(event.time_ms).toISOString();
        const word = event.level === "info" ? "" : make("span", "hidden-text", `${event.level}: `);
        return [time, icon, make("span", "what", word, make("b", "", head), numbers ? make("span", "numbers", numbers) : "", rest ? make("span", "second", rest) : "")];
      });
    }
  }
}
