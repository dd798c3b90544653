"use strict";
// One series step by step: its verdict, what happened when, its numbers and pictures, and what can be done with it.

const card_id = decodeURIComponent(location.pathname.replace(/^\/series\//, ""));
const own = `/series/${encodeURIComponent(card_id)}`;
let told, count = 0, drawn = false; // drawn: there are lines over the slices

const put = (selector, words) => { find(selector).textContent = words; find(selector).hidden = !words; };

async function show() {
  told = await ask(`/history?card=${encodeURIComponent(card_id)}`);
  fail("");
  const newest = told.steps[0], judged = told.steps.find(({ verdict }) => verdict), verdict = judged?.verdict;
  put("#title", told.protocol || say("series_details"));
  document.title = `${told.protocol || card_id} | Scanside`;
  put("#verdict", verdict ? say(verdict.state) : say(newest && !told.under_way ? newest.stage : "RECEIVING"));
  find("#verdict").dataset.kind = verdict ? verdict.state : "RECEIVING";
  put("#why", verdict ? [say(verdict.not_assessed || verdict.cause_word || ""), verdict.action, ...verdict.reasons].filter(Boolean).join(" · ") : "");
  put("#facts", !newest ? "" : [
    told.scanner, say("images", newest.images), newest.partial ? say("partial") : "", newest.revision > 1 ? say("revision", newest.revision) : "",
    judged?.software && `${say("software")}: ${judged.software}`, judged?.bundle && `${say("bundle")}: ${judged.bundle}`,
  ].filter(Boolean).join(" · "));
  put("#compared", judged?.reference ? [say("compared_with", judged.reference), judged.learning, ...judged.remarks].filter(Boolean).join(" · ") : "");
  const back = find("#back");
  back.href = told.exam ? `/exams/${told.exam}` : "/";
  back.textContent = say("to_live");
  fill_timeline();
  fill_numbers(judged ? judged.numbers : []);
  fill_deeds(verdict, judged);
}

function fill_timeline() {
  const began = told.events.length ? told.events[0].at : 0, several = told.steps.length > 1;
  find("#timeline tbody").replaceChildren(...told.events.map((event) => row([
    moment(event.at), `${(event.at - began).toFixed(1)} s`,
    say(event.what, say(event.detail)) + (several ? ` (${say("revision", event.revision)})` : ""),
  ])));
}

function fill_numbers(numbers) {
  find("#none").hidden = numbers.length > 0;
  find("#numbers").parentElement.hidden = !numbers.length;
  find("#numbers tbody").replaceChildren(...numbers.map((one) => row([
    one.place ? `${named(one.name)}, ${one.place}` : named(one.name),
    one.unit === "1" ? figure(one.value) : `${figure(one.value)} ${one.unit}`,
    figure(one.limit), one.usual ? one.usual.map(figure).join(" – ") : "", figure(one.p_value),
    one.abnormal ? say("abnormal") : one.value === null ? say("no_number") : one.limit !== null || one.p_value !== null ? say("normal") : "",
  ])));
}

function fill_deeds(verdict, judged) {
  find("#complete").hidden = !(may() && told.under_way);
  find("#again").hidden = !(may() && !told.under_way && told.is_there);
  find("#resend").hidden = !(may() && told.events.some(({ what }) => what === "delivered" || what === "parked"));
  for (const [id, more] of [["#case", ""], ["#case-slices", "?slices=1"]]) {
    find(id).href = `${own}/case.zip${more}`;
    find(id).hidden = !may() || !told.steps.length || (more && !told.is_there);
  }
  const picture = find("#picture");
  picture.alt = say("summary_picture");
  picture.onload = () => { picture.hidden = false; };
  if (verdict) picture.src = `/pictures/${encodeURIComponent(card_id)}.png?${judged.revision}`;
  find("#show-slices").hidden = !told.is_there || count > 0;
}

async function done(deed) {
  try {
    await act(`${own}/${deed}`);
    put("#done", say(`done_${deed}`));
    setTimeout(() => show().catch((error) => fail(error.message)), 1500);
  } catch (error) {
    put("#done", say("not_done", error.message));
  }
}

async function show_slices() {
  ({ slices: count, overlay: drawn } = await ask(`${own}/slices`));
  find("#show-slices").hidden = count > 0;
  put("#which", count ? "" : say("no_slices"));
  if (!count) return;
  const number = find("#number");
  find("#scroll").hidden = false;
  find("#drawn").hidden = !drawn;
  number.max = count;
  number.value = Math.ceil(count / 2);
  number.oninput = turn;
  turn();
  number.focus();
}

function turn() {
  const at = Number(find("#number").value), picture = find("#slice");
  picture.alt = say("slice_of", at, count);
  picture.src = `${own}/slices/${at - 1}.png`;
  picture.hidden = false;
  put("#which", say("slice_of", at, count));
  const lines = find("#overlay");
  lines.alt = say("lines");
  if (drawn) lines.src = `${own}/overlays/${at - 1}.png`;
  show_lines();
}

function show_lines() {
  const on = drawn && find("#drawn").getAttribute("aria-pressed") === "true";
  find("#overlay").hidden = find("#lines").hidden = !on;
}

function flip_lines() {
  const button = find("#drawn");
  button.setAttribute("aria-pressed", button.getAttribute("aria-pressed") !== "true");
  show_lines();
}

// One key, where keys are on (the live page turns them off) and nothing is being typed.
function press(event) {
  const types = event.target.matches("input:not([type=range]), select, textarea");
  if (event.key !== "o" || event.ctrlKey || event.altKey || event.metaKey || types) return;
  if (drawn && localStorage.getItem("keys") !== "off") flip_lines();
}

addEventListener("DOMContentLoaded", () => {
  for (const deed of ["complete", "again", "resend"]) find(`#${deed}`).onclick = () => done(deed);
  find("#drawn").onclick = flip_lines;
  addEventListener("keydown", press);
  find("#show-slices").onclick = () => show_slices().catch((error) => fail(error.message));
  open_page(show);
});
