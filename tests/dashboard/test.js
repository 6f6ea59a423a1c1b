// The dashboard as people meet it. Each check names what it looks at; the first that fails ends the run with exit 1.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import review from "./review.js";
import { clean, end, folder, freePort, go, open, start } from "./stage.js";

const PAGES = {
  overview: ["#/", "Overview"], savings: ["#/savings?days=1", "Savings"], routes: ["#/routes", "Where requests go"],
  requests: ["#/requests", "Requests"], playground: ["#/playground", "Playground"],
  quality: ["#/quality", "Quality"], review: ["#/review", "Which answer is better?"], keys: ["#/keys", "Keys and budgets"],
};

async function everyPage(origin, kind, options) {
  const page = await open(origin, options);
  for (const [name, [hash, title]] of Object.entries(PAGES)) {
    await go(page, origin, hash, title);
    if (name === "savings") await page.locator("svg rect.paid").first().waitFor();
    if (name === "playground") {
      await page.getByLabel("Prompt").fill("Prove that there are infinitely many primes of the form 4k + 3.");
      await page.getByRole("heading", { name: "Decision" }).waitFor();
      await page.locator("svg circle").first().waitFor();
      await page.getByRole("slider", { name: "Quality target" }).waitFor();
    }
    if (name === "overview") await page.getByRole("heading", { name: "The last day" }).waitFor();
    await clean(page, `${kind}-${name}`);
  }
  await go(page, origin, "#/requests", "Requests");
  await page.locator("a.request").first().click();
  await page.getByRole("heading", { level: 1, name: "Why it went where it went" }).waitFor();
  await page.locator("svg circle").first().waitFor();
  await clean(page, `${kind}-request`);
  await page.context().close();
}

async function figures(origin) {
  const page = await open(origin);
  const report = await (await fetch(`${origin}/api/v1/report?days=7`)).json();
  assert.equal(report.totals.calls, 200, "the demo's requests");
  await go(page, origin, "#/", "Overview");
  const hero = await page.locator(".hero").innerText();
  assert.ok(hero.includes(`${(report.totals.money.saved_share * 100).toFixed(1).replace(/\.0$/, "")} %`), `headline in ${hero}`);
  assert.ok(hero.includes("Not calibrated"), "says that thresholds are not proven");
  assert.ok(hero.includes("Everything on nano"), "shows the always-cheapest line");
  // As a reader adds them up.
  const amounts = async (rows) => (await rows.allInnerTexts()).map((text) => Number(text.match(/\$([\d.,]+)/)[1].replace(",", "")));
  const [baseline, routed] = await amounts(page.locator(".hero .row b"));
  const [saved] = await amounts(page.locator(".hero .big span"));
  assert.equal((baseline - routed).toFixed(6), saved.toFixed(6), "baseline less paid is what was saved");
  const [paid] = await amounts(page.locator(".tile", { hasText: "Paid in all" }).locator("dd"));
  const tiers = await amounts(page.locator("section", { hasText: "By tier" }).locator("tbody tr > :nth-child(3)"));
  assert.equal(tiers.reduce((sum, one) => sum + one, 0).toFixed(6), paid.toFixed(6), "tiers add up to what was paid");
  console.log("  headline");
  await page.context().close();
}

async function filters(origin) {
  const page = await open(origin);
  await go(page, origin, "#/requests", "Requests");
  assert.equal(await page.locator("tbody tr").count(), 50);
  await page.getByRole("button", { name: "Older requests" }).click();
  await page.waitForFunction(() => document.querySelectorAll("tbody tr").length === 100);
  for (const [name, value, column] of [["tier", "reasoning", 1], ["task_type", "coding", 3], ["reason", "predicted", 4]]) {
    await go(page, origin, "#/requests", "Requests");
    await page.locator(`select[name=${name}]`).selectOption(value);
    await page.waitForFunction(([at, value]) => {
      const cells = [...document.querySelectorAll(`tbody tr > :nth-child(${at + 1})`)];
      return cells.length > 0 && cells.every((cell) => cell.textContent.startsWith(value));
    }, [column, value]);
  }
  await go(page, origin, "#/requests?status=failed", "Requests");
  await page.getByText("No request matches.").waitFor();
  await page.getByRole("button", { name: "Clear" }).click();
  await page.locator("tbody tr").first().waitFor();
  const id = await page.locator("tbody code").first().innerText();
  await page.getByLabel("Request id").fill(id);
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Why it went where it went" }).waitFor();
  await go(page, origin, "#/requests/0000000000000", "That did not work");
  page.wrong = page.wrong.filter((text) => !text.includes("404"));
  assert.deepEqual(page.wrong, []);
  // The map leads to the requests behind a cell.
  await go(page, origin, "#/routes", "Where requests go");
  const wanted = Number(await page.locator(".heat b").first().innerText());
  await page.locator(".heat a").first().click();
  await page.waitForFunction((wanted) => document.querySelectorAll(".request").length === wanted, Math.min(50, wanted));
  console.log("  filters");
  await page.context().close();
}

