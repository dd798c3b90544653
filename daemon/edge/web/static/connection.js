"use strict";
// The line to the daemon: snapshots as they come, and what the page says when none come. Loaded behind page.js.

const LOST_AFTER_MS = 12000, GATHER_MS = 50;
const started = Date.now();
let source, newest = null; // newest: a snapshot that waits to be drawn
let tried = 0, heard = 0; // milliseconds of this machine's clock

function live() {
  if (!heard) follow();
  heard = Date.now();
  document.body.className = "live";
  text("#lost", "");
  text("#state", say("live"));
}

function lose() {
  if (document.body.className === "lost") return;
  document.body.className = "lost";
  text("#lost", heard ? say("lost_since", clock(heard)) : say("no_connection"));
  text("#state", say("not_live"));
  find("#closer").close();
  document.title = `${say("lost_title")} | Scanside`;
}

// Who looks at this page; without a session any more, the page asks for a new one.
async function greet() {
  const answer = await fetch("/me");
  if (answer.status === 401) return location.reload();
  me = await answer.json();
  text("#leave", me.session ? say("log_out", me.name) : "");
  cards.forEach((card) => { if (item_of(card)) fill_answer(item_of(card), card); });
}

// A burst of images brings snapshots faster than a slow console draws them: of those that wait only the newest counts.
function receive(event) {
  if (newest === null) setTimeout(draw, GATHER_MS); // not requestAnimationFrame: a hidden page sounds, too
  newest = event.data;
}

function draw() {
  const snapshot = JSON.parse(newest);
  newest = null;
  show(snapshot);
  live();
}

function connect() {
  greet().catch(() => {});
  if (source) source.close();
  tried = Date.now();
  source = new EventSource(`/events${asked}`);
  source.onmessage = receive;
  source.onerror = lose;
}

function tick() {
  const now = Date.now();
  if (now - (heard || started) > LOST_AFTER_MS) lose();
  // The browser tries again by itself, but not after an answer other than 200, and not while the line is silent.
  if (source.readyState === EventSource.CLOSED || now - Math.max(heard, tried) > LOST_AFTER_MS) connect();
  cards.forEach((card) => text(".age", age(card), item_of(card)));
}
