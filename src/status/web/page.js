
"use strict";

// How often the daemon is asked, and how long it may take, in milliseconds.
const PACE = 2000;
const PATIENCE = 8000;
// How many passes a repository shows.
const PASSES = 5;

const OPS = { r: "first seen", c: "created", u: "updated", d: "deleted" };
const SCOPES = { server: "Server", login: "Sign-in", mirror: "Mirror", feed: "Feed" };
const HEALTH = { ok: "all is well", degraded: "degraded", failing: "failing: nothing goes on" };
const DAY = 86400000;
const TIME = { hour: "2-digit", minute: "2-digit", second: "2-digit" };
let lastSeen = null;
let nextLook = null;

// An element. What is in it is other elements, or text that is never read as markup.
function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== null && value !== "") element.setAttribute(key, value);
  }
  for (const child of children) {
    if (child !== null) element.append(child);
  }
  return element;
}

// Makes what is shown like what is new, touching only what differs: a selection or a scrolled table
// stays as it is.
function morph(old, fresh) {
  if (old.nodeType !== fresh.nodeType || old.nodeName !== fresh.nodeName) {
    old.replaceWith(fresh);
    return;
  }
  if (old.nodeType === Node.TEXT_NODE) {
    if (old.data !== fresh.data) old.data = fresh.data;
    return;
  }
  for (const { name } of [...old.attributes]) {
    if (!fresh.hasAttribute(name)) old.removeAttribute(name);
  }
  for (const { name, value } of fresh.attributes) {
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  fill(old, [...fresh.childNodes]);
}

function fill(parent, children) {
  const old = [...parent.childNodes];
  children.forEach((child, place) => {
    if (place < old.length) morph(old[place], child);
    else parent.append(child);
  });
  old.slice(children.length).forEach((child) => child.remove());
}

function show(id, children) {
  fill(document.getElementById(id), children.filter((child) => child !== null));
}

function number(value) {
  return value === null || value === undefined ? "–" : value.toLocaleString("en");
}

function counted(value, one, plural = "s") {
  return `${number(value)} ${one}${value === 1 ? "" : plural}`;
}

function duration(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const [minutes, hours, days] = [60, 3600, 86400].map((unit) => Math.floor(seconds / unit));
  if (days > 1) return `${days} d ${hours % 24} h`;
  if (hours > 0) return `${hours} h ${minutes % 60} min`;
  if (minutes > 0) return `${minutes} min`;
  return seconds > 0 ? `${seconds} s` : `${Math.max(0, ms)} ms`;
}

function size(bytes) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let [value, unit] = [bytes, 0];
  while (value >= 1024 && unit < units.length - 1) [value, unit] = [value / 1024, unit + 1];
  return `${value.toFixed(unit === 0 || value >= 100 ? 0 : 1)} ${units[unit]}`;
}

function clock(ms) {
  const date = new Date(ms);
  const today = date.toDateString() === new Date().toDateString();
  const day = today ? {} : { day: "numeric", month: "short" };
  return date.toLocaleString("en-GB", { ...day, ...TIME });
}

function alertOf(kind, title, ...words) {
  return make("div", { class: `alert ${kind}` }, make("strong", {}, title), ...words);
}

function named(repository) {
  return repository.name ? `${repository.id} ${repository.name}` : `${repository.id}`;
}

// Who has a problem: the repository, or what it is about.
function about(status, problem) {
  const repository = (status.named ?? status.repositories).find((one) => one.id === problem.repository);
  return repository ? named(repository) : SCOPES[problem.scope] ?? problem.scope;
}

// Since when, how often, and when again.
function when(problem) {
  const times = problem.failures > 1 ? `, ${number(problem.failures)} times in a row` : "";
  const next = problem.retry_in_ms === null ? ""
    : problem.retry_in_ms < 1000 ? "; next try now" : `; next try in ${duration(problem.retry_in_ms)}`;
  return `for ${duration(problem.since_ms)}${times}${next}`;
}

