// SPDX-License-Identifier: Apache-2.0
"use strict";

// Every text that comes from the gateway is set as textContent: names,
// signatures and addresses are data, never markup.

const pollMS = 1000;
const rateMS = 6000; // rates are taken over so much, since the switch's counters move in steps
const history = [];

const byID = (id) => document.getElementById(id);
const set = (id, text) => { byID(id).textContent = text; };

function element(tag, text, className) {
  const e = document.createElement(tag);
  e.textContent = text;
  if (className) e.className = className;
  return e;
}

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
const count = (n) => (n < 1e7 ? whole : short).format(n);
const perSecond = (v) => (v === null ? "–" : short.format(v) + "/s");

function span(seconds) {
  if (seconds < 120) return seconds + " s";
  if (seconds < 7200) return Math.round(seconds / 60) + " min";
  if (seconds < 172800) return Math.round(seconds / 3600) + " h";
  return Math.round(seconds / 86400) + " d";
}

// rate is what get gives per second, null before there are two readings.
function rate(get) {
  const now = history[history.length - 1];
  const then = history[0];
  if (history.length < 2) return null;
  return Math.max(0, (get(now) - get(then)) / (now.counted_ms - then.counted_ms) * 1000);
}

function remember(state) {
  const last = history[history.length - 1];
  if (!state.counted_ms || (last && last.counted_ms === state.counted_ms)) return;
  if (last && (state.uptime_s < last.uptime_s || state.counted_ms < last.counted_ms)) history.length = 0;
  history.push(state);
  while (history.length > 2 && state.counted_ms - history[1].counted_ms >= rateMS) history.shift();
}

const stateClass = { up: "ok", degraded: "warn", down: "" };
const origin = (name) => (s) => s.frames.origins.find((o) => o.origin === name);
const total = (key) => (s) => s.frames.origins.reduce((sum, o) => sum + o[key], 0);

function showState(s) {
  const down = s.attachments.filter((a) => a.state === "down").length;
  const degraded = s.attachments.some((a) => a.state === "degraded");
  const pill = byID("state");
  let text = "converged", kind = "good";
  if (!s.connected) [text, kind] = ["not connected", "bad"];
  else if (down === s.attachments.length) [text, kind] = ["no IPS up: " + (s.on_failure === "open" ? "uninspected" : "closed"), "bad"];
  else if (!s.converged) [text, kind] = ["converging", "warn"];
  else if (down > 0 || degraded || s.problems.length > 0) [text, kind] = ["degraded", "warn"];
  pill.textContent = text;
  pill.className = "pill " + kind;
  set("bridge", s.bridge);
  document.title = s.bridge + " – " + text;
  set("about", "Open vSwitch " + (s.switch || "of unknown version") + ", ofcontroller " + s.version + ", up " + span(s.uptime_s));
  const problems = s.last_error ? [...s.problems, s.last_error] : s.problems;
  byID("problems").hidden = problems.length === 0;
  byID("problems").replaceChildren(...problems.map((p) => element("li", p)));
}

// names lists ports, and of many a few.
function names(id, ports, most) {
  const items = ports.slice(0, most).map((p) => element("li", p.name, p.kind || (p.ok ? "ok" : "")));
  if (ports.length > most) items.push(element("li", "and " + (ports.length - most) + " more", "plain"));
  if (ports.length === 0) items.push(element("li", "none", "plain"));
  byID(id).replaceChildren(...items);
}

function showPicture(s) {
  const role = (r) => s.ports.filter((p) => p.role === r).map((p) => ({ name: p.name, ok: p.link === "up" }));
  names("uplinks", role("uplink"), 4);
  const trunks = role("trunk");
  names("trunks", trunks, 4);
  names("locals", role("local"), 1);
  names("ips", s.attachments.map((a) => ({ name: a.name, kind: stateClass[a.state], ok: false })), 4);
  set("gateway", whole.format(s.flows) + " flows, " + whole.format(s.macs) + " MACs");
  const link = (where, id, value) => {
    set(id, perSecond(value));
    document.querySelector(".link." + where).classList.toggle("busy", value > 0);
  };
  for (const [where, name] of [["left", "uplink"], ["right", "trunk"], ["down", "local"]]) {
    link(where, "r-" + name, rate((x) => origin(name)(x).in));
  }
  set("r-returned", perSecond(rate(total("returned"))));
  link("up", "r-inspected", rate(total("inspected")));
}

function row(cells) {
  const tr = document.createElement("tr");
  tr.append(...cells);
  return tr;
}

function cell(text, under, className) {
  const td = element("td", text, className);
  if (under) td.append(element("small", under));
  return td;
}

