
// Items, by the pull API: one of them with its history, the deletions that are held back, and all as a download.
// The token stays in this tab, and is asked for where the daemon wants one.
const TOKEN = "ewmirror-token";
// So many held deletions are shown; the download has all.
const SHOWN = 200;
// What nobody sees, or what turns the text around it.
const HIDDEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Co}\p{Cn}]/gu;
// The repository that the address names, until it can be chosen.
let addressed = null;
// What waits for the token, and the number of what was asked last: an answer to anything else comes too late.
let waiting = null;
let asked = 0;

class NoToken extends Error {}

// A number as it was written: this language would round it.
class Written {
  constructor(text) { this.text = text; }
}

function parse(text) {
  return JSON.parse(text, (key, value, context) =>
    typeof value === "number" && context ? new Written(context.source) : value);
}

function spelt(value) {
  if (value instanceof Written) return value.text;
  if (Array.isArray(value)) return `[${value.map(spelt).join(", ")}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  const members = Object.entries(value).map(([name, member]) => `${JSON.stringify(name)}: ${spelt(member)}`);
  return `{${members.join(", ")}}`;
}

// The same for values that mean the same, whatever the order of their members.
function meaning(value) {
  if (value instanceof Written) return `n${Number(value.text) === 0 ? 0 : value.text}`;
  if (Array.isArray(value)) return `[${value.map(meaning).join()}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  return `{${Object.keys(value).sort().map((name) => `${JSON.stringify(name)}:${meaning(value[name])}`).join()}}`;
}

function visible(text) {
  return text.replace(HIDDEN, (it) => `\\u{${it.codePointAt(0).toString(16)}}`);
}

// A value for people, apart from the direction of what is around it.
function cell(value) {
  if (value === undefined) return make("span", { class: "faint" }, "(none)");
  return make("bdi", {}, visible(typeof value === "string" ? value : spelt(value)));
}

function memberName(name) {
  return make("th", { scope: "row" }, make("bdi", {}, visible(name)));
}

function textOf(id) {
  return id instanceof Written ? id.text : `${id}`;
}

async function pull(path) {
  const token = sessionStorage.getItem(TOKEN);
  const answer = await fetch(path, token === null ? {} : { headers: { Authorization: `Bearer ${token}` } });
  if (answer.status === 401) {
    sessionStorage.removeItem(TOKEN);
    throw new NoToken(token === null ? "" : "That is not the token.");
  }
  if (!answer.ok) throw new Error((await answer.text()).trim() || `status ${answer.status}`);
  return answer;
}

async function lines(path) {
  const text = await (await pull(path)).text();
  return text.split("\n").filter((line) => line !== "").map(parse);
}

function itemPath(repository, item) {
  return `repositories/${repository}/items/${encodeURIComponent(item)}`;
}

function itemSheet(repository, item, body) {
  const members = body === null || Array.isArray(body) || typeof body !== "object" || body instanceof Written
    ? [["(item)", body]] : Object.entries(body);
  const rows = members.map(([name, value]) => make("tr", {}, memberName(name), make("td", {}, cell(value))));
  return make("section", { id: "item" }, make("h3", {}, `Item ${visible(item)} of repository ${repository}`),
    make("div", { class: "wide members" }, make("table", {}, make("tbody", {}, ...rows))));
}

function changedMembers(before, after) {
  const names = [...new Set([...Object.keys(after ?? {}), ...Object.keys(before ?? {})])];
  const of = (item, name) => (item !== null && Object.hasOwn(item, name) ? item[name] : undefined);
  const same = (a, b) => a !== undefined && b !== undefined && meaning(a) === meaning(b);
  return names.map((name) => [name, of(before, name), of(after, name)]).filter(([, a, b]) => !same(a, b));
}

function changeSheet(change) {
  const { sequence, iteration, ts_ms: found } = change.source;
  const rows = changedMembers(change.before, change.after).map(([name, before, after]) =>
    make("tr", {}, memberName(name), make("td", { "data-label": "before" }, cell(before)),
      make("td", { "data-label": "after" }, cell(after))));
  const head = ["attribute", "before", "after"].map((name) => make("th", {}, name));
  const title = `${OPS[change.op] ?? change.op} ${clock(Number(found.text ?? found))}`;
  const what = `change ${textOf(sequence)}, pass ${textOf(iteration)}, ${counted(rows.length, "attribute")}`;
  const details = make("details", {}, make("summary", {}, title, " ", make("span", { class: "faint" }, what)),
    make("div", { class: "wide members" },
      make("table", {}, make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...rows))));
  details.open = change.op === "u";
  return details;
}

