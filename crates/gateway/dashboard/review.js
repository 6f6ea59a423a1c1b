// Two answers side by side; which one is the cheap tier's is told only after a word. Made for the keyboard: 1, 2, 0, then
// Enter for the next pair.

import { ask, post } from "./ask.js";
import { h, card, words, say } from "./page.js";

const KEYS = { 1: "left", 2: "right", 0: "tie" };
const NAMES = { left: "The left one", right: "The right one", tie: "As good as each other" };

export default async function review(place, { signal }) {
  const shown = h("div", {});
  let current = null;
  let waiting = 0;
  const putOff = new Set();
  place.append(h("h1", {}, "Which answer is better?"),
    h("p", { class: "lead" }, "Keys: ", h("kbd", {}, "1"), " left, ", h("kbd", {}, "2"), " right, ", h("kbd", {}, "0"), " neither, ", h("kbd", {}, "s"), " later, ", h("kbd", {}, "Enter"), " next."), shown);

  async function next() {
    const list = await ask("review/next", {}, signal);
    waiting = list.waiting;
    if (list.ids.every((id) => putOff.has(id))) putOff.clear();
    const id = list.ids.find((id) => !putOff.has(id));
    current = id ? await ask(`review/${id}`, {}, signal) : null;
    draw();
  }
  async function later() {
    if (!current || current.told) return;
    putOff.add(current.request_id);
    await next();
  }
  async function speak(better) {
    if (!current || current.told) return;
    current = await post(`review/${current.request_id}`, { better }, signal);
    draw();
    say(`You said: ${NAMES[better]}. ${told(current.told)}`);
  }
  function draw() {
    if (!current) return shown.replaceChildren(card("Nothing to compare", h("p", {}, "Pairs appear here when samples were judged and their texts are still kept.")));
    const { texts } = current;
    const answer = (name, text) => card(name, h("pre", { class: "answer-text", tabindex: "0", role: "region", "aria-label": name }, text));
    shown.replaceChildren(h("div", {},
      card("The request", h("p", { class: "dim" }, `${words(current.task_type)}; ${waiting} waiting`),
        texts ? h("pre", { class: "answer-text", tabindex: "0", role: "region", "aria-label": "The request" }, texts.request) : h("p", {}, "Its texts are not kept any more.")),
      texts && h("div", { class: "columns" }, answer("Left answer", texts.left), answer("Right answer", texts.right)),
      current.told ? verdict(current) : h("div", { class: "card row-of", role: "group", "aria-label": "Your word" }, Object.entries(KEYS).sort((a, b) => (a[0] === "0") - (b[0] === "0")).map(([key, better]) =>
        h("button", { type: "button", class: "quiet", onclick: () => speak(better) }, h("kbd", {}, key), ` ${NAMES[better]}`)),
        h("button", { type: "button", class: "quiet", onclick: later }, h("kbd", {}, "s"), " Later"))));
  }
  const other = { left: "right", right: "left" };
  function told({ cheap, cheap_model, baseline_model, judge }) {
    const preferred = judge === "tie" ? "found nothing between them" : `preferred the ${judge === "cheap" ? cheap : other[cheap]} one`;
    return `The ${cheap} one was the cheaper ${cheap_model}, the other ${baseline_model}. The judge ${preferred}.`;
  }
  function verdict({ told: one }) {
    return card("So it was", h("p", {}, told(one)), one.why && h("p", { class: "dim" }, one.why),
      one.disagreed && h("p", { class: "note" }, "The judge changed its mind with the places of the answers."),
      h("p", {}, h("button", { type: "button", onclick: next }, "Next pair")));
  }
  function key(event) {
    if (signal.aborted || event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName)) return;
    if (KEYS[event.key]) {
      event.preventDefault();
      speak(KEYS[event.key]);
    } else if (event.key === "s") {
      later();
    } else if (event.key === "Enter" && current?.told && event.target.tagName !== "BUTTON" && event.target.tagName !== "A") {
      next();
    }
  }
  addEventListener("keydown", key, { signal });
  await next();
}
