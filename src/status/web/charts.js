
// A repository over time, from the ledger: changes, items and how long passes take.
const MINUTE = 60000;
// How long a bar may stand for, and what people call that.
const SPANS = [[MINUTE, "minute"], [10 * MINUTE, "ten minutes"], [60 * MINUTE, "hour"], [DAY, "day"], [7 * DAY, "week"]];
const BARS = 100;
// The room of a chart, in units of its own.
const [WIDTH, HEIGHT] = [600, 100];

// An element of a drawing: like the one that the page has.
function draw(name, attributes) {
  const like = document.getElementById("drawing").content.firstElementChild;
  const element = document.createElementNS(like.namespaceURI, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, `${value}`);
  return element;
}

// Changes by when the pass ended that found them, as bars of one length of time: as short as there is room for.
function buckets(passes) {
  const [first, last] = [passes[0].ended_at_ms, passes.at(-1).ended_at_ms];
  const fits = ([span]) => Math.floor(last / span) - Math.floor(first / span) < BARS;
  const [span, name] = SPANS.find(fits) ?? SPANS.at(-1);
  const start = Math.floor(first / span);
  const bars = new Array(Math.max(1, Math.min(BARS, Math.floor(last / span) - start + 1))).fill(0);
  for (const pass of passes) {
    const place = Math.floor(pass.ended_at_ms / span) - start;
    // A clock that was put back has no bar.
    if (place >= 0 && place < bars.length) bars[place] += pass.created + pass.updated + pass.deleted;
  }
  return [bars, name];
}

function bars(values) {
  const most = Math.max(...values, 1);
  const step = WIDTH / values.length;
  return values.map((value, place) => {
    const tall = (value / most) * HEIGHT;
    return draw("rect", { x: place * step, y: HEIGHT - tall, width: Math.max(step * 0.85, 0.5), height: tall });
  });
}

// Values at moments, from nothing up, so that a small change does not look like a large one.
function line(passes, of) {
  const [first, last] = [passes[0].ended_at_ms, passes.at(-1).ended_at_ms];
  const most = Math.max(...passes.map(of), 1);
  const x = (pass) => (last > first ? ((pass.ended_at_ms - first) / (last - first)) * WIDTH : WIDTH / 2);
  const y = (pass) => HEIGHT - (of(pass) / most) * HEIGHT;
  const marks = passes.filter((pass) => !pass.certified)
    .map((pass) => draw("circle", { class: "doubtful", cx: x(pass), cy: y(pass), r: 3 }));
  const points = passes.map((pass) => `${x(pass).toFixed(1)},${y(pass).toFixed(1)}`).join(" ");
  return [draw("polyline", { points }), ...marks];
}

function chart(id, title, words, passes, shapes) {
  const drawing = draw("svg", { viewBox: `0 -4 ${WIDTH} ${HEIGHT + 8}`, role: "img", "aria-label": `${title}: ${words}` });
  drawing.append(...shapes);
  const ends = [passes[0], passes.at(-1)].map((pass) => make("span", {}, clock(pass.ended_at_ms)));
  return make("figure", { id }, make("figcaption", {}, make("strong", {}, title), " ", make("span", { class: "faint" }, words)),
    drawing, make("div", { class: "ends faint" }, ...ends));
}

async function findLedger(repository) {
  const text = await (await pull(`repositories/${repository}/passes`)).text();
  const all = text.split("\n").filter((line) => line !== "").map((line) => JSON.parse(line));
  const passes = all.filter((pass) => pass.ended_at_ms !== null).reverse();
  if (passes.length === 0) return [make("p", { class: "faint" }, "No pass has ended yet.")];
  const took = (pass) => Math.max(0, pass.ended_at_ms - pass.started_at_ms);
  const items = (pass) => pass.distinct_ids;
  const last = passes.at(-1);
  const [values, name] = buckets(passes);
  const doubtful = passes.filter((pass) => !pass.certified).length;
  const [most, longest] = [Math.max(...values), Math.max(...passes.map(took))];
  const title = `Repository ${repository} over ${passes.length === 1 ? "one pass" : `${number(passes.length)} passes`}`;
  const marked = doubtful === 0 ? "all certified" : `${number(doubtful)} not certified, which are marked`;
  return [
    make("h3", {}, title), make("p", { class: "faint" }, marked),
    chart("chart-changes", `Changes per ${name}`, `${number(most)} at most`, passes, bars(values)),
    chart("chart-items", "Items", `${number(items(last))} now`, passes, line(passes, items)),
    chart("chart-duration", "Duration of a pass", `${duration(took(last))} now, ${duration(longest)} at most`,
      passes, line(passes, took)),
  ];
}

document.getElementById("ledger").addEventListener("click", () => {
  const repository = chosen();
  ask(() => findLedger(repository));
});
