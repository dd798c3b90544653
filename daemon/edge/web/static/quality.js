"use strict";
// One scanner over the weeks: control charts, calls for service, the last 30 days.

const scanner = decodeURIComponent(location.pathname.replace(/^\/quality\//, ""));
let told, chart;

const segments = (points) => [...new Set(points.map(({ software, bundle }) => `${software}\n${bundle}`))];
const chosen = () => told.points.filter(({ protocol }) => protocol === find("#protocol").value);

async function show(measure = "") {
  told = await ask(`/trends?scanner=${encodeURIComponent(scanner)}&measure=${encodeURIComponent(measure)}`);
  fail("");
  fill_select(find("#measure"), told.measures.map(({ name }) => name), told.measure, named);
  const counts = new Map();
  told.points.forEach(({ protocol, series }) => counts.set(protocol, (counts.get(protocol) || 0) + series));
  const protocols = [...counts.keys()].sort((a, b) => counts.get(b) - counts.get(a));
  fill_select(find("#protocol"), protocols, find("#protocol").value);
  fill_calls();
  fill_chart();
  find("#recent tbody").replaceChildren(...told.recent.map((one) => row([
    one.protocol, one.series, ...["ACCEPT", "REVIEW", "RESCAN", "NOT_ASSESSED"].map((state) => one.states[state] || 0),
    Object.entries(one.causes).map(([cause, count]) => `${named(cause)} ${count}`).join(", "),
  ])));
}

function fill_select(select, names, wanted, label = (name) => name) {
  select.replaceChildren(...names.map((name) => new Option(label(name), name, false, name === wanted)));
}

function fill_calls() {
  const list = find("#calls ul");
  find("#calls").hidden = !told.calls.length;
  list.replaceChildren(...told.calls.map((call) => {
    const item = clone("#call"), button = find("button", item);
    const what = call.findings.map(({ measure, change }) => (change === null ? named(measure) : `${named(measure)} ${percent(change)}`));
    const since = Math.min(...call.findings.map((one) => one.since));
    find(".words", item).textContent = say(call.settled_at ? "has_changed" : "call_service", what.join(", "), day(since));
    const settled = call.settled_at ? say("seen_to_by", call.settled_by, day(call.settled_at)) : "";
    find(".when", item).textContent = [say("found", day(call.found_at)), settled].filter(Boolean).join(" · ");
    item.classList.toggle("standing", !call.settled_at);
    button.hidden = Boolean(call.settled_at) || !may();
    button.onclick = async () => {
      try {
        await act(`/calls/${call.call_id}/settle`);
        await show(told.measure);
        find("#calls").querySelector("h2").focus();
      } catch (error) {
        fail(say("not_kept", error.message));
      }
    };
    return item;
  }));
}

function fill_chart() {
  const points = chosen(), weeks = [...new Set(points.map(({ week }) => week))].sort((a, b) => a - b);
  const unit = told.measures.find(({ name }) => name === told.measure)?.unit;
  const name = unit && unit !== "1" ? `${named(told.measure)} (${unit})` : named(told.measure || "");
  const words = say("chart_of", name, find("#protocol").value || "?");
  find("#title").textContent = scanner;
  document.title = `${scanner} | Scanside`;
  const back = find("#back");
  back.href = `/scanners/${encodeURIComponent(scanner)}`;
  back.textContent = say("to_live");
  find("#weeks-title").textContent = words;
  find("#chart").setAttribute("aria-label", `${words}. ${say("chart_table")}`);
  find("#weeks tbody").replaceChildren(...[...points].reverse().map((point) => row([
    day(point.week), point.series, figure(point.median),
    point.usual ? point.usual.map(figure).join(" – ") : say("too_few"), point.software || "?", point.bundle || "?",
  ])));
  draw(points, weeks);
}

function draw(points, weeks) {
  const at = (pick) => weeks.map((week) => pick(points.filter((point) => point.week === week)));
  const usual = (end) => at((ones) => ones.find((one) => one.usual)?.usual[end] ?? null);
  const lines = segments(points);
  const data = [weeks, usual(0), usual(1), ...lines.map((line) => at((ones) => {
    const one = ones.find(({ software, bundle }) => `${software}\n${bundle}` === line);
    return one ? one.median : null;
  }))];
  const style = getComputedStyle(document.documentElement), colour = (key) => style.getPropertyValue(key).trim();
  const dashes = [[], [8, 5], [2, 4], [12, 4, 2, 4]];
  const limit = { stroke: colour("--quiet"), width: 1, dash: [3, 4], points: { show: false }, spanGaps: true };
  const axis = { stroke: colour("--quiet"), grid: { stroke: colour("--edge") }, ticks: { stroke: colour("--edge") } };
  const options = {
    width: Math.max(280, find("#chart").clientWidth), height: 340, legend: { show: false }, cursor: { show: false },
    series: [{}, limit, limit, ...lines.map((_, n) => ({
      stroke: colour(n % 2 ? "--review" : "--busy"), width: 2, dash: dashes[n % 4], spanGaps: true,
      points: { show: true, size: n % 2 ? 9 : 7, fill: n % 2 ? colour("--ground") : colour("--busy") },
    }))],
    bands: [{ series: [2, 1], fill: "#9fb0c01f" }],
    axes: [{ ...axis, values: (_, ticks) => ticks.map(day), space: 90 }, { ...axis, size: 70 }],
    hooks: { draw: [(plot) => mark(plot, points, colour)] },
  };
  if (chart) chart.destroy();
  chart = weeks.length ? new uPlot(options, data, find("#chart")) : null;
}

// A line where the scanner's software changed, and one where a change of this measure began.
function mark(plot, points, colour) {
  const changes = points.filter((point, n) => n && point.software !== points[n - 1].software);
  const since = told.calls.flatMap(({ findings }) => findings.filter(({ measure }) => measure === told.measure));
  const lines = [
    ...changes.map(({ week, software }) => [week, software || "?", colour("--review")]),
    ...since.map((one) => [one.since, say("changed"), colour("--rescan")]),
  ];
  const { ctx, bbox } = plot;
  ctx.save();
  ctx.font = `${13 * devicePixelRatio}px system-ui, sans-serif`;
  lines.forEach(([week, words, stroke], n) => {
    const x = Math.round(plot.valToPos(week, "x", true));
    if (x < bbox.left || x > bbox.left + bbox.width) return;
    ctx.strokeStyle = ctx.fillStyle = stroke;
    ctx.lineWidth = 2 * devicePixelRatio;
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
    const right = x > bbox.left + bbox.width / 2;
    ctx.textAlign = right ? "right" : "left";
    ctx.fillText(words, x + (right ? -6 : 6) * devicePixelRatio, bbox.top + (16 + 18 * (n % 4)) * devicePixelRatio);
  });
  ctx.restore();
}

addEventListener("DOMContentLoaded", () => {
  find("#measure").onchange = ({ target }) => show(target.value).catch((error) => fail(error.message));
  find("#protocol").onchange = fill_chart;
  addEventListener("resize", () => chart && chart.setSize({ width: Math.max(280, find("#chart").clientWidth), height: 340 }));
  open_page(show);
});
