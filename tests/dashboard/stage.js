// What all tests of the dashboard stand on: the built binary, a browser, and pages that remember what went wrong on them.

import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

const tierway = process.env.TIERWAY ?? join(import.meta.dirname, "../../target/debug/tierway");
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const shots = process.env.SHOTS;
if (shots) mkdirSync(shots, { recursive: true });
export const folder = mkdtempSync(join(tmpdir(), "tierway-dashboard-"));
const children = [];

export const freePort = () => new Promise((resolve) => {
  const server = createServer().listen(0, "127.0.0.1", () => { const { port } = server.address(); server.close(() => resolve(port)); });
});

// Starts a command and waits until it says the words.
export function start(args, words) {
  const child = spawn(tierway, args, { stdio: ["ignore", "pipe", "pipe"], cwd: folder });
  children.push(child);
  return new Promise((resolve, reject) => {
    let said = "";
    const hear = (piece) => { said += piece; if (said.includes(words)) resolve(said); };
    child.stdout.on("data", hear);
    child.stderr.on("data", hear);
    child.on("exit", (code) => reject(new Error(`tierway ${args.join(" ")} ended with ${code}:\n${said}`)));
  });
}

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--no-first-run"],
});

// A page that remembers what went wrong on it.
export async function open(origin, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  const page = await context.newPage();
  page.wrong = [];
  page.on("console", (message) => { if (["error", "warning"].includes(message.type())) page.wrong.push(message.text()); });
  page.on("pageerror", (error) => page.wrong.push(String(error)));
  page.on("request", (request) => { if (!request.url().startsWith(`${origin}/`)) page.wrong.push(`foreign request ${request.url()}`); });
  return page;
}

// A fresh load each time: nothing of the page before can be mistaken for it.
let loads = 0;
export async function go(page, origin, hash, title) {
  await page.goto(`${origin}/dashboard?${loads++}${hash}`);
  await page.getByRole("heading", { level: 1, name: title }).waitFor();
}

// Clean: nothing wrong so far, nothing wider than the screen, no serious finding of axe.
export async function clean(page, name) {
  assert.deepEqual(page.wrong, [], name);
  const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  assert.ok(over <= 0, `${name} is ${over} px wider than the screen`);
  const cut = await page.evaluate(() => [...document.querySelectorAll("svg text")].filter((text) => {
    const [inner, outer] = [text.getBoundingClientRect(), text.ownerSVGElement.getBoundingClientRect()];
    return inner.left < outer.left - 1 || inner.right > outer.right + 1;
  }).map((text) => text.textContent));
  assert.deepEqual(cut, [], `${name} has labels that are cut`);
  // Evaluated by the driver: the page's own policy lets no foreign script in.
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => axe.run());
  const serious = violations.filter(({ impact }) => ["serious", "critical"].includes(impact));
  assert.deepEqual(serious.map(({ id, nodes }) => `${id}: ${nodes.map((node) => `${node.target} ${node.failureSummary}`).join(" | ")}`), [], name);
  if (shots) await page.screenshot({ path: join(shots, `${name}.png`), fullPage: true });
  console.log(`  ${name}`);
}

// Runs the command to its end and gives what it prints.
export const tell = (args) => execFileSync(tierway, args, { cwd: folder, encoding: "utf8" });

export async function end() {
  await browser.close();
  for (const child of children) child.kill("SIGTERM");
  rmSync(folder, { recursive: true, force: true });
}
