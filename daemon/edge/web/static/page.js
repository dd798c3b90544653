"use strict";
// Shows what /events says, and says so when it has nothing to say. Text from outside is only ever set as text.

const STAGES = ["RECEIVING", "WAITING", "ASSESSING", "DELIVERING"];

const find = (selector, parent = document) => parent.querySelector(selector);
const text = (selector, words, parent) => {
  const element = find(selector, parent);
  if (element.textContent !== words) element.textContent = words;
  if (element.hidden !== !words) element.hidden = !words;
};
const named = (text) => TEXTS[text] || text; // what a bundle says
const say = (key, ...values) => values.reduce((said, value) => said.replace("{}", () => value), WORDS[key] || named(key));
const clock = (ms) => new Date(ms).toLocaleTimeString(WORDS.language, { hour12: false });
const short = (seconds) => clock(seconds * 1000 - lag).slice(0, 5);

let page, me, enlarged; // enlarged: the card whose picture is open
let lag = 0; // milliseconds that the daemon's clock is ahead of this machine's
let cards = [], shadow = false;
let told = null; // the rescans that were announced; null until the first snapshot

// What this page shows is told by its address.
const [, room, name] = location.pathname.match(/^\/(scanners|exams)\/(.+)$/) || [];
const asked = room ? `?${room === "exams" ? "exam" : "scanner"}=${name}` : "";

// A verdict counts until a later image overtakes it; then the stage does, until there is nothing else to show.
const answered = ({ verdict, superseded, stage }) => Boolean(verdict) && (!superseded || stage === "DONE");
const face = (card) => (answered(card) ? card.verdict.state : card.stage);
const cause = ({ verdict }) => say(verdict.not_assessed || verdict.cause_word || verdict.cause || "");
const picture = (card) => `/pictures/${encodeURIComponent(card.card_id)}.png?${card.revision}-${card.stage}`;
const item_of = ({ card_id }) => document.getElementById(`card-${card_id}`);
const before = ({ verdict }) => (verdict ? say("superseded_by", say(verdict.state)) : say("superseded"));
const amount = ({ images, expected, stage }) => {
  if (stage === "RECEIVING" && expected > images) return say("images_of", images, expected);
  return images === 1 ? say("image") : say("images", images);
};
const repeat = ({ repeat }) => {
  if (!repeat) return "";
  const key = { ACCEPT: "repeat_worked", RESCAN: "repeat_failed" }[repeat.state] || "repeat_seen";
  return say(key, say(repeat.state));
};

function age(card) {
  const passed = Math.max(0, (Date.now() + lag) / 1000 - card.received_at);
  if (passed < 60) return say("seconds_ago", Math.floor(passed));
  if (passed < 3600) return say("minutes_ago", Math.floor(passed / 60));
  return say("at", short(card.received_at));
}

function fill(item, card) {
  const kind = face(card), verdict = answered(card) && card.verdict;
  item.id = `card-${card.card_id}`;
  item.dataset.kind = kind;
  item.classList.toggle("overtaken", Boolean(verdict) && card.superseded);
  item.classList.toggle("calls", card.calls);
  find("use", item).setAttribute("href", `#${kind}`);
  text(".word", say(kind), item);
  text(".cause", verdict ? cause(card) : amount(card), item);
  text(".action", verdict && !card.superseded ? say(verdict.action) : "", item);
  find(".steps", item).hidden = card.stage === "DONE";
  [...find(".steps", item).children].forEach((step, n) => {
    const behind = STAGES.indexOf(card.stage) - n;
    step.className = behind > 0 ? "past" : behind === 0 ? "now" : "";
  });
  find(".partial", item).hidden = !card.partial;
  text(".revised", card.revision > 1 ? say("revision", card.revision) : "", item);
  text(".superseded", !card.superseded ? "" : verdict ? say("superseded") : before(card), item);
  text(".repeat", repeat(card), item);
  text(".protocol", card.description, item);
  text(".number", card.number === null ? "" : say("series_number", card.number), item);
  text(".images", verdict ? amount(card) : "", item);
  find(".cleared", item).hidden = !card.cleared;
  fill_details(find(".details", item), card);
  text(".seconds", verdict && card.seconds !== null ? say("answered_in", card.seconds.toFixed(1)) : "", item);
  fill_answer(item, card);
  const button = find(".picture", item), image = find("img", button);
  button.setAttribute("aria-label", say("enlarge", say(kind), card.description || card.scanner));
  if (!verdict) {
    button.hidden = true;
    image.removeAttribute("src");
  } else if (image.getAttribute("src") !== picture(card)) image.src = picture(card);
}

