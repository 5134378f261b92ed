// The page's shell: the stream of events, logging in and out, drains. What is shown is decided in dashboard-figures.js.

import { Chart, drawRing } from "./dashboard-drawings.js";
import { Track, bottleneck, clock, digits, duration } from "./dashboard-figures.js";
import { Log, byId, levelOf, setText, show, showNodes, showPlan, showStages, showTiles } from "./dashboard-views.js";

/** The coordinator sends something each second; after this long without it the connection counts as lost. */
const silenceLimitMs = 4000;
/** Between two attempts to connect. */
const pausesMs = [250, 500, 1000, 2000];
/** Longer than a message of the coordinator can be: the status of a thousand nodes has some 2 MB. */
const longestMessage = 32 << 20;

const track = new Track();
const log = new Log();
const charts = {
  throughput: new Chart(byId("throughput-chart"), [{ key: "items", name: "done", style: "one", isFilled: true }], "items/s"),
  latency: new Chart(byId("latency-chart"), [{ key: "p50", name: "half of them", style: "one" }, { key: "p99", name: "99 %", style: "two" }], "ms"),
};
let status = null;
let who = { role: "anyone", can_drain: false };
/** When the figures that are shown came, on this browser's clock. */
let freshAt = null;
let lostAt = null;
let failures = 0;
let lastEvent = 0;
let wake = () => {};

// --- The stream ---

class Refused extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

async function problem(response) {
  try {
    return (await response.json()).error ?? response.statusText;
  } catch {
    return response.statusText;
  }
}

/** Reads events until the stream ends, in one way or another. */
async function listen() {
  const abort = new AbortController();
  let heardAt = performance.now();
  const watch = setInterval(() => {
    if (performance.now() - heardAt > silenceLimitMs) abort.abort();
  }, 500);
  try {
    const response = await fetch("events", { headers: { Accept: "text/event-stream" }, cache: "no-store", signal: abort.signal });
    if (!response.ok) throw new Refused(response.status, await problem(response));
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    for (let rest = ""; ;) {
      const { value, done } = await reader.read();
      if (done) return;
      heardAt = performance.now();
      const messages = (rest + value).split("\n\n");
      rest = messages.pop();
      if (rest.length > longestMessage) throw new Error("a message has no end");
      messages.forEach(hear);
    }
  } finally {
    clearInterval(watch);
    abort.abort();
  }
}

function hear(message) {
  let name = "message";
  const data = [];
  for (const line of message.split("\n")) {
    if (line.startsWith("event:")) name = line.slice(6).trim();
    else if (line.startsWith("data:")) data.push(line.slice(5));
  }
  // A comment only says that the coordinator is there.
  if (data.length === 0) return;
  const value = JSON.parse(data.join("\n"));
  if (name === "status") statusCame(value);
  else if (name === "history") {
    happened(value);
  } else if (name === "who") whoCame(value);
}

/** Events are numbered, `last` is the newest one's: what was heard already is left out. */
function happened({ events, last, recent }) {
  const newCount = recent ? events.length : Math.max(0, Math.min(events.length, last - lastEvent));
  lastEvent = last;
  log.add(events.slice(events.length - newCount), recent === true);
  log.draw(status, Date.now());
}

async function follow() {
  for (;;) {
    try {
      await listen();
      failed(null);
    } catch (error) {
      failed(error);
    }
    const pause = pausesMs[Math.min(failures, pausesMs.length - 1)];
    failures += 1;
    await new Promise((resolve) => {
      wake = resolve;
      setTimeout(resolve, byId("login").hidden ? pause : 3_600_000);
    });
  }
}

function failed(error) {
  if (error instanceof Refused && (error.code === 401 || error.code === 403)) {
    const isTold = error.code === 401;
    status = null;
    lostAt = null;
    show(byId("main"), false);
    showBanner();
    setPill(isTold ? "Log in to see the cluster" : "Refused", isTold ? "unknown" : "bad");
    askForToken(isTold ? "This coordinator shows its state to those who have a token." : error.message, false);
    return;
  }
  lostAt ??= Date.now();
  lost = error instanceof Refused ? `The coordinator refuses (${error.code}): ${error.message}` : "Connection lost";
  showBanner();
}

