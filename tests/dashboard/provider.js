// A provider for the tests: two models whose answers can be told apart, and a judge that prefers one of them.

import { createServer } from "node:http";

const ANSWERS = { small: "Guten Morgen, from the small one.", large: "Guten Morgen, from the large one." };

const question = ({ messages }) => messages.at(-1).content;

function reply({ model, messages }) {
  if (!messages[0].content.startsWith("You compare two answers")) return ANSWERS[model];
  const better = JSON.parse(messages.at(-1).content).first_answer === ANSWERS.large ? "first" : "second";
  return JSON.stringify({ why: "It greets as one greets there.", better });
}

// Gives its address and a way to stop it. It keeps nobody from ending.
export function provider() {
  const server = createServer(async (request, response) => {
    let body = "";
    for await (const piece of request) body += piece;
    const asked = JSON.parse(body);
    // The large one is more talkative, and not always the same.
    const completion_tokens = asked.model === "large" ? 10 + question(asked).length % 5 : 9;
    const message = { role: "assistant", content: reply(asked) };
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify({
      id: "1", object: "chat.completion", created: 1, model: asked.model,
      choices: [{ index: 0, message, finish_reason: "stop" }], usage: { prompt_tokens: 20, completion_tokens, total_tokens: 20 + completion_tokens },
    }));
  });
  server.unref();
  return new Promise((resolve) => server.listen(0, "127.0.0.1", () =>
    resolve({ url: `http://127.0.0.1:${server.address().port}/v1`, close: () => server.close() })));
}
