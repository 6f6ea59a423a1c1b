// Which page, in which light, with which key.

import { ask, keepKey, NeedsKey } from "./ask.js";
import { h, knowLadder, prose, say } from "./page.js";
import overview from "./overview.js";
import savings from "./savings.js";
import routes from "./routes.js";
import requests from "./requests.js";
import request from "./request.js";
import playground from "./playground.js";
import quality from "./quality.js";
import review from "./review.js";
import keys from "./keys.js";

const main = document.getElementById("main");
const PAGES = { "": overview, savings, routes, requests, playground, quality, review, keys };
let open = new AbortController();
let first = true;

async function show() {
  open.abort();
  open = new AbortController();
  const { signal } = open;
  const [path, query = ""] = location.hash.replace(/^#\/?/, "").split("?");
  // The skip link is no page.
  if (path === "main") return main.focus();
  const [name, id] = path.split("/");
  const page = name === "requests" && id ? request : PAGES[name];
  mark(name);
  const place = h("div", {});
  try {
    knowLadder((await ask("targets", {}, signal)).tiers);
    if (!page) throw new Error("There is no such page.");
    await page(place, { id: id && decodeURIComponent(id), query: new URLSearchParams(query), signal });
  } catch (error) {
    if (signal.aborted) return;
    place.replaceChildren(error instanceof NeedsKey ? keyForm(error) : trouble(error));
  }
  if (signal.aborted) return;
  main.replaceChildren(place);
  place.dispatchEvent(new Event("shown"));
  const title = place.querySelector("h1");
  document.title = title ? `${title.textContent} · tierway` : "tierway";
  if (!first && title) {
    title.tabIndex = -1;
    title.focus({ preventScroll: true });
    scrollTo(0, 0);
  }
  first = false;
}

function mark(name) {
  for (const link of document.querySelectorAll("nav a")) {
    const mine = link.getAttribute("href").replace("#/", "") === name;
    mine ? link.setAttribute("aria-current", "page") : link.removeAttribute("aria-current");
  }
}

function trouble(error) {
  return h("section", { class: "card narrow" }, h("h1", {}, "That did not work"), h("p", {}, prose(error.message)),
    h("p", {}, h("button", { type: "button", onclick: show }, "Try again")));
}

function keyForm(error) {
  const input = h("input", { id: "key", type: "password", autocomplete: "off", required: true, "aria-describedby": "key-why" });
  const submit = (event) => {
    event.preventDefault();
    keepKey(input.value.trim());
    show();
  };
  say("A key is needed.");
  return h("section", { class: "card narrow" }, h("h1", {}, "A key, please"),
    h("p", { id: "key-why" }, prose(`The router says: ${error.message}.`)),
    h("p", { class: "dim" }, prose("Reading wants a key with `scope = \"read\"` or wider: `tierway keys add NAME --scope read` makes one. It is kept until this tab is closed and goes to this router only.")),
    h("form", { onsubmit: submit }, h("label", { for: "key" }, "Key"), input, h("button", { type: "submit" }, "Open")));
}

const THEMES = ["auto", "light", "dark"];
const button = document.getElementById("theme");
function light(theme) {
  document.documentElement.dataset.theme = theme;
  button.textContent = `Theme: ${theme}`;
}
button.addEventListener("click", () => {
  const next = THEMES[(THEMES.indexOf(document.documentElement.dataset.theme) + 1) % THEMES.length];
  localStorage.setItem("tierway-theme", next);
  light(next);
});
const kept = localStorage.getItem("tierway-theme");
light(THEMES.includes(kept) ? kept : "auto");

addEventListener("hashchange", show);
show();
