"use strict";
// What the pages beside the live one share. Text from outside is only ever set as text.

const find = (selector, parent = document) => parent.querySelector(selector);
const named = (text) => TEXTS[text] || text; // what a bundle says
const say = (key, ...values) => values.reduce((said, value) => said.replace("{}", () => value), WORDS[key] || named(key));
const day = (seconds) => new Date(seconds * 1000).toLocaleDateString(WORDS.language);
const moment = (seconds) => new Date(seconds * 1000).toLocaleString(WORDS.language, { hour12: false });
const figure = (value) => (value === null || value === undefined ? "" : Number(value.toPrecision(4)).toString());
const percent = (share) => `${share > 0 ? "+" : ""}${(100 * share).toFixed(0)} %`;
let me; // who looks at this page

function clone(template) {
  const made = find(template).content.firstElementChild.cloneNode(true);
  for (const element of made.querySelectorAll("[data-say]")) element.textContent = say(element.dataset.say);
  return made;
}

function row(cells) {
  const made = document.createElement("tr");
  made.append(...cells.map((cell, place) => {
    const element = document.createElement(place ? "td" : "th");
    if (!place) element.scope = "row";
    element.textContent = cell;
    return element;
  }));
  return made;
}

function fail(words) {
  const banner = find("#failed");
  banner.textContent = words;
  banner.hidden = !words;
}

async function ask(address) {
  const answer = await fetch(address);
  if (answer.status === 401) location.reload();
  if (!answer.ok) throw new Error((await answer.text()).trim());
  return answer.json();
}

async function act(address, body = {}) {
  const send = () => fetch(address, {
    method: "POST", headers: { "Content-Type": "application/json", "X-Scanside-Token": me.token }, body: JSON.stringify(body),
  });
  let answer = await send();
  if (answer.status === 403) { // a daemon that was started anew gives new tokens
    me = await ask("/me");
    answer = await send();
  }
  if (!answer.ok) throw new Error((await answer.text()).trim());
  return answer;
}

// Begins a page: its own words, its visitor, then what it shows, again after each deed.
async function open_page(show) {
  document.documentElement.lang = WORDS.language;
  for (const element of document.querySelectorAll("[data-say]")) element.textContent = say(element.dataset.say);
  try {
    me = await ask("/me");
    await show();
  } catch (error) {
    fail(error.message);
  }
}
const may = () => Boolean(me) && me.role !== "viewer";
