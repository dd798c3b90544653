"use strict";
// Logs in, and then loads what was asked for.

const said = (key, value) => WORDS[key].replace("{}", () => value);

document.documentElement.lang = WORDS.language;
for (const element of document.querySelectorAll("[data-say]")) element.textContent = WORDS[element.dataset.say];
document.querySelector("#login").onsubmit = async (event) => {
  event.preventDefault();
  const form = event.target, failed = document.querySelector("#failed");
  const body = JSON.stringify({ name: form.elements.name.value, password: form.elements.password.value });
  const answer = await fetch("/login", { method: "POST", headers: { "Content-Type": "application/json" }, body });
  if (answer.ok) return location.reload();
  failed.textContent = said("log_in_failed", (await answer.text()).trim());
  failed.hidden = false;
};
