// What was found about quality, from real pairs: sampled, answered twice and judged through the router. People compare
// them by keyboard, and their words are in the store afterwards; savings have intervals; what it cost is in a budget.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { provider } from "./provider.js";
import { clean, folder, freePort, go, open, start, tell } from "./stage.js";

// Everything goes to the small tier, and everything is looked at.
const config = (port, url) => `
[server]
listen = "127.0.0.1:${port}"
[providers.p]
kind = "openai_compatible"
base_url = "${url}"
[[tiers]]
name = "small"
price = { input = 0.15, output = 0.60 }
targets = [{ provider = "p", model = "small" }]
[[tiers]]
name = "large"
price = { input = 5.0, output = 15.0 }
targets = [{ provider = "p", model = "large" }]
[routing]
baseline = "large"
policy = "tiers"
complexity = { simple = "small", medium = "small", complex = "small", reasoning = "small" }
[quality]
sample = 1.0
dollars_a_day = 100.0
judge = "large"
allow_without_key = true
hold = "never"
[budgets]
step_down_at = 0.005
[users.anna]
budget = "0.001/day"
step_down_to = "small"
[ledger]
path = "review.db"
`;

// As many as an interval of savings wants, and some.
const PROMPTS = Array.from({ length: 34 }, (_, at) => `Translate "${at} good mornings" into German.`);

async function ask(origin, prompt, headers = {}) {
  const body = JSON.stringify({ model: "auto", max_tokens: 20, messages: [{ role: "user", content: prompt }] });
  const answer = await fetch(`${origin}/v1/chat/completions`, { method: "POST", body, headers });
  assert.equal(answer.status, 200, await answer.text());
}

async function judged(origin, wanted) {
  let told = null;
  for (let tries = 0; tries < 300; tries++) {
    const { waiting } = await (await fetch(`${origin}/api/v1/review/next`)).json();
    if (waiting === wanted) return;
    told = `${waiting} of ${wanted} pairs were judged in a minute: `;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  const { samples } = await (await fetch(`${origin}/api/v1/quality`)).json();
  assert.fail(told + JSON.stringify(samples));
}

// What the store says of people's words: read by another process.
const labels = () => JSON.parse(tell(["quality", "--config", "review.toml", "--json"])).quality;

export default async function review() {
  const upstream = await provider();
  const port = await freePort();
  const origin = `http://127.0.0.1:${port}`;
  writeFileSync(join(folder, "review.toml"), config(port, upstream.url));
  await start(["serve", "--config", "review.toml", "--workers", "1"], "/dashboard");
  for (const prompt of PROMPTS) await ask(origin, prompt);
  await judged(origin, PROMPTS.length);
  // What a client names is not compared, but it is paid for.
  await ask(origin, PROMPTS[0], { "x-tierway-user": "anna", "x-tierway-tier": "small" });
  assert.equal(labels().labels, 0);

  const page = await open(origin);
  const shown = (name) => page.getByRole("region", { name, exact: true });
  const waiting = (count) => page.getByText(`translation; ${count} waiting`).waitFor();
  await go(page, origin, "#/review", "Which answer is better?");
  await waiting(PROMPTS.length);
  const first = await shown("The request").innerText();
  assert.ok(PROMPTS.some((prompt) => first.includes(prompt)), `the request is shown: ${first}`);
  // Blind: neither model nor verdict is on the page before a word was said.
  assert.doesNotMatch(await page.locator("main").innerText(), /judge said|So it was/);
  await clean(page, "review-pair");

  // To one that was put off the eyes come back after the others.
  await page.keyboard.press("s");
  await page.waitForFunction((first) => document.querySelector("[aria-label='The request']").textContent !== first, first);
  const [left, right] = await Promise.all([shown("Left answer").innerText(), shown("Right answer").innerText()]);
  assert.notEqual(left, right);
  // Against the judge, which prefers the large one.
  const small = left.includes("the small one") ? "1" : "2";
  await page.keyboard.press(small);
  await page.getByRole("heading", { name: "So it was" }).waitFor();
  await page.locator("main").getByText(`The ${small === "1" ? "left" : "right"} one was the cheaper p/small`).waitFor();
  await page.getByText("It greets as one greets there.").waitFor();
  await clean(page, "review-told");
  let stored = labels();
  assert.deepEqual([stored.labels, stored.labels_agreed], [1, 0], "the word is in the store, against the judge's");

  // The next one, with the judge.
  await page.keyboard.press("Enter");
  await waiting(PROMPTS.length - 1);
  const good = (await shown("Left answer").innerText()).includes("the large one") ? "1" : "2";
  await page.keyboard.press(good);
  await page.getByRole("heading", { name: "So it was" }).waitFor();
  stored = labels();
  assert.deepEqual([stored.labels, stored.labels_agreed], [2, 1], "two words, one of them the judge's too");
  for (let left = PROMPTS.length - 2; left > 0; left--) {
    await page.keyboard.press("Enter");
    await waiting(left);
    await page.keyboard.press("0");
    await page.getByRole("heading", { name: "So it was" }).waitFor();
  }
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Nothing to compare" }).waitFor();
  assert.equal(labels().labels, PROMPTS.length);
  await clean(page, "review-done");
  await go(page, origin, "#/quality", "Quality");
  await page.locator(".facts div", { hasText: "Judge against people" }).getByText(/^kappa −?-?[01]/).waitFor();
  await page.locator("svg circle").first().waitFor();
  await clean(page, "quality-judged");
  console.log("  review");

  // The baseline's answers are longer or shorter than those that were served: savings are between two figures.
  const report = await (await fetch(`${origin}/api/v1/report?days=7`)).json();
  const { low_usd: low, high_usd: high, shadows } = report.saved_between;
  assert.ok(low <= report.saved_between.value_usd && report.saved_between.value_usd <= high && shadows === PROMPTS.length, JSON.stringify(report.saved_between));
  for (const days of [1, 7]) {
    await go(page, origin, `#/savings?days=${days}`, "Savings");
    await page.locator("svg path.between").first().waitFor();
    await clean(page, `savings-between-${days}`);
  }
  await go(page, origin, "#/", "Overview");
  await page.getByText(`by ${shadows} requests that large answered, too`).waitFor();
  await go(page, origin, "#/keys", "Keys and budgets");
  await page.getByRole("row", { name: /user anna/ }).getByText("goes to small: over 0.5 %").waitFor();
  await clean(page, "budgets");
  console.log("  intervals and budgets");
  await page.context().close();
  upstream.close();
}
