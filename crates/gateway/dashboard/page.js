// Elements, and what all pages share.

const SVG = "http://www.w3.org/2000/svg";

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "vars") for (const [key, text] of Object.entries(value)) element.style.setProperty(key, text);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(9).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

// Text is always set as text: nothing that a client sent can become markup.
export const h = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children);
export const s = (tag, attributes, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);

export const card = (title, ...children) => h("section", { class: "card" }, title && h("h2", {}, title), ...children);
export const words = (name) => String(name ?? "").replaceAll("_", " ");

// Said once to those who listen instead of looking.
export function say(text) {
  const said = document.getElementById("said");
  if (said.textContent !== text) said.textContent = text;
}

// A place for each tier of the ladder: its colour follows it through all pages.
let ladder = [];
export const knowLadder = (tiers) => { ladder = tiers; };
export const tierClass = (name) => `t${ladder.includes(name) ? ladder.indexOf(name) % 6 : "x"}`;
export const tierTag = (name) => name ? h("span", { class: `tag ${tierClass(name)}` }, name) : h("span", { class: "dim" }, "none");

// `Names` between backticks stand out.
export const prose = (text) => text.split("`").map((part, at) => at % 2 ? h("code", {}, part) : part);

export function table(caption, heads, rows, kind = "") {
  return h("div", { class: `scroll ${kind}`, tabindex: "0", role: "region", "aria-label": caption },
    h("table", {},
      h("caption", { class: "hidden" }, caption),
      h("thead", {}, h("tr", {}, heads.map((head) => h("th", { scope: "col", class: head.number ? "number" : null }, head.name ?? head)))),
      h("tbody", {}, rows.map((row) => h("tr", {}, row.map((cell, at) =>
        h(at === 0 ? "th" : "td", { scope: at === 0 ? "row" : null, class: heads[at].number ? "number" : null }, cell)))))));
}

export function facts(pairs) {
  return h("dl", { class: "facts" }, pairs.filter((pair) => pair && pair[1] !== null && pair[1] !== "").map(([name, value]) =>
    h("div", {}, h("dt", {}, name), h("dd", {}, value))));
}

export function bar(share, kind, label) {
  const width = `${Math.max(0, Math.min(1, share)) * 100}%`;
  return h("span", { class: "bar", title: label }, h("span", { class: kind, vars: { width } }));
}

export function periods(days, go) {
  const names = { 1: "Day", 7: "Week", 30: "Month", 90: "Quarter" };
  return h("div", { class: "choice", role: "group", "aria-label": "Period" }, Object.entries(names).map(([value, name]) =>
    h("button", { type: "button", "aria-pressed": String(Number(value) === days), onclick: () => go(Number(value)) }, name)));
}

// Runs at once and then again while the page is open and seen.
export function live(signal, every, run) {
  const turn = async () => {
    if (signal.aborted) return;
    if (!document.hidden) await run().catch(() => say("The router does not answer; trying again."));
    setTimeout(turn, every);
  };
  setTimeout(turn, every);
}