// What another target would have done is told without asking again, by keyboard too.
async function target(origin) {
  const page = await open(origin);
  const told = await (await fetch(`${origin}/api/v1/backtest?days=7`)).json();
  assert.ok(told.replayed > 150 && told.points.length > 10, "the demo's requests are decided again");
  await go(page, origin, "#/playground", "Playground");
  const slider = page.getByRole("slider", { name: "Quality target" });
  await slider.waitFor();
  const shown = () => page.locator(".facts", { hasText: "Too low (risk)" }).innerText();
  const text = ({ would }) => `${(would.risk * 100).toFixed(1).replace(/\.0$/, "")} %`;
  await slider.focus();
  await page.keyboard.press("Home");
  const lowest = told.points.reduce((a, b) => a.quality_target < b.quality_target ? a : b);
  assert.ok((await shown()).includes(`→ ${text(lowest)}`), `${await shown()} should say ${text(lowest)}`);
  await page.keyboard.press("End");
  assert.ok((await shown()).includes("→ 0 %"), "keeping everything risks nothing");
  assert.match(await slider.getAttribute("aria-valuetext"), /^100 %: /);
  assert.deepEqual(page.wrong, []);
  console.log("  target");
  await page.context().close();
}

async function keyboard(origin) {
  const page = await open(origin);
  await go(page, origin, "#/", "Overview");
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement.textContent), "Skip to the content");
  for (let presses = 0; presses < 7; presses++) await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { level: 1, name: "Playground" }).waitFor();
  assert.equal(await page.evaluate(() => document.activeElement.textContent), "Playground", "the new page has the focus");
  const theme = page.getByRole("button", { name: "Theme" });
  await theme.press("Enter");
  await theme.press("Enter");
  await page.reload();
  assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), "dark", "the theme is kept");
  console.log("  keyboard");
  await page.context().close();
}

// Text of clients stays text.
async function markup(origin) {
  const evil = "<img src=x onerror=document.title='owned'>";
  const body = { model: "auto", user: evil, messages: [{ role: "user", content: "hello" }] };
  const answer = await fetch(`${origin}/v1/chat/completions`, { method: "POST", body: JSON.stringify(body), headers: { "x-tierway-user": evil } });
  assert.equal(answer.status, 200);
  const id = answer.headers.get("x-tierway-request-id");
  const page = await open(origin);
  for (let tries = 0; tries < 50 && (await fetch(`${origin}/api/v1/requests/${id}`)).status !== 200; tries++) await page.waitForTimeout(100);
  await go(page, origin, `#/requests/${id}`, "Why it went where it went");
  await page.getByText(evil).waitFor();
  assert.equal(await page.locator("img[src=x]").count(), 0);
  console.log("  markup");
  await page.context().close();
}