function fill_details(link, card) {
  link.hidden = shadow;
  link.href = `/series/${encodeURIComponent(card.card_id)}`;
  link.textContent = say("details");
  link.setAttribute("aria-label", `${say("details")}: ${card.description || card.scanner}`);
}

function make(card) {
  const item = clone("#card");
  const button = find(".picture", item), image = find("img", button);
  button.hidden = true;
  image.onload = () => { button.hidden = false; };
  image.onerror = () => { button.hidden = true; };
  item.onanimationend = () => item.classList.remove("fresh"); // else a card that moves would flash again
  button.onclick = () => { enlarged = card.card_id; enlarge(); };
  take_answers(item, card.card_id);
  return item;
}

function clone(template) {
  const made = find(template).content.firstElementChild.cloneNode(true);
  for (const element of made.querySelectorAll("[data-say]")) element.textContent = say(element.dataset.say);
  return made;
}

function enlarge() {
  const card = cards.find((one) => one.card_id === enlarged);
  const closer = find("#closer");
  if (!card || !answered(card)) return closer.close();
  const title = [say(face(card)), cause(card), card.superseded ? say("superseded") : ""];
  text("#closer-title", title.filter(Boolean).join(" · "));
  if (find("img", closer).getAttribute("src") !== picture(card)) find("img", closer).src = picture(card);
  find("ul", closer).replaceChildren(...card.verdict.reasons.map((reason) => line(reason)));
  if (!closer.open) closer.showModal();
}

function line(words, address) {
  const item = document.createElement("li");
  const inner = address ? item.appendChild(document.createElement("a")) : item;
  if (address) inner.href = address;
  inner.textContent = words;
  return item;
}

function announce() {
  const calling = cards.filter((card) => card.calls);
  const key = (card) => `${card.card_id}/${card.revision}`;
  const fresh = told ? calling.filter((card) => !told.has(key(card))) : [];
  told = new Set(calling.map(key));
  if (fresh.length === 0) return;
  const words = fresh.map((card) => say("announce", card.scanner, cause(card), say(card.verdict.action)));
  find("#announcer").textContent = words.join(" ");
  for (const card of fresh) item_of(card).classList.add("fresh");
  sound();
}

// One section an exam, in the order told; an item keeps its place in the document, and with it its focus.
function arrange(parent, wanted, fit) {
  wanted.forEach((one, place) => {
    const item = fit(one);
    if (parent.children[place] !== item) parent.insertBefore(item, parent.children[place] || null);
  });
  while (parent.children.length > wanted.length) parent.lastElementChild.remove();
}

function fill_exam(section, exam) {
  const link = find(".scanner", section), own = cards.filter((card) => card.exam === exam.exam_id);
  section.id = `exam-${exam.exam_id}`;
  section.setAttribute("aria-label", exam.scanner);
  section.classList.toggle("ended", exam.over_at !== null);
  link.href = `/scanners/${encodeURIComponent(exam.scanner)}`;
  link.textContent = exam.scanner;
  find(".to-quality", section).href = `/quality/${encodeURIComponent(exam.scanner)}`;
  find(".to-quality", section).hidden = shadow;
  text(".hint", exam.hint, section);
  text(".since", [say("since", short(exam.began_at)), say("series_count", exam.series)].join(" · "), section);
  text(".over", exam.over_at === null ? "" : say("over"), section);
  find(".none", section).hidden = own.length > 0 || exam.series > 0;
  const items = new Map([...find(".cards", section).children].map((item) => [item.id, item]));
  arrange(find(".cards", section), own, (card) => {
    const item = items.get(`card-${card.card_id}`) || make(card), now = JSON.stringify(card);
    if (item.dataset.shown !== now) fill(item, card);
    item.dataset.shown = now;
    return item;
  });
  const more = find(".more a", section);
  more.href = `/exams/${exam.exam_id}`;
  text(".more a", exam.more ? say("more", exam.more) : "", section);
  const count = exam.quiet.reduce((sum, quiet) => sum + quiet.series, 0);
  const names = [...new Set(exam.quiet.map(({ description }) => description || "?"))];
  const some = names.length > 4 ? `${names.slice(0, 4).join(", ")} ...` : names.join(", ");
  text("summary", count ? say("not_judged", count, some) : "", section);
  find(".quiet", section).hidden = !count;
  const lines = exam.quiet.map((quiet) => `${quiet.description || "?"} (${say("series_count", quiet.series)}): ${say(quiet.why)}`);
  const list = find(".quiet ul", section);
  if (list.dataset.shown !== lines.join("\n")) list.replaceChildren(...lines.map((words) => line(words)));
  list.dataset.shown = lines.join("\n");
  for (const kind of ["missing", "extra"]) {
    find(`.${kind}`, section).hidden = !exam[kind].length;
    text(`.${kind}`, exam[kind].length ? say(`${kind}_series`, exam[kind].join(", ")) : "", section);
  }
  fill_timeline(find(".timeline", section), own, exam);
}