async function findItem(repository, item) {
  const path = itemPath(repository, item);
  const history = await lines(`${path}/history?names=true`);
  const sheets = [];
  try {
    sheets.push(itemSheet(repository, item, parse(await (await pull(`${path}?names=true`)).text())));
  } catch (error) {
    if (error instanceof NoToken || history.length === 0) throw error;
    sheets.push(make("p", { class: "reason" }, `Item ${visible(item)} is no longer in the mirror.`));
  }
  return [...sheets, make("h3", {}, "History"), ...history.reverse().map(changeSheet)];
}

async function findHeld(repository) {
  const held = await lines(`repositories/${repository}/held-deletions?names=true`);
  const title = `${counted(held.length, "deletion")} held back in repository ${repository}`;
  const sheets = held.slice(0, SHOWN).map(({ item, held_since: since, body }) => {
    const id = textOf(item);
    const link = make("a", { href: `#${repository}/${encodeURIComponent(id)}` }, visible(id));
    const rows = Object.entries(body ?? {}).map(([name, value]) =>
      make("tr", {}, memberName(name), make("td", {}, cell(value))));
    return make("details", {}, make("summary", {}, link, " ",
      make("span", { class: "faint" }, since === null ? "" : `since ${since}`)),
    make("div", { class: "wide members" }, make("table", {}, make("tbody", {}, ...rows))));
  });
  const more = held.length > SHOWN ? make("p", { class: "faint" }, `The first ${SHOWN} are shown.`) : null;
  return [make("h3", {}, title), ...sheets, ...(more === null ? [] : [more])];
}

async function download(repository, names) {
  const answer = await pull(`repositories/${repository}/items${names ? "?names=true" : ""}`);
  const sequence = answer.headers.get("Ewmirror-Sequence");
  const url = URL.createObjectURL(await answer.blob());
  const name = `repository-${repository}-${sequence}.ndjson`;
  make("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60000);
  return [make("p", { class: "faint", id: "downloaded" }, `${name} is all items as of change ${sequence}.`)];
}

// Shows what this finds, unless something else is asked for meanwhile.
async function ask(work) {
  const own = ++asked;
  show("found", [make("p", { class: "faint" }, "asking …")]);
  let found;
  try {
    found = await work();
  } catch (error) {
    if (error instanceof NoToken && own === asked) {
      waiting = work;
      document.getElementById("token").hidden = false;
      document.querySelector("#token input").focus();
    }
    const words = error instanceof NoToken ? `${error.message} Items are told only to who has the token.` : error.message;
    found = [make("div", { class: "alert warn" }, words.trim())];
  }
  if (own === asked) document.getElementById("found").replaceChildren(...found);
}

function chosen() {
  return document.querySelector("#search select").value;
}

function searched() {
  const [repository, item] = [chosen(), document.querySelector("#search input").value.trim()];
  if (item !== "") ask(() => findItem(repository, item));
}

// Which repositories there are, as the status document has them.
function offer(status) {
  document.getElementById("items").hidden = status.mirror.url === "none" || status.totals.repositories === 0;
  const all = isOfMany(status) ? everyone : status.repositories;
  const options = all.map((one) => make("option", { value: `${one.id}` }, named(one)));
  const select = document.querySelector("#search select");
  fill(select, options);
  if (addressed !== null && all.some((one) => `${one.id}` === addressed)) {
    select.value = addressed;
    addressed = null;
  }
}

function followed() {
  const found = /^#(\d+)\/(.+)$/.exec(location.hash);
  if (found === null) return;
  let item;
  try {
    item = decodeURIComponent(found[2]);
  } catch {
    return;
  }
  addressed = found[1];
  document.querySelector("#search select").value = addressed;
  document.querySelector("#search input").value = item;
  ask(() => findItem(found[1], item));
}

document.getElementById("search").addEventListener("submit", (event) => {
  event.preventDefault();
  searched();
});
document.getElementById("token").addEventListener("submit", (event) => {
  event.preventDefault();
  const field = document.querySelector("#token input");
  if (field.value.trim() === "") return;
  sessionStorage.setItem(TOKEN, field.value.trim());
  field.value = "";
  event.target.hidden = true;
  if (waiting !== null) ask(waiting);
});
document.getElementById("held").addEventListener("click", () => {
  const repository = chosen();
  ask(() => findHeld(repository));
});
document.getElementById("export").addEventListener("click", () => {
  const [repository, names] = [chosen(), document.getElementById("names").checked];
  ask(() => download(repository, names));
});
window.addEventListener("hashchange", followed);

look();
followed();
