"use strict";
// Shows what /events says, and says so when it has nothing to say. Text from outside is only ever set as text.

const LOST_AFTER_MS = 12000;
const STAGES = ["RECEIVING", "WAITING", "ASSESSING", "DELIVERING"];
const WORDS = {
  ACCEPT: "ACCEPT", REVIEW: "REVIEW", RESCAN: "RESCAN", NOT_ASSESSED: "NOT ASSESSED",
  RECEIVING: "Receiving", WAITING: "Waiting", ASSESSING: "Assessing", DELIVERING: "Delivering", DONE: "No verdict",
};

const find = (selector, parent = document) => parent.querySelector(selector);
const text = (selector, words, parent) => {
  const element = find(selector, parent);
  if (element.textContent !== words) element.textContent = words;
  element.hidden = !words;
};
const clock = (ms) => new Date(ms).toLocaleTimeString([], { hour12: false });

let source, page, enlarged; // enlarged: the card whose picture is open
const started = Date.now();
let tried = 0, heard = 0, lag = 0; // milliseconds of this machine's clock; lag: how far the daemon's is ahead
let cards = [];
let told = null; // the rescans that were announced; null until the first snapshot

// A verdict counts until a later image overtakes it; then the stage does, until there is nothing else to show.
const answered = ({ verdict, superseded, stage }) => Boolean(verdict) && (!superseded || stage === "DONE");
const face = (card) => (answered(card) ? card.verdict.state : card.stage);
const cause = ({ verdict }) => verdict.not_assessed || verdict.cause_word || verdict.cause || "";
const picture = (card) => `/pictures/${encodeURIComponent(card.card_id)}.png?${card.revision}-${card.stage}`;
const counted = ({ images }) => (images === 1 ? "1 image" : `${images} images`);
const amount = (card) => (card.series > 1 ? `${card.series} series, ${counted(card)}` : counted(card));
const seconds = ({ seconds }) => (seconds === null ? "" : `answered in ${seconds.toFixed(1)} s`);
const before = ({ verdict }) => (verdict ? `Superseded: ${WORDS[verdict.state]}` : "Superseded");

function age(card) {
  const passed = Math.max(0, (Date.now() + lag) / 1000 - card.received_at);
  if (passed < 60) return `${Math.floor(passed)} s ago`;
  if (passed < 3600) return `${Math.floor(passed / 60)} min ago`;
  return `at ${clock(card.received_at * 1000 - lag).slice(0, 5)}`;
}

function fill(item, card) {
  const kind = face(card), verdict = answered(card) && card.verdict;
  item.id = `card-${card.card_id}`;
  item.dataset.kind = kind;
  item.classList.toggle("overtaken", Boolean(verdict) && card.superseded);
  find("use", item).setAttribute("href", `#${kind}`);
  text(".word", WORDS[kind], item);
  text(".cause", verdict ? cause(card) : amount(card), item);
  text(".action", verdict && !card.superseded ? verdict.action : "", item);
  find(".steps", item).hidden = card.stage === "DONE";
  [...find(".steps", item).children].forEach((step, n) => {
    const behind = STAGES.indexOf(card.stage) - n;
    step.className = behind > 0 ? "past" : behind === 0 ? "now" : "";
  });
  find(".partial", item).hidden = !card.partial;
  text(".revised", card.revision > 1 ? `Revision ${card.revision}` : "", item);
  text(".superseded", !card.superseded ? "" : verdict ? "Superseded" : before(card), item);
  text(".scanner", card.scanner, item);
  text(".description", card.description, item);
  text(".images", verdict ? amount(card) : "", item);
  find(".cleared", item).hidden = !card.cleared;
  text(".seconds", verdict ? seconds(card) : "", item);
  const button = find(".picture", item), image = find("img", button);
  button.setAttribute("aria-label", `Enlarge the picture: ${WORDS[kind]}, ${card.scanner}`);
  if (!verdict) {
    button.hidden = true;
    image.removeAttribute("src");
  } else if (image.getAttribute("src") !== picture(card)) image.src = picture(card);
}