function alerts(status) {
  const loud = status.health === "failing" ? "bad" : "warn";
  const found = status.problems
    // These are told below, with the items that they are about.
    .filter((problem) => problem.scope !== "deletes")
    .map((problem) => alertOf(loud, `${about(status, problem)}: ${problem.error}`,
      when(problem), make("div", { class: "remedy" }, problem.remedy)));
  for (const repository of status.named ?? status.repositories) {
    const held = repository.held_deletions;
    if (!held) continue;
    const title = `${named(repository)}: ${counted(held.approved ? held.count : held.waiting, "deletion")} held back`;
    if (held.approved) {
      found.push(alertOf("warn", title, "Approved: the next certified pass makes them."));
    } else {
      const command = `${status.command} approve-deletes --repository ${repository.id}`;
      const more = held.waiting > held.first.length ? ", ..." : "";
      const of = held.first.length ? ` (items ${held.first.join(", ")}${more})` : "";
      const words = `Too many to be believed${of}. See which: `;
      const approve = [make("br"), "If they are right: ", make("code", {}, command)];
      found.push(alertOf("bad", title, words, make("code", {}, `${command} --list`), ...approve));
    }
  }
  const daemon = status.daemon;
  if (daemon && daemon.restarts > 0) {
    const title = `${counted(daemon.restarts, "task")} started again after a panic`;
    found.push(alertOf("warn", title, "This is a defect: the log says where."));
  }
  return found;
}

function daemonLine(status) {
  const daemon = status.daemon;
  const session = daemon.signed_in
    ? `signed in ${duration(daemon.session_age_ms ?? daemon.uptime_ms)}`
    : daemon.sign_in === "standing by" ? "standing by" : "not signed in";
  const instance = status.instance;
  const role = !instance ? null
    : instance.role === "standby" && instance.leader
      ? `${instance.name}: standby, ${instance.leader} reads`
      : `${instance.name}: ${instance.role}`;
  const token = daemon.rest_token_age_ms === null
    ? null
    : `REST token ${duration(daemon.rest_token_age_ms)} old`;
  const parts = [`up ${duration(daemon.uptime_ms)}`, role, session, token,
    counted(daemon.logins, "login"), `version ${status.version}`];
  return parts.filter((part) => part !== null).join(" · ");
}

// Whether a repository may be shown as good: nothing is wrong anywhere, its last certified pass is
// recent enough, and so is no row of passes that were not certified.
function isGood(status, repository) {
  const ended = repository.passes.filter((pass) => pass.ended_at_ms !== null);
  const doubtful = ended.length > 1 && !ended[0].certified && !ended[1].certified;
  return status.health === "ok" && !doubtful
    && repository.certified_age_ms <= (status.max_age_ms ?? DAY);
}

function headline(status, repository) {
  const last = repository.last_certified;
  if (!last) return make("p", { class: "headline old" }, "no certified pass yet");
  const age = repository.certified_age_ms;
  return make("p", { class: isGood(status, repository) ? "headline" : "headline old" },
    `certified ${duration(age)} ago, pass ${number(last.iteration)}`);
}

function bar(repository) {
  if (repository.state === null || repository.total === null) return null;
  const covered = repository.covered ?? 0;
  return make("progress", {
    max: Math.max(repository.total, covered, 1),
    value: covered,
    class: repository.state,
    "aria-label": `pass ${repository.iteration}`,
  });
}

