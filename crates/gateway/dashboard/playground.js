// Type a prompt, see the decision. Nobody is called, nothing is kept.

import { post, NeedsKey } from "./ask.js";
import { h, card, facts, words, prose, tierTag, say } from "./page.js";
import { chancesCard, becauseCard, rejectedCard } from "./decision.js";
import { targetCard } from "./target.js";
import { count } from "./figures.js";

const EXAMPLES = [
  "What is the capital of Peru?",
  "Write a Python function that merges overlapping intervals, with tests.",
  "Prove that there are infinitely many primes of the form 4k + 3.",
];
// Typing goes on; deciding waits for a breath.
const PAUSE_MS = 300;

export default async function playground(place, { signal }) {
  const prompt = h("textarea", { id: "prompt", rows: "6", required: true, "aria-describedby": "prompt-note", oninput: soon });
  const system = h("textarea", { id: "system", rows: "2", oninput: soon });
  const out = h("div", {});
  const week = h("div", { "aria-live": "off" });
  let timer = null;
  let asked = 0;
  function soon() {
    clearTimeout(timer);
    timer = setTimeout(decide, PAUSE_MS);
  }
  async function decide() {
    clearTimeout(timer);
    const turn = ++asked;
    if (!prompt.value.trim()) return out.replaceChildren();
    try {
      const told = await post("route", { prompt: prompt.value, ...(system.value.trim() ? { system: system.value } : {}) }, signal);
      if (turn !== asked) return;
      out.replaceChildren(...shown(told));
      say(`Decided: ${told.tier}, ${told.reason.words}`);
    } catch (error) {
      if (!signal.aborted && turn === asked) out.replaceChildren(card(null, h("p", { class: "bad" }, error instanceof NeedsKey ? "This needs a key." : error.message)));
    }
  }
  place.append(h("h1", {}, "Playground"), h("p", { class: "lead" }, "Where would it go, and why?"),
    h("form", { class: "card", onsubmit: (event) => { event.preventDefault(); decide(); } },
      h("label", { for: "prompt" }, "Prompt"), prompt,
      h("p", { class: "dim", id: "prompt-note" }, "Only decides: no provider is called, nothing is recorded."),
      h("details", {}, h("summary", {}, "Instructions (system message)"), h("label", { for: "system" }, "Instructions"), system),
      h("p", { class: "row-of" }, h("button", { type: "submit" }, "Decide"), EXAMPLES.map((text) =>
        h("button", { type: "button", class: "quiet", onclick: () => { prompt.value = text; decide(); } }, text.length > 34 ? `${text.slice(0, 32)}…` : text)))),
    out, week);
  // Comes when it comes: deciding does not wait for it.
  targetCard(signal).then((shown) => week.replaceChildren(shown), (error) => {
    if (!signal.aborted) week.replaceChildren(card("The last week under another quality target", h("p", { class: "bad" }, error.message)));
  });
}

function shown(told) {
  return [
    card("Decision", h("p", { class: "answer" }, tierTag(told.tier), " ", prose(told.reason.words)),
      facts([["Target", told.targets[0]?.target ?? "–"], ["Then", told.targets.slice(1).map((target) => target.target).join(", ")], ["Raised from", told.raised_from ?? ""],
        ["Kind of work", words(told.task_type)], ["Difficulty", words(told.complexity)], ["Score", told.score_strong.toFixed(3)], ["Tokens in, estimated", count(told.input_tokens_estimated)], ["Took", `${count(told.decide_us)} µs`]]),
      !told.calibrated && h("p", { class: "note" }, prose("Not calibrated: thresholds are cautious constants until `tierway calibrate` proves them on your own outcomes."))),
    h("div", { class: "columns" },
      h("div", { class: "stack" }, chancesCard(told.chances, told.needed, told.tier, told.abstained), rejectedCard(told.rejected)),
      h("div", { class: "stack" }, becauseCard(told.because))),
  ];
}