function make(card) {
  const item = find("#card").content.firstElementChild.cloneNode(true);
  const button = find(".picture", item), image = find("img", button);
  button.hidden = true;
  image.onload = () => { button.hidden = false; };
  image.onerror = () => { button.hidden = true; };
  item.onanimationend = () => item.classList.remove("fresh"); // else a card that moves would flash again
  button.onclick = () => { enlarged = card.card_id; enlarge(); };
  return item;
}

function enlarge() {
  const card = cards.find((shown) => shown.card_id === enlarged);
  const closer = find("#closer");
  if (!card || !answered(card)) return closer.close();
  text("#closer-title", [WORDS[face(card)], cause(card), card.superseded ? "superseded" : ""].filter(Boolean).join(" · "));
  if (find("img", closer).getAttribute("src") !== picture(card)) find("img", closer).src = picture(card);
  find("ul", closer).replaceChildren(...card.verdict.reasons.map((reason) => {
    const line = document.createElement("li");
    line.textContent = reason;
    return line;
  }));
  if (!closer.open) closer.showModal();
}

function announce() {
  const calling = cards.filter((card) => !card.superseded && face(card) === "RESCAN");
  const key = (card) => `${card.card_id}/${card.revision}`;
  const fresh = told ? calling.filter((card) => !told.has(key(card))) : [];
  told = new Set(calling.map(key));
  if (fresh.length === 0) return;
  find("#announcer").textContent = fresh.map((card) => `Rescan on ${card.scanner}: ${cause(card)}. ${card.verdict.action}`).join(" ");
  for (const card of fresh) document.getElementById(`card-${card.card_id}`).classList.add("fresh");
}

function show(snapshot) {
  if (page && page !== snapshot.page) location.reload();
  page = snapshot.page;
  lag = snapshot.now * 1000 - Date.now();
  cards = snapshot.cards;
  const list = find("#cards"), focused = document.activeElement;
  const items = new Map([...list.children].map((item) => [item.id, item]));
  cards.forEach((card, place) => {
    const item = items.get(`card-${card.card_id}`) || make(card);
    items.delete(`card-${card.card_id}`);
    fill(item, card);
    if (list.children[place] !== item) list.insertBefore(item, list.children[place] || null);
  });
  items.forEach((item) => item.remove());
  if (focused !== document.activeElement) focused.focus();
  find("#empty").hidden = cards.length > 0;
  const told = snapshot.obstacles.length ? [`Series are not judged now: ${snapshot.obstacles.join("; ")}`] : [];
  text("#obstacles", [...told, ...snapshot.notices].join(". "));
  document.title = [cards.length && WORDS[face(cards[0])], "Scanside"].filter(Boolean).join(" | ");
  announce();
  if (find("#closer").open) enlarge();
}

function live() {
  if (!heard) follow();
  heard = Date.now();
  document.body.className = "live";
  text("#lost", "");
  text("#state", "Live");
}

function lose() {
  if (document.body.className === "lost") return;
  document.body.className = "lost";
  text("#lost", heard ? `Connection lost since ${clock(heard)}. What you see is not live.` : "No connection to Scanside.");
  text("#state", "Not live");
  find("#closer").close();
  document.title = "Connection lost | Scanside";
}

function connect() {
  if (source) source.close();
  tried = Date.now();
  source = new EventSource("/events");
  source.onmessage = (event) => { show(JSON.parse(event.data)); live(); };
  source.onerror = lose;
}

function tick() {
  const now = Date.now();
  if (now - (heard || started) > LOST_AFTER_MS) lose();
  // The browser tries again by itself, but not after an answer other than 200, and not while the line is silent.
  if (source.readyState === EventSource.CLOSED || now - Math.max(heard, tried) > LOST_AFTER_MS) connect();
  cards.forEach((card) => text(".age", age(card), document.getElementById(`card-${card.card_id}`)));
}

// An alert links to #card-<id>.
function follow() {
  const item = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!item) return;
  item.scrollIntoView({ block: "center" });
  item.focus();
}

window.onhashchange = follow;
connect();
setInterval(tick, 1000);
