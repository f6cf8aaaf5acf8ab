
// Many repositories: their sum, cards of those that differ or are opened, and a list of all to find one in. The list is
// asked for when it is open, and not as often as the rest.
const FEW = 10;
const LIST_PACE = 10000;
// So many cards, rows and problems are drawn: more is no screen.
const MOST_CARDS = 20;
const MOST_OPENED = 10;
const MOST_ROWS = 100;
const MOST_ALERTS = 20;
// All repositories as they were told last, when that was, and those that the reader has opened.
let everyone = [];
let listedAt = 0;
const opened = new Set();

function isOfMany(status) {
  return status.totals.repositories > FEW;
}

async function ofDaemon(path) {
  const answer = await fetch(path, { signal: AbortSignal.timeout(PATIENCE) });
  if (!answer.ok) throw new Error(`status ${answer.status}`);
  return answer.json();
}

// The document with the repositories that are shown as cards; the list is brought up to date where it is wanted.
async function askStatus() {
  const status = await ofDaemon("status?repository=differing");
  if (!isOfMany(status)) return status;
  const isOpen = document.querySelector("#others details").open;
  const isOld = everyone.length !== status.totals.repositories || (isOpen && Date.now() - listedAt > LIST_PACE);
  if (isOld) {
    everyone = (await ofDaemon("status")).repositories;
    listedAt = Date.now();
  }
  const known = new Set(everyone.map((one) => one.id));
  for (const id of opened) {
    if (!known.has(id)) opened.delete(id);
  }
  const differing = status.repositories;
  status.differing = differing.length;
  status.repositories = differing.slice(0, MOST_CARDS);
  if (opened.size > 0) {
    const query = [...opened].map((id) => `repository=${id}`).join("&");
    const own = (await ofDaemon(`status?${query}`)).repositories;
    status.repositories = [...own, ...status.repositories.filter((one) => !opened.has(one.id))];
  }
  // Whose problems are told has a name, too.
  status.named = differing;
  return status;
}

function totals(status) {
  if (!isOfMany(status)) return null;
  const { repositories, certified, paging, with_problems: troubled, held_back: held, items } = status.totals;
  const over = Math.min(60000, Math.max(1000, status.daemon.uptime_ms)) / 1000;
  const parts = [`${number(certified)} of ${number(repositories)} repositories certified`,
    `${number(paging)} in a pass`, `${number(troubled)} with problems`, `${number(held)} with deletions held back`,
    items === null ? null : counted(items, "item"),
    `${(status.daemon.requests_last_minute / over).toFixed(1)} page requests/s`];
  return make("p", { class: "sheet" }, parts.filter((part) => part !== null).join(" · "));
}

// Of many alerts the first ones: the worst come first.
function fewAlerts(found) {
  const more = found.length - MOST_ALERTS;
  return more > 0 ? [...found.slice(0, MOST_ALERTS), alertOf("warn", `${number(more)} more`)] : found;
}

function rowOf(repository) {
  const age = repository.certified_age_ms;
  return make("tr", {},
    make("td", { class: "item" },
      make("button", { type: "button", "data-open": repository.id, "aria-pressed": `${opened.has(repository.id)}` },
        named(repository))),
    make("td", { class: age === null ? "no" : "" }, age === null ? "not certified yet" : `certified ${duration(age)} ago`),
    make("td", { "data-label": "items", class: "number" }, number(repository.items)),
    make("td", {}, repository.state ?? "not read"));
}

function showList() {
  const wanted = document.querySelector("#filter input").value.trim().toLowerCase();
  const found = everyone.filter((one) => named(one).toLowerCase().includes(wanted));
  const more = found.length - MOST_ROWS;
  const words = more > 0 ? `${number(more)} more: type a part of the number or name.` : counted(found.length, "match", "es");
  const rows = found.slice(0, MOST_ROWS).map(rowOf);
  show("listed", [
    make("p", { class: "faint" }, words),
    make("div", { class: "wide" }, make("table", {}, make("tbody", {}, ...rows)))]);
}

function others(status) {
  const section = document.getElementById("others");
  section.hidden = !isOfMany(status);
  if (section.hidden) return;
  const differ = status.differing > 0 ? `, of which ${number(status.differing)} differ from the others` : "";
  const words = `All ${number(status.totals.repositories)} repositories${differ}`;
  fill(section.querySelector("summary"), [document.createTextNode(words)]);
  if (section.querySelector("details").open) showList();
}

document.querySelector("#filter input").addEventListener("input", showList);
document.getElementById("filter").addEventListener("submit", (event) => event.preventDefault());
document.querySelector("#others details").addEventListener("toggle", showList);
document.getElementById("listed").addEventListener("click", (event) => {
  const id = event.target.dataset.open;
  if (id === undefined) return;
  if (!opened.delete(Number(id)) && opened.size < MOST_OPENED) opened.add(Number(id));
  showList();
  lookNow();
});