let lost = "Connection lost";

function showBanner() {
  const banner = byId("banner");
  const isOld = lostAt !== null;
  document.body.classList.toggle("old", isOld && freshAt !== null);
  show(banner, isOld);
  if (!isOld) return;
  const age = freshAt === null ? "Nothing has been shown yet." : `The figures are from ${clock(freshAt)}, ${duration(Math.floor((Date.now() - freshAt) / 1000) * 1000)} ago.`;
  setText(banner, `⚠ ${lost}, reconnecting. ${age}`);
  setText(byId("live"), "");
  document.title = "✕ AMP4EC: connection lost";
}

function setPill(text, level) {
  setText(byId("state"), text);
  byId("state").dataset.level = level;
}

// --- What came ---

function statusCame(value) {
  const now = Date.now();
  if (lostAt !== null) {
    track.gap(now);
    lostAt = null;
    showBanner();
  }
  failures = 0;
  freshAt = now;
  status = value;
  hideLogin();
  show(byId("main"), true);
  const rates = track.add(value, now);
  draw(rates, now);
}

function draw(rates, now) {
  const stages = status.plan?.stages ?? [];
  const names = { serving: ["● Serving", "good"], waiting: ["◌ Waiting", "warn"], draining: ["↓ Shutting down", "warn"] };
  setPill(...(names[status.state] ?? [status.state, "unknown"]));
  setText(byId("model"), status.model?.name ?? "");
  byId("model").title = status.model ? `${status.model.inputs.join(", ")} → ${status.model.outputs.join(", ")}; SHA-256 ${status.model.digest}` : "";
  setText(byId("live"), `live · ${clock(now)}`);
  document.title = status.state === "serving" ? `${rates.items > 0 ? `${digits(rates.items)}/s · ` : ""}AMP4EC ${status.model?.name ?? ""}` : `◌ AMP4EC: ${status.state}`;
  showWaiting();
  showTiles(status, rates);
  show(byId("pipeline"), stages.length > 0);
  if (stages.length > 0) {
    const slowest = bottleneck(stages);
    const places = [["coordinator"], ...stages.map((stage) => stage.replicas), ["coordinator"]];
    const hops = places.slice(1).map((to, index) => rates.link(places[index], to));
    const nodes = new Map(status.nodes.map((node) => [node.name, node]));
    const busyOf = (stage) => {
      const shares = stage.replicas.map(rates.busy).filter((share) => share !== null);
      return shares.length > 0 ? shares.reduce((sum, share) => sum + share, 0) / shares.length : null;
    };
    const levelOfStage = (stage) => {
      const levels = stage.replicas.map((name) => levelOf(nodes.get(name)));
      return ["bad", "warn", "busy", "off"].find((level) => levels.includes(level)) ?? "good";
    };
    drawRing(byId("ring"), stages, { hops, busy: busyOf, level: levelOfStage, slowest, rates, microBatch: status.plan.micro_batch });
    showStages(status, rates, slowest, hops);
    const count = stages.length === 1 ? "1 stage" : `${stages.length} stages`;
    setText(byId("plan-summary"), `plan ${status.plan.generation} · ${count} · micro-batches of ${status.plan.micro_batch} · ${digits(status.plan.predicted_latency_ms)} ms for one alone${status.cause ? ` · ${status.cause}` : ""}`);
  }
  drawNodes();
  showPlan(status, rates);
  const predicted = status.plan?.corrected_items_per_second ?? status.plan?.predicted_items_per_second;
  charts.throughput.show(track.points, now, predicted > 0 ? { value: predicted, name: "plan" } : null);
  charts.latency.show(track.points, now);
  log.draw(status, now);
}

function showWaiting() {
  const isWaiting = !status.plan;
  show(byId("waiting"), isWaiting);
  if (!isWaiting) return;
  const isFree = status.nodes.length === 0;
  setText(byId("waiting-heading"), !status.model ? "Waiting: the model is being analysed" : isFree ? "Waiting for workers" : "Waiting for a plan");
  setText(byId("waiting-why"), status.model ? (status.cause ?? "") : "It is measured layer by layer, which takes seconds, for large models minutes.");
  setText(byId("waiting-help"), isFree
    ? "Start workers with amp4ec-worker --coordinator and this coordinator’s address, or name them with --workers or --topology."
    : "This page changes by itself as soon as a plan serves.");
}

