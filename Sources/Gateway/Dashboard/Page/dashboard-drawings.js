// Drawings in SVG: the ring of stages and the lines over time. Text from outside is set as text, never as markup.

import { bytesPerSecond, clock, digits, duration, layers, percent, stageMs } from "./dashboard-figures.js";

function svg(name, attributes = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

const short = (text, length) => (text.length <= length ? text : `${text.slice(0, length - 1)}…`);

// --- The ring ---

const centre = { x: 230, y: 212 };
const radius = 138;

const at = (angle, distance) => ({ x: centre.x + distance * Math.sin(angle), y: centre.y - distance * Math.cos(angle) });

const path = (from, to) => {
  const [start, end] = [at(from, radius), at(to, radius)];
  const isLong = to - from > Math.PI ? 1 : 0;
  return `M${start.x.toFixed(1)} ${start.y.toFixed(1)}A${radius} ${radius} 0 ${isLong} 1 ${end.x.toFixed(1)} ${end.y.toFixed(1)}`;
};

function arrow(angle, level) {
  const [tip, base] = [at(angle, radius), at(angle - 0.06, radius)];
  const [dx, dy] = [(tip.x - base.x) * 0.75, (tip.y - base.y) * 0.75];
  const points = [[tip.x, tip.y], [base.x - dy, base.y + dx], [base.x + dy, base.y - dx]];
  return svg("polygon", { points: points.map((point) => point.map((value) => value.toFixed(1)).join(",")).join(" "), class: `arrow ${level}` });
}

/** Lines of text beside a place on the ring, away from the centre. */
function label(angle, distance, lines) {
  const place = at(angle, distance);
  const side = Math.sin(angle);
  const anchor = Math.abs(side) < 0.25 ? "middle" : side > 0 ? "start" : "end";
  const isBelow = Math.cos(angle) < -0.6;
  const text = svg("text", { class: "ring-label", "text-anchor": anchor });
  lines.forEach((line, index) => {
    const y = place.y + 15 * (index - (isBelow ? -0.6 : (lines.length - 1) / 2)) + 4;
    text.append(svg("tspan", { x: place.x.toFixed(1), y: y.toFixed(1), class: index === 0 ? "strong" : "" }, line));
  });
  return text;
}

/**
 * Draws the way of a micro-batch: out of the coordinator at the top, clockwise through the stages, and back.
 * @param hops the links' figures into each stage and back; @param level of a stage's nodes, for colour and sign.
 */
export function drawRing(target, stages, { hops, busy, level, slowest, rates, microBatch }) {
  const count = stages.length;
  const step = (2 * Math.PI) / (count + 1);
  const size = count <= 6 ? 31 : count <= 12 ? 21 : count <= 24 ? 13 : 8;
  const reach = (size + 5) / radius;
  const most = Math.max(1, ...hops.map((hop) => hop?.wire ?? 0));
  const parts = [];
  for (let index = 0; index <= count; index += 1) {
    const hop = hops[index];
    const kind = hop && !hop.isUp ? "down" : hop?.wire > 0 ? "moving" : "still";
    const from = index * step + (index === 0 ? Math.max(reach, 0.33) : reach);
    const to = (index + 1) * step - (index === count ? Math.max(reach, 0.33) : reach) - 0.02;
    if (to > from) {
      const width = 2 + 5 * Math.sqrt((hop?.wire ?? 0) / most);
      parts.push(svg("path", { d: path(from, to), class: `hop ${kind}`, "stroke-width": width.toFixed(1) }));
      parts.push(arrow(to + 0.035, kind));
    }
    if (count <= 6 && hop?.wire > 0) {
      const angle = (index + 0.5) * step;
      const side = Math.sin(angle);
      const middle = at(angle, radius - (Math.abs(side) < 0.3 ? 24 : 13));
      const anchor = Math.abs(side) < 0.3 ? "middle" : side > 0 ? "end" : "start";
      parts.push(svg("text", { x: middle.x.toFixed(1), y: (middle.y + 4).toFixed(1), class: "hop-rate", "text-anchor": anchor }, bytesPerSecond(hop.wire)));
    }
  }
  parts.push(svg("rect", { x: centre.x - 52, y: centre.y - radius - 16, width: 104, height: 32, rx: 9, class: "coordinator" }));
  parts.push(svg("text", { x: centre.x, y: centre.y - radius + 5, class: "coordinator-label", "text-anchor": "middle" }, "Coordinator"));
  stages.forEach((stage, index) => {
    const angle = (index + 1) * step;
    const place = at(angle, radius);
    const share = busy(stage);
    const around = 2 * Math.PI * (size - 3);
    const group = svg("g", { class: `stage ${level(stage)}`, transform: `translate(${place.x.toFixed(1)} ${place.y.toFixed(1)})` });
    group.append(svg("title", {}, `Stage ${index + 1}: ${stage.replicas.join(", ")}, layers ${layers(stage)}, busy ${percent(share ?? NaN)}`));
    group.append(svg("circle", { r: size, class: "disc" }));
    if (share > 0) {
      group.append(svg("circle", {
        r: size - 3, class: "busy", transform: "rotate(-90)", "stroke-width": size > 20 ? 6 : 3,
        "stroke-dasharray": `${(around * share).toFixed(1)} ${around.toFixed(1)}`,
      }));
    }
    if (size > 8) group.append(svg("text", { y: size > 20 ? 7 : 4, class: size > 20 ? "number" : "number small", "text-anchor": "middle" }, String(index + 1)));
    parts.push(group);
    if (count > 12) return;
    const more = stage.replicas.length - 1;
    const mark = index === slowest ? "▲ slowest" : level(stage) === "bad" ? "✕ not ready" : null;
    const name = `${short(stage.replicas[0] ?? "", more > 0 ? 9 : 12)}${more > 0 ? ` +${more}` : ""}`;
    parts.push(label(angle, radius + size + 10, count <= 6 ? [name, ...(mark ? [mark] : [`${digits(stageMs(stage))} ms`])] : [name]));
  });
  const number = rates.items === null ? "–" : digits(rates.items);
  parts.push(svg("text", { x: centre.x, y: centre.y + 6, class: "ring-number", "text-anchor": "middle" }, number));
  parts.push(svg("text", { x: centre.x, y: centre.y + 28, class: "ring-unit", "text-anchor": "middle" }, "items/s"));
  parts.push(svg("text", { x: centre.x, y: centre.y + 47, class: "ring-unit", "text-anchor": "middle" }, `micro-batches of ${microBatch}`));
  target.replaceChildren(...parts);
  const words = stages.map((stage, index) => `stage ${index + 1} on ${stage.replicas.join(", ")}`).join(", ");
  target.setAttribute("aria-label", `Ring of stages: from the coordinator to ${words}, and back; ${number} items a second.`);
}

// --- Lines over time ---

/** The lines begin with what is there and grow to this. */
const [shortestMs, longestMs] = [60_000, 600_000];
const height = 168;
const margin = { left: 46, right: 10, top: 10, bottom: 22 };

/** A round number that is not below. */
function roof(value) {
  if (!(value > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return power * [1, 1.5, 2, 3, 4, 5, 6, 8, 10].find((factor) => factor * power >= value);
}

/** One figure over the last five minutes. */
export class Chart {
  /** @param lines `{key, name, style}`; @param unit behind the numbers of the legend. */
  constructor(figure, lines, unit) {
    this.drawing = figure.querySelector("svg");
    this.legend = figure.querySelector(".legend");
    this.heading = figure.querySelector("h2").textContent;
    this.lines = lines;
    this.unit = unit;
    this.points = [];
    this.nowMs = 0;
    this.reference = null;
    this.pointer = null;
    this.drawing.addEventListener("pointermove", (event) => {
      this.pointer = event.offsetX;
      this.draw();
    });
    this.drawing.addEventListener("pointerleave", () => {
      this.pointer = null;
      this.draw();
    });
    new ResizeObserver(() => this.draw()).observe(figure);
  }

  /** @param reference `{value, name}`: a level to compare with, or `null`. */
  show(points, nowMs, reference = null) {
    this.points = points;
    this.nowMs = nowMs;
    this.reference = reference;
    this.draw();
  }

  draw() {
    const width = Math.max(240, this.drawing.clientWidth || 0);
    const spanMs = Math.min(longestMs, Math.max(shortestMs, this.nowMs - (this.points[0]?.atMs ?? this.nowMs)));
    const shown = this.points.filter((point) => point.atMs >= this.nowMs - spanMs - 1000);
    const values = shown.flatMap((point) => this.lines.map((line) => point[line.key])).filter((value) => Number.isFinite(value));
    const top = roof(Math.max(0, ...values, this.reference?.value ?? 0));
    const x = (atMs) => width - margin.right - ((this.nowMs - atMs) / spanMs) * (width - margin.left - margin.right);
    const y = (value) => height - margin.bottom - (value / top) * (height - margin.top - margin.bottom);
    const parts = [];
    for (const share of [0, 0.5, 1]) {
      const level = y(top * share).toFixed(1);
      parts.push(svg("line", { x1: margin.left, x2: width - margin.right, y1: level, y2: level, class: "grid" }));
      parts.push(svg("text", { x: margin.left - 7, y: Number(level) + 4, class: "axis", "text-anchor": "end" }, digits(top * share)));
    }
    for (let part = 0; part <= 4; part += 1) {
      const place = margin.left + (part / 4) * (width - margin.left - margin.right);
      const words = part === 4 ? "now" : `−${duration(Math.round((spanMs * (1 - part / 4)) / 1000) * 1000)}`;
      const anchor = part === 4 ? "end" : part === 0 ? "start" : "middle";
      if (width > 420 || part % 4 === 0) parts.push(svg("text", { x: place.toFixed(1), y: height - 5, class: "axis", "text-anchor": anchor }, words));
    }
    if (this.reference) {
      const level = y(this.reference.value).toFixed(1);
      parts.push(svg("line", { x1: margin.left, x2: width - margin.right, y1: level, y2: level, class: "reference" }));
    }
    for (const line of this.lines) {
      let run = [];
      const end = () => {
        if (run.length > 1 && line.isFilled) {
          const floor = y(0).toFixed(1);
          const area = `${run[0].split(",")[0]},${floor} ${run.join(" ")} ${run.at(-1).split(",")[0]},${floor}`;
          parts.push(svg("polygon", { points: area, class: `area ${line.style}` }));
        }
        if (run.length > 0) parts.push(svg("polyline", { points: run.join(" "), class: `line ${line.style}` }));
        run = [];
      };
      for (const point of shown) {
        if (Number.isFinite(point[line.key])) run.push(`${Math.max(margin.left, x(point.atMs)).toFixed(1)},${y(point[line.key]).toFixed(1)}`);
        else end();
      }
      end();
    }
    const read = this.nearest(shown, x);
    if (read && this.pointer !== null) {
      const place = x(read.atMs).toFixed(1);
      parts.push(svg("line", { x1: place, x2: place, y1: margin.top, y2: height - margin.bottom, class: "cursor" }));
    }
    this.drawing.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.drawing.replaceChildren(...parts);
    this.tell(read, values);
  }

  nearest(points, x) {
    if (this.pointer === null) return points.at(-1);
    let best = null;
    for (const point of points) if (!best || Math.abs(x(point.atMs) - this.pointer) < Math.abs(x(best.atMs) - this.pointer)) best = point;
    return best;
  }

  tell(point, values) {
    const parts = this.lines.map((line) => {
      const value = point?.[line.key];
      const item = document.createElement("span");
      item.className = `key ${line.style}`;
      item.textContent = `${line.name} ${Number.isFinite(value) ? digits(value) : "–"}`;
      return item;
    });
    if (this.reference) {
      const item = document.createElement("span");
      item.className = "key dashed";
      item.textContent = `${this.reference.name} ${digits(this.reference.value)}`;
      parts.push(item);
    }
    if (point && this.pointer !== null) parts.push(document.createTextNode(`at ${clock(point.atMs)}`));
    this.legend.replaceChildren(...parts);
    const range = values.length > 0 ? `from ${digits(Math.min(...values))} to ${digits(Math.max(...values))} shown` : "nothing measured yet";
    this.drawing.setAttribute("aria-label", `${this.heading}: ${range}.`);
  }
}