// Every series of the exam in the order in which they came, a sign each.
function fill_timeline(list, own, exam) {
  const signs = exam.more ? [] : [...own].sort((a, b) => (a.number || 0) - (b.number || 0) || a.received_at - b.received_at);
  const now = signs.map((card) => `${card.card_id} ${face(card)} ${card.number}`).join("\n");
  list.hidden = signs.length < 2;
  list.setAttribute("aria-hidden", "true");
  if (list.dataset.shown === now) return;
  list.dataset.shown = now;
  list.replaceChildren(...signs.map((card, place) => {
    const item = document.createElement("li");
    item.dataset.kind = face(card);
    item.textContent = card.number === null ? place + 1 : card.number;
    return item;
  }));
}

function show(snapshot) {
  if (page && page !== snapshot.page) location.reload();
  ({ page, cards } = snapshot);
  shadow = Boolean(snapshot.shadow);
  lag = snapshot.now * 1000 - Date.now();
  const focused = document.activeElement;
  const sections = new Map([...find("#exams").children].map((section) => [section.id, section]));
  arrange(find("#exams"), snapshot.exams, (exam) => {
    const section = sections.get(`exam-${exam.exam_id}`) || clone("#exam");
    fill_exam(section, exam);
    return section;
  });
  find("#exams").classList.toggle("wall", snapshot.exams.length > 1);
  if (focused !== document.activeElement && focused.isConnected) focused.focus();
  find("#empty").hidden = snapshot.exams.length > 0;
  text("#empty .headline", say(room && !snapshot.exams.length ? "unknown_scanner" : "none_yet"));
  find("#earlier").hidden = snapshot.earlier.length === 0;
  find("#earlier ul").replaceChildren(...snapshot.earlier.map((exam) => line(summary(exam), `/exams/${exam.exam_id}`)));
  const judging = snapshot.obstacles.length ? [say("not_judging", snapshot.obstacles.join("; "))] : [];
  text("#obstacles", [...(shadow ? [say("shadow")] : []), ...judging, ...snapshot.notices].join(". "));
  document.title = [cards.length && say(face(cards[0])), "Scanside"].filter(Boolean).join(" | ");
  announce();
  if (find("#closer").open) enlarge();
}

function summary(exam) {
  const day = new Date(exam.began_at * 1000 - lag).toLocaleDateString(WORDS.language);
  const states = ["RESCAN", "REVIEW", "ACCEPT"].map((state) => [state, exam.verdicts.filter((one) => one === state).length]);
  const counts = states.filter(([, count]) => count).map(([state, count]) => `${count} ${say(state)}`);
  const open = exam.unanswered ? [say("unanswered", exam.unanswered)] : [];
  return [`${day} ${short(exam.began_at)}`, exam.hint, say("series_count", exam.series), ...counts, ...open].filter(Boolean).join(" · ");
}

// An alert links to #card-<id>.
function follow() {
  const item = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!item) return;
  item.scrollIntoView({ block: "center" });
  item.focus();
}

function begin() {
  document.documentElement.lang = WORDS.language;
  for (const element of document.querySelectorAll("[data-say]")) element.textContent = say(element.dataset.say);
  find("#closer img").alt = say("summary_picture");
  text("#state", say("connecting"));
  window.onhashchange = follow;
  connect();
  setInterval(tick, 1000);
}

addEventListener("DOMContentLoaded", begin);