function passes(repository) {
  const ended = repository.passes.filter((pass) => pass.ended_at_ms !== null).slice(0, PASSES);
  if (ended.length === 0) return null;
  const heads = ["pass", "certified", "ended", "took", "new", "changed", "deleted"];
  const head = heads.map((name, place) => make("th", { class: place > 2 ? "number" : "" }, name));
  const rows = ended.flatMap((pass) => [
    make("tr", {},
      make("td", { "data-label": "pass" }, number(pass.iteration)),
      make("td", { "data-label": "certified", class: pass.certified ? "yes" : "no" },
        pass.certified ? "yes" : "no"),
      make("td", { "data-label": "ended" }, clock(pass.ended_at_ms)),
      make("td", { "data-label": "took", class: "number" },
        duration(pass.ended_at_ms - pass.started_at_ms)),
      make("td", { "data-label": "new", class: "number" }, number(pass.created)),
      make("td", { "data-label": "changed", class: "number" }, number(pass.updated)),
      make("td", { "data-label": "deleted", class: "number" }, number(pass.deleted))),
    pass.reason ? make("tr", {}, make("td", { class: "reason", colspan: 7 }, pass.reason)) : null,
  ]).filter((row) => row !== null);
  return make("div", { class: "wide" },
    make("table", {}, make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...rows)));
}

// How late changes are found, and how that stands to the goal.
function freshness(repository) {
  const { change_delay: delay, freshness: goal } = repository;
  const words = [
    goal === null ? null : `freshness goal ${duration(goal.goal_ms)}: ${goal.missed === null ? "met" : `missed (${goal.missed})`}`,
    delay === null ? null : `${counted(delay.changes, "change")} of the last hour found within ${duration(delay.p50_ms)} (half), ${duration(delay.p99_ms)} (99%)`,
  ].filter((part) => part !== null);
  if (words.length === 0) return null;
  return make("p", { class: goal !== null && goal.missed !== null ? "no" : "faint" }, words.join(" · "));
}

const OBSTACLES = {
  failing: "the server does not take their search",
  ignored: "the server does not obey their condition",
  out_of_order: "the list is not in the order of last change",
};

// The passes over what changed lately, and what keeps them from being of use.
function incremental(repository) {
  const { incremental: passes } = repository;
  if (passes === null) return null;
  const words = [
    passes.last_age_ms === null
      ? "no incremental pass yet"
      : `${counted(passes.passes, "incremental pass", "es")}, the last ${duration(passes.last_age_ms)} ago: ${counted(passes.pages, "page")}, ${number(passes.created)} new, ${number(passes.updated)} changed`,
    passes.held_back_at_ms === null ? null : `an item claims to have changed at ${clock(passes.held_back_at_ms)}, in the future`,
    passes.obstacle === null ? null : OBSTACLES[passes.obstacle] ?? passes.obstacle,
  ];
  const isWell = passes.obstacle === null && passes.held_back_at_ms === null;
  return make("p", { class: isWell ? "faint" : "no" }, words.filter((part) => part !== null).join(" · "));
}

function card(status, repository) {
  const state = repository.state ?? "not read";
  const figures = [
    `pass ${number(repository.iteration)}, ${counted(repository.pages, "page")}`,
    repository.covered === null || repository.total === null
      ? null
      : `${number(repository.covered)} of ${number(repository.total)}`,
    repository.items === null ? null : `${counted(repository.items, "item")} in the mirror`,
    repository.suspects ? counted(repository.suspects, "suspect") : null,
    repository.model_read_at_ms ? `model read ${clock(repository.model_read_at_ms)}` : null,
  ];
  return make("article", { class: "sheet", "data-repository": repository.id },
    make("div", { class: "top" },
      make("h2", {}, named(repository)),
      make("span", { class: `state ${state}` }, state)),
    headline(status, repository),
    bar(repository),
    make("p", { class: "faint" }, figures.filter((part) => part !== null).join(" · ")),
    freshness(repository),
    incremental(repository),
    passes(repository));
}

function mirror(status) {
  const { url, database_bytes: database, wal_bytes: wal } = status.mirror;
  if (url === "none") return make("p", { class: "faint" }, "No mirror is kept.");
  const sizes = database === null
    ? "its size is not known"
    : `database ${size(database)}, WAL ${size(wal)}`;
  return make("p", { class: "faint" }, `${url}: ${sizes}`);
}

// A feed that waits for changes has all that there are, unless some came this moment.
function feedState(feed) {
  return feed.state === "waiting" && feed.lag_changes === 0 ? "up to date" : feed.state;
}