// Names as long as a config may have them stay in their columns.
async function longNames() {
  const port = await freePort();
  const names = ["nano-for-everything-that-is-short", "standard-for-all-that-is-general-work"];
  const tier = (name, price) => `[[tiers]]\nname = "${name}"\nprice = { input = ${price}, output = ${price} }\ntargets = [{ provider = "p", model = "m" }]\n`;
  writeFileSync(join(folder, "long.toml"), `[server]\nlisten = "127.0.0.1:${port}"\n[providers.p]\nkind = "openai_compatible"\nbase_url = "http://127.0.0.1:9/v1"\n${tier(names[0], 1)}${tier(names[1], 9)}[routing]\nbaseline = "${names[1]}"\n[ledger]\npath = "long.db"\n`);
  await start(["serve", "--config", "long.toml", "--workers", "1"], "/dashboard");
  const origin = `http://127.0.0.1:${port}`;
  const page = await open(origin, { viewport: { width: 320, height: 640 } });
  await go(page, origin, "#/requests", "Requests");
  await page.getByText("Nothing was recorded yet.").waitFor();
  await fetch(`${origin}/v1/chat/completions`, { method: "POST", body: JSON.stringify({ model: "auto", messages: [{ role: "user", content: "hello" }] }) });
  for (let tries = 0; tries < 50 && !(await (await fetch(`${origin}/api/v1/requests`)).json()).requests.length; tries++) await page.waitForTimeout(100);
  for (const name of ["overview", "routes", "requests", "playground"]) {
    await go(page, origin, ...PAGES[name]);
    if (name === "playground") {
      await page.getByLabel("Prompt").fill("Prove that there are infinitely many primes of the form 4k + 3.");
      await page.locator("svg circle").first().waitFor();
      const over = await page.evaluate(() => [...document.querySelectorAll("svg")].flatMap((svg) => {
        const chart = Math.min(...[...svg.querySelectorAll("line.grid")].map((line) => line.getBoundingClientRect().left));
        return [...svg.querySelectorAll("text")].filter((text) => text.getAttribute("x") === "0" && text.getBoundingClientRect().right > chart + 1).map((text) => text.textContent);
      }));
      assert.deepEqual(over, [], "names lie over the chart");
    }
    await clean(page, `long-${name}`);
  }
  await page.context().close();
}

async function keys() {
  const port = await freePort();
  const origin = `http://127.0.0.1:${port}`;
  const hash = (key) => `sha256:${createHash("sha256").update(key).digest("hex")}`;
  const target = (name) => `targets = [{ provider = "p", model = "${name}" }]\nprice = { input = 1.0, output = 2.0 }`;
  writeFileSync(join(folder, "keys.toml"), `
[server]
listen = "127.0.0.1:${port}"
[providers.p]
kind = "openai_compatible"
base_url = "http://127.0.0.1:9/v1"
[[tiers]]
name = "small"
${target("a")}
[[tiers]]
name = "large"
${target("b")}
[routing]
baseline = "large"
[ledger]
path = "keys.db"
[[keys]]
name = "reader"
hash = "${hash("good")}"
scope = "read"
[[keys]]
name = "app"
hash = "${hash("app")}"
`);
  await start(["serve", "--config", "keys.toml", "--workers", "1"], "/dashboard");
  for (const [key, want] of [[null, 401], ["bad", 401], ["app", 403], ["good", 200]]) {
    const reply = await fetch(`${origin}/api/v1/targets`, { headers: key ? { authorization: `Bearer ${key}` } : {} });
    assert.equal(reply.status, want, `key ${key}`);
  }
  const page = await open(origin);
  await go(page, origin, "#/", "A key, please");
  await page.getByLabel("Key").fill("app");
  await page.getByRole("button", { name: "Open" }).click();
  await page.getByText("this key may not do that").waitFor();
  assert.ok(!(await page.locator("#main").innerText()).includes("`"), "code stands out, not its marks");
  await page.getByText("tierway keys add NAME --scope read").waitFor();
  page.wrong = page.wrong.filter((text) => !/40[13]/.test(text));
  await clean(page, "key");
  await page.getByLabel("Key").fill("good");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { level: 1, name: "Overview" }).waitFor();
  await page.getByText("Nothing recorded yet").waitFor();
  await clean(page, "empty");
  // Texts of callers and keys are for admins: this key opens neither.
  for (const [name, [hash, title]] of Object.entries(PAGES)) await go(page, origin, hash, ["review", "keys"].includes(name) ? "A key, please" : title);
  page.wrong = page.wrong.filter((text) => !/403/.test(text));
  assert.deepEqual(page.wrong, []);
  await page.context().close();
}

try {
  const port = await freePort();
  const origin = `http://127.0.0.1:${port}`;
  await start(["demo", "--serve", "--listen", `127.0.0.1:${port}`], "/dashboard");
  console.log("dashboard");
  await figures(origin);
  await everyPage(origin, "light", { colorScheme: "light" });
  await everyPage(origin, "dark", { colorScheme: "dark" });
  await everyPage(origin, "narrow", { colorScheme: "light", viewport: { width: 360, height: 740 } });
  await everyPage(origin, "narrowest", { colorScheme: "dark", viewport: { width: 320, height: 640 } });
  await filters(origin);
  await target(origin);
  await keyboard(origin);
  await markup(origin);
  await longNames();
  await keys();
  await review();
  console.log("all good");
} catch (error) {
  console.error(error);
  process.exitCode = 1;
} finally {
  await end();
}