function showFrames(s) {
  byID("origins").replaceChildren(...s.frames.origins.map((o) => {
    const counter = (key) => cell(count(o[key]), perSecond(rate((x) => origin(o.origin)(x)[key])));
    return row([cell(o.origin), counter("in"), counter("inspected"), counter("returned"), counter("dropped_by_ips")]);
  }));
  const f = s.frames;
  const reasons = [
    ["bypassed by policy", f.bypassed_policy], ["dropped by policy", f.dropped_policy],
    ["bypassed connections", f.bypassed_offload], ["blocked connections", f.dropped_offload],
    ["bypassed, no attachment up", f.bypassed_failure], ["dropped, no attachment up", f.dropped_failure],
    ...f.refused.map((r) => ["refused: " + r.reason, r.frames]),
  ];
  byID("refused").replaceChildren(...reasons.map(([text, n]) => row([cell(text), cell(whole.format(n))])));
}

function showHealth(s) {
  byID("attachments").replaceChildren(...s.attachments.map((a) => row([
    cell(a.name, a.kind), cell(a.state, a.reason, stateClass[a.state] || "no"),
    cell(a.state !== "down" ? whole.format(a.rtt_us) + " µs" : "–"), cell(span(a.since_s)),
  ])));
}

function showPorts(s) {
  byID("ports").replaceChildren(...s.ports.map((p) => {
    const n = s.port_frames[p.name];
    return row([
      cell(p.name), cell(p.role), cell(p.link, "", p.link === "up" ? "ok" : "no"),
      n === undefined ? cell("–") : cell(whole.format(n), perSecond(rate((x) => x.port_frames[p.name] || 0))),
    ]);
  }));
  const more = s.ports_total - s.ports.length;
  set("more", more > 0 ? "and " + more + " trunk ports more" : "");
}

function showLatest(s) {
  byID("latest").replaceChildren(...s.latest.map((n) => row([
    cell(new Date(n.time_ms).toLocaleTimeString([], { hourCycle: "h23" })), cell(n.kind), cell(n.text),
  ])));
}

// The fleet is asked for only while somebody looks at it.
const fleetMS = 5000;
let fleetAsked = -Infinity;
const hostClass = { ok: "ok", lags: "warn", restart: "warn", degraded: "warn" };

function showFleet(v, own) {
  const states = Object.keys(v.states).sort().map((s) => whole.format(v.states[s]) + " " + s);
  set("fleet-about", whole.format(v.total) + (v.total === 1 ? " host: " : " hosts: ") + states.join(", "));
  byID("fleet").replaceChildren(...v.hosts.map((h) => row([
    cell(h.name, h.name === own ? "this gateway" : ""), cell(h.state, h.reason, hostClass[h.state] || "no"),
    cell(h.reached === h.asked ? String(h.asked) : h.reached + " of " + h.asked),
    cell(h.state === "unknown" ? "never" : span(h.age_s) + " ago"), cell((h.versions && h.versions.ofcontroller) || "–"),
  ])));
  const more = v.total - v.hosts.length;
  set("fleet-more", more > 0 ? "and " + whole.format(more) + " hosts more" : "");
}

async function pollFleet(s) {
  byID("fleet-button").hidden = !s.fleet;
  if (!s.fleet || byID("tab-fleet").hidden || performance.now() - fleetAsked < fleetMS) return;
  fleetAsked = performance.now();
  try {
    const answer = await fetch("api/fleet", { signal: AbortSignal.timeout(fleetMS) });
    if (!answer.ok) throw new Error(await answer.text());
    showFleet(await answer.json(), s.fleet.name);
  } catch (err) {
    set("fleet-about", "The fleet is not to be seen: " + err.message);
    byID("fleet").replaceChildren();
    set("fleet-more", "");
  }
}

function show(s) {
  pollFleet(s);
  remember(s);
  showState(s);
  showPicture(s);
  showFrames(s);
  showHealth(s);
  showPorts(s);
  showLatest(s);
  set("foot", s.frames.age_s < 0 ? "Counters were not read yet." : "Counters read " + s.frames.age_s + " s ago. " + whole.format(s.moves) + " MAC moves, " + whole.format(s.repairs) + " flows repaired.");
}

for (const button of document.querySelectorAll("nav button")) {
  button.addEventListener("click", () => {
    for (const b of document.querySelectorAll("nav button")) {
      b.setAttribute("aria-pressed", String(b === button));
      byID("tab-" + b.dataset.tab).hidden = b !== button;
    }
  });
}

async function poll() {
  try {
    const answer = await fetch("api/state", { signal: AbortSignal.timeout(5 * pollMS) });
    if (!answer.ok) throw new Error("answer " + answer.status);
    show(await answer.json());
    document.body.dataset.live = "yes";
  } catch (err) {
    byID("state").textContent = "no answer";
    byID("state").className = "pill bad";
    set("foot", "ofcontroller does not answer: " + err.message);
    document.body.dataset.live = "no";
  }
  setTimeout(poll, pollMS);
}
poll();