// What another daemon delivers is known to that one.
function lastDelivery(feed) {
  if (feed.last_success_at_ms !== null) return clock(feed.last_success_at_ms);
  return feed.delivered === null ? "–" : "never";
}

function feeds(status) {
  const all = status.daemon?.feeds ?? [];
  if (all.length === 0) return null;
  const heads = ["feed", "state", "delivered", "to come", "behind", "parked", "missed", "last delivery"];
  const head = heads.map((name, place) => make("th", { class: place > 1 && place < 7 ? "number" : "" }, name));
  const figure = (name, value, kind = "") => make("td", { "data-label": name, class: `number ${kind}`.trim() }, value);
  const rows = all.map((feed) => make("tr", {},
    make("td", { class: "item" }, feed.name),
    make("td", { class: ["paused", "retrying"].includes(feed.state) ? "no" : "" }, feedState(feed)),
    figure("delivered", number(feed.delivered)),
    figure("to come", number(feed.lag_changes)),
    figure("behind", feed.lag_ms === null ? "–" : duration(feed.lag_ms)),
    figure("parked", number(feed.parked), feed.parked > 0 ? "no" : ""),
    figure("missed", number(feed.missed), feed.missed > 0 ? "no" : ""),
    make("td", { "data-label": "last" }, lastDelivery(feed))));
  return make("div", { class: "sheet" },
    make("h3", {}, "Feeds"),
    make("div", { class: "wide" },
      make("table", {}, make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...rows))));
}

function changes(status) {
  if (status.latest_changes.length === 0) return null;
  const heads = ["#", "found", "", "repository", "item"];
  const rows = status.latest_changes.map((change) => make("tr", {},
    make("td", { "data-label": "#" }, number(change.sequence)),
    make("td", {}, clock(change.found_at_ms)),
    make("td", {}, OPS[change.op] ?? change.op),
    make("td", { "data-label": "repository" }, `${change.repository}`),
    make("td", { "data-label": "item", class: "item" }, change.item)));
  return make("div", { class: "sheet" },
    make("h3", {}, "Latest changes"),
    make("div", { class: "wide" },
      make("table", {},
        make("thead", {}, make("tr", {}, ...heads.map((name) => make("th", {}, name)))),
        make("tbody", {}, ...rows))));
}

function present(status) {
  const found = alerts(status);
  const server = status.server ?? "ewmirror";
  document.body.className = status.health;
  document.title = `${status.health === "ok" ? "" : `(${status.health}) `}${server} · ewmirror`;
  show("server", [document.createTextNode(server)]);
  show("health", [document.createTextNode(HEALTH[status.health] ?? status.health)]);
  show("daemon", [daemonLine(status)].map((line) => document.createTextNode(line)));
  show("alerts", fewAlerts(found));
  show("totals", [totals(status)]);
  show("repositories", status.repositories.map((repository) => card(status, repository)));
  others(status);
  show("feeds", [feeds(status)]);
  show("mirror", [mirror(status)]);
  show("changes", [changes(status)]);
  offer(status);
}

function gone(title) {
  const words = lastSeen === null
    ? "Nothing has been shown yet."
    : `What is shown here is from ${clock(lastSeen)}.`;
  document.body.className = "gone";
  document.title = `(gone) ${document.getElementById("server").textContent} · ewmirror`;
  show("health", [document.createTextNode("gone")]);
  show("alerts", [alertOf("bad", title, words)]);
}

async function look() {
  nextLook = null;
  let status = null;
  try {
    status = await askStatus();
  } catch {
    gone("The daemon does not answer");
  }
  try {
    if (status !== null) present(status);
    if (status !== null) lastSeen = Date.now();
  } catch (error) {
    gone(`This page cannot show what the daemon says: ${error.message}`);
  }
  nextLook = setTimeout(look, PACE);
}

// Looks at once, unless that is being done.
function lookNow() {
  if (nextLook === null) return;
  clearTimeout(nextLook);
  look();
}