function drawNodes() {
  if (!status) return;
  showNodes(status, { canDrain: who.can_drain === true, onDrain: askToDrain, filter: byId("filter").value });
}

// --- Who is here ---

function whoCame(value) {
  who = value;
  const isKnown = who.role !== "anyone";
  setText(byId("who"), isKnown ? `${who.role}${who.label ? `: ${who.label}` : ""}` : "");
  show(byId("logout"), isKnown);
  show(byId("login-open"), who.can_log_in === true && who.role !== "operator");
  show(byId("drain-note"), !who.can_drain);
  setText(byId("drain-note"), who.can_drain ? "" : `Nodes cannot be drained here: ${who.reason ?? "that takes an operator's token"}.`);
  setText(byId("version"), who.version ? `AMP4EC ${who.version}` : "");
  drawNodes();
}

async function post(path, value) {
  const response = await fetch(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(value), cache: "no-store" });
  if (!response.ok) throw new Refused(response.status, await problem(response));
  return response.json();
}

function askForToken(why, canCancel) {
  setText(byId("login-why"), why);
  show(byId("login-cancel"), canCancel);
  if (byId("login").hidden) {
    show(byId("login"), true);
    byId("token").focus();
  }
}

function hideLogin() {
  if (byId("login-cancel").hidden) show(byId("login"), false);
}

byId("login-open").addEventListener("click", () => askForToken("With an operator’s token nodes can be drained.", true));
byId("login-cancel").addEventListener("click", () => show(byId("login"), false));
byId("login-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const error = byId("login-error");
  show(error, false);
  try {
    await post("login", { token: byId("token").value.trim() });
    byId("token").value = "";
    location.reload();
  } catch (failure) {
    setText(error, failure instanceof Refused ? failure.message : "The coordinator does not answer.");
    show(error, true);
    byId("token").select();
  }
});
byId("logout").addEventListener("click", async () => {
  try {
    await post("logout", {});
  } finally {
    location.reload();
  }
});

// --- Drains ---

function askToDrain(node) {
  const dialog = byId("drain");
  const isOut = node.state === "draining" || node.state === "drained";
  setText(byId("drain-heading"), isOut ? `Take ${node.name} back?` : `Drain ${node.name}?`);
  setText(byId("drain-text"), isOut ? "It takes part in the next plan." : "It serves until a plan without it does, and no request is lost. Its process stays up, out of service, until it is taken back or started again.");
  setText(byId("drain-yes"), isOut ? "Take back" : "Drain");
  show(byId("force-label"), !isOut);
  byId("force").checked = false;
  dialog.returnValue = "";
  dialog.onclose = () => {
    if (dialog.returnValue === "yes") drain(node.name, isOut, byId("force").checked);
  };
  dialog.showModal();
}

async function drain(name, undo, force) {
  const result = byId("drain-result");
  const tell = (text, level) => {
    result.dataset.level = level;
    setText(result, text);
    show(result, true);
  };
  tell(undo ? `${name} is taken back …` : `Waiting until nothing runs on ${name} …`, "busy");
  try {
    const answer = await post(`nodes/${encodeURIComponent(name)}/drain`, undo ? { undo } : { force });
    tell(`✓ ${answer.outcome}`, "good");
  } catch (failure) {
    tell(`✕ ${failure instanceof Refused ? failure.message : "The coordinator does not answer; look at the node’s state."}`, "bad");
  }
}

// --- Always ---

byId("filter").addEventListener("input", drawNodes);
byId("important").addEventListener("change", (event) => byId("log").classList.toggle("filtered", event.target.checked));
setInterval(() => {
  if (lostAt !== null) showBanner();
}, 1000);
for (const name of ["online", "visibilitychange"]) {
  addEventListener(name, () => {
    failures = 0;
    wake();
  });
}
follow();
