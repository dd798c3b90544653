"use strict";
// What a person answers, by mouse, finger or two keys; and the sound of a rescan. Loaded behind page.js.

const REASONED = new Set(["RESCAN", "REVIEW"]);
let changing = null; // the card whose answer is being changed
const setting = {
  get: (key) => localStorage.getItem(key) !== "off",
  flip: (key) => localStorage.setItem(key, setting.get(key) ? "off" : "on"),
};
let blocked = false; // the browser plays nothing before somebody touched the page

const holds = ({ answer, verdict }) => Boolean(answer && verdict && answer.state === verdict.state);
const may = () => Boolean(me) && me.role !== "viewer";
const asks = (card) => answered(card) && !card.superseded && REASONED.has(card.verdict.state);

function fill_answer(item, card) {
  const given = holds(card) && asks(card), choices = find(".choices", item);
  const open = may() && asks(card) && (!given || changing === card.card_id);
  choices.hidden = !open;
  choices.setAttribute("aria-label", say("answer"));
  [...choices.querySelectorAll("button")].forEach((button, n) => {
    button.textContent = `${n + 1} ${say(button.dataset.choice)}`;
  });
  find(".given", item).hidden = !given || open;
  find(".given button", item).hidden = !may();
  if (!given) return;
  const { choice, by, at, reason } = card.answer;
  const words = say("answered", say(choice), by, short(at));
  text(".given span", reason ? `${words}: ${reason}` : words, item);
}

function take_answers(item, card_id) {
  for (const button of item.querySelectorAll("[data-choice]")) {
    button.onclick = () => give(card_id, button.dataset.choice);
  }
  find(".given button", item).onclick = () => change(card_id);
}

function change(card_id) {
  changing = card_id;
  const card = cards.find((one) => one.card_id === card_id), item = card && item_of(card);
  if (!item) return;
  fill_answer(item, card);
  find(".choices button", item).focus();
}

// A daemon that was started anew gives new tokens: the page asks for its own once more.
async function send(address, body) {
  const sent = () => fetch(address, {
    method: "POST", headers: { "Content-Type": "application/json", "X-Scanside-Token": me.token }, body,
  });
  const answer = await sent();
  if (answer.status !== 403) return answer;
  await greet();
  return sent();
}

async function give(card_id, choice) {
  const card = cards.find((one) => one.card_id === card_id);
  if (!card || !asks(card) || !may()) return;
  const input = find("input", item_of(card));
  const body = JSON.stringify({ choice, revision: card.revision, reason: input.value });
  try {
    const kept = await send(`/cards/${encodeURIComponent(card_id)}/answer`, body);
    if (!kept.ok) throw new Error((await kept.text()).trim());
    changing = null;
    input.value = "";
    text("#failed", "");
    item_of(card).focus();
  } catch (error) {
    text("#failed", say("not_kept", error.message));
  }
}

// The selected card: where the focus is; else none.
const selected = () => document.activeElement.closest(".card");

function step(by) {
  const items = [...document.querySelectorAll(".card")];
  const at = items.indexOf(selected());
  const next = items[at < 0 ? (by > 0 ? 0 : items.length - 1) : Math.min(items.length - 1, Math.max(0, at + by))];
  if (next) next.focus();
}

function press(event) {
  if (event.target.matches(".choices input") && event.key === "Enter") return selected().focus();
  if (event.ctrlKey || event.altKey || event.metaKey || event.target.matches("input")) return;
  if (!setting.get("keys") || find("#closer").open) return;
  const card = selected();
  const act = {
    a: () => (find(".card.calls") || find(".card"))?.focus(),
    j: () => step(1), ArrowDown: () => step(1),
    k: () => step(-1), ArrowUp: () => step(-1),
    r: () => card && find(".choices:not([hidden]) input", card)?.focus(),
    s: () => find("#sound").click(),
  }[event.key];
  const button = card && card.querySelectorAll("[data-choice]")[Number(event.key) - 1];
  if (button) {
    if (find(".choices", card).hidden) change(card.id.slice("card-".length));
    button.click();
  } else if (act) act();
  else return;
  event.preventDefault();
}

async function sound() {
  if (!setting.get("sound")) return;
  const player = find("#rescan");
  player.currentTime = 0;
  try {
    await player.play();
    blocked = false;
  } catch (error) {
    if (error.name === "NotAllowedError") blocked = true;
  }
  label();
}

function label() {
  const on = setting.get("sound");
  find("#sound").textContent = say(!on ? "sound_off" : blocked ? "sound_blocked" : "sound_on");
  find("#keys").textContent = say(setting.get("keys") ? "keys_on" : "keys_off");
}

addEventListener("keydown", press);
addEventListener("DOMContentLoaded", () => {
  find("#sound").onclick = () => {
    if (blocked && setting.get("sound")) return sound();
    setting.flip("sound");
    if (!setting.get("sound")) find("#rescan").pause();
    label();
  };
  find("#keys").onclick = () => { setting.flip("keys"); label(); };
  find("#leave").onclick = async () => {
    await send("/logout", "{}");
    location.reload();
  };
  label();
});
