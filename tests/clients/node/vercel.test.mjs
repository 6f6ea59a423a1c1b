// Vercel's AI SDK with three of its providers: OpenAI (Responses and Chat), Anthropic, OpenAI-compatible.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { createAnthropic } from '@ai-sdk/anthropic';
import { createOpenAI } from '@ai-sdk/openai';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { APICallError, Output, embedMany, generateText, stepCountIs, streamText, tool } from 'ai';
import { z } from 'zod';
import { PNG, PROVIDERS, begin, fresh } from './harness.mjs';

let house;
before(async () => (house = await begin()));
after(() => house.stop());

const openai = () => createOpenAI({ baseURL: house.v1, apiKey: 'any' });
const compatible = () =>
  createOpenAICompatible({ name: 'tierway', baseURL: house.v1, apiKey: 'any', includeUsage: true, supportsStructuredOutputs: true });
const models = {
  'openai responses': (model) => openai().responses(model),
  'openai chat': (model) => openai().chat(model),
  anthropic: (model) => createAnthropic({ baseURL: house.v1, apiKey: 'any' })(model),
  compatible: (model) => compatible()(model),
};
const basics = { maxRetries: 0 };

for (const [sdk, make] of Object.entries(models)) {
  for (const provider of PROVIDERS) {
    describe(`${sdk} before ${provider}`, () => {
      test('text, whole and streamed', async () => {
        const [name, ask] = fresh(provider);
        const model = make(ask);
        const whole = await generateText({ ...basics, model, prompt: 'hello there' });
        assert.ok(whole.text.startsWith(`${name} answers: hello there`), whole.text);
        assert.equal(whole.usage.outputTokens, 40);
        assert.equal(whole.finishReason, 'stop');
        const stream = streamText({ ...basics, model, prompt: 'hello there' });
        let text = '';
        for await (const part of stream.textStream) text += part;
        assert.equal(text, whole.text);
        assert.equal((await stream.usage).outputTokens, 40);
      });

      test('a loop of tool calls', async () => {
        const [name, ask] = fresh(provider);
        const asked = [];
        const execute = async ({ city }) => (asked.push(city), 'sunny');
        const inputSchema = z.object({ city: z.string() });
        const tools = {
          get_weather: tool({ description: 'weather', inputSchema, execute }),
          get_time: tool({ description: 'time', inputSchema, execute }),
        };
        const request = { ...basics, model: make(ask), tools, prompt: 'get_weather, get_time', stopWhen: stepCountIs(3) };
        const end = await generateText(request);
        assert.deepEqual(asked, ['get_weather, get_time', 'get_weather, get_time']);
        assert.ok(end.text.startsWith(`${name} answers:`));
        const stream = streamText(request);
        for await (const _ of stream.textStream);
        assert.equal((await stream.text).slice(0, name.length), name);
        assert.equal(asked.length, 4);
      });

      test('structured output', async () => {
        const [, ask] = fresh(provider);
        const schema = z.object({ city: z.string(), days: z.number() });
        // Where the package answers through a tool of its own, the fake model calls it by its name.
        const { output } = await generateText({ ...basics, model: make(ask), prompt: 'Rome json', output: Output.object({ schema }) });
        assert.deepEqual(output, { city: 'Rome json', days: 3 });
      });

      test('an image', async () => {
        const [name, ask] = fresh(provider);
        const file = { type: 'file', mediaType: 'image/png', data: Buffer.from(PNG, 'base64') };
        const content = [{ type: 'text', text: 'what is this' }, file];
        await generateText({ ...basics, model: make(ask), messages: [{ role: 'user', content }] });
        assert.ok((await house.seen(name))[0].body.includes(PNG));
      });

      test('errors', async () => {
        const [name, ask] = fresh(provider);
        await house.fail(name, 'rate_limit', { retry_after: '2' });
        const error = await generateText({ ...basics, model: make(ask), prompt: 'hello' }).catch((error) => error);
        assert.ok(APICallError.isInstance(error), `${error}`);
        assert.equal(error.statusCode, 429);
        const [broken, again] = fresh(provider);
        await house.fail(broken, 'cut', { after: 3 });
        const seen = [];
        const stream = streamText({ ...basics, model: make(again), prompt: 'hello', onError: ({ error }) => seen.push(error) });
        for await (const _ of stream.textStream);
        assert.equal(seen.length, 1);
      });
    });
  }
}

test('embeddings', async () => {
  const [, ask] = fresh('chat');
  const { embeddings } = await embedMany({ ...basics, model: openai().embedding(ask), values: ['one', 'two'] });
  assert.deepEqual(embeddings.map((one) => one.length), [8, 8]);
});
