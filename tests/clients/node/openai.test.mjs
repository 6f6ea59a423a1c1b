// The official openai package, this major and the one before, in front of providers of every API.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import OpenAI7, { APIError, APIUserAbortError, BadRequestError, InternalServerError, NotFoundError, RateLimitError } from 'openai';
import OpenAI6 from 'openai-6';
import { zodResponseFormat, zodTextFormat } from 'openai/helpers/zod';
import { z } from 'zod';
import { PNG, PROVIDERS, begin, fresh, user } from './harness.mjs';

const place = z.object({ city: z.string(), days: z.number() });
const parameters = {
  type: 'object',
  properties: { city: { type: 'string' }, days: { type: 'integer' } },
  required: ['city', 'days'],
  additionalProperties: false,
};
const tools = ['get_weather', 'get_time'].map((name) => ({ type: 'function', function: { name, parameters } }));

let house;
before(async () => (house = await begin()));
after(() => house.stop());

const clients = { 'openai 7': OpenAI7, 'openai 6': OpenAI6 };
const make = (OpenAI) => new OpenAI({ baseURL: house.v1, apiKey: 'any', maxRetries: 0 });

async function gather(stream) {
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  return chunks;
}

for (const [version, OpenAI] of Object.entries(clients)) {
  for (const provider of PROVIDERS) {
    describe(`${version} before ${provider}`, () => {
      test('an answer, whole and streamed', async () => {
        const [name, model] = fresh(provider);
        const whole = await make(OpenAI).chat.completions.create({ model, messages: user('hello there') });
        const text = whole.choices[0].message.content;
        assert.ok(text.startsWith(`${name} answers: hello there`));
        assert.equal(whole.usage.completion_tokens, 40);
        const stream = await make(OpenAI).chat.completions.create({ model, messages: user('hello there'), stream: true });
        const chunks = await gather(stream);
        assert.equal(chunks.map((chunk) => chunk.choices[0].delta.content ?? '').join(''), text);
        const withUsage = { model, messages: user('hello there'), stream: true, stream_options: { include_usage: true } };
        const last = (await gather(await make(OpenAI).chat.completions.create(withUsage))).at(-1);
        assert.deepEqual(last.choices, []);
        assert.equal(last.usage.completion_tokens, 40);
      });

      test('tools, whole, streamed and with their results', async () => {
        const [name, model] = fresh(provider);
        const messages = user('get_weather and get_time');
        const client = make(OpenAI);
        const whole = await client.chat.completions.create({ model, messages, tools });
        const calls = whole.choices[0].message.tool_calls;
        assert.deepEqual(calls.map((call) => call.function.name), ['get_weather', 'get_time']);
        const streamed = await client.chat.completions.stream({ model, messages, tools }).finalChatCompletion();
        assert.deepEqual(
          streamed.choices[0].message.tool_calls.map((call) => JSON.parse(call.function.arguments)),
          calls.map((call) => JSON.parse(call.function.arguments)),
        );
        messages.push(whole.choices[0].message);
        for (const call of calls) messages.push({ role: 'tool', tool_call_id: call.id, content: 'sunny' });
        const end = await client.chat.completions.create({ model, messages, tools });
        assert.ok(end.choices[0].message.content.startsWith(`${name} answers:`));
      });

      test('structured output', async () => {
        const [, model] = fresh(provider);
        const chat = await make(OpenAI).chat.completions.parse({
          model,
          messages: user('Rome'),
          response_format: zodResponseFormat(place, 'place'),
        });
        assert.deepEqual(chat.choices[0].message.parsed, { city: 'Rome', days: 3 });
        const response = await make(OpenAI).responses.parse({ model, input: 'Rome', text: { format: zodTextFormat(place, 'place') } });
        assert.deepEqual(response.output_parsed, { city: 'Rome', days: 3 });
      });

      test('an image', async () => {
        const [name, model] = fresh(provider);
        const url = `data:image/png;base64,${PNG}`;
        const content = [{ type: 'text', text: 'what is this' }, { type: 'image_url', image_url: { url } }];
        await make(OpenAI).chat.completions.create({ model, messages: user(content) });
        assert.ok((await house.seen(name))[0].body.includes(PNG));
      });

      test('responses, whole and streamed', async () => {
        const [name, model] = fresh(provider);
        const whole = await make(OpenAI).responses.create({ model, input: 'hello' });
        assert.ok(whole.output_text.startsWith(`${name} answers: hello`));
        const final = await make(OpenAI).responses.stream({ model, input: 'hello' }).finalResponse();
        assert.equal(final.output_text, whole.output_text);
      });

      test('errors', async () => {
        const failing = async (wanted, kind, details) => {
          const [name, model] = fresh(provider);
          await house.fail(name, kind, details);
          const ask = (stream) => make(OpenAI).chat.completions.create({ model, messages: user('hello'), stream });
          for (const stream of [false, true]) {
            const error = await ask(stream).then(() => assert.fail('answered'), (error) => error);
            assert.equal(error.constructor.name, wanted.name, `${kind}: ${error}`);
            assert.ok(error.requestID);
          }
        };
        await failing(RateLimitError, 'rate_limit', { retry_after: '2' });
        await failing(BadRequestError, 'context_too_long');
        await failing(NotFoundError, 'model_not_found');
        await failing(InternalServerError, 'status', { status: 500 });
        const [name, model] = fresh(provider);
        await house.fail(name, 'in_band', { after: 3 });
        const stream = await make(OpenAI).chat.completions.create({ model, messages: user('hello'), stream: true });
        const error = await gather(stream).then(() => assert.fail('whole'), (error) => error);
        assert.equal(error.constructor.name, APIError.name);
      });

      test('an aborted stream stops its upstream within 100 ms', async () => {
        const [[name, model], [alone]] = [fresh(provider), fresh('chat')];
        const leaves = (client, model) => async () => {
          const stream = await client.chat.completions.create({ model, messages: user('hello'), stream: true });
          let chunks = 0;
          for await (const _ of stream) if (++chunks === 10) break; // leaving the loop aborts
        };
        const traits = { answer_tokens: 5000, pace: { first_ms: 0, per_token_us: 5000 } };
        await Promise.all([name, alone].map((one) => house.traits(one, traits)));
        const direct = new OpenAI({ baseURL: `${house.upstream}/v1`, apiKey: 'any', maxRetries: 0 });
        await house.stopsWithin(100, [name, leaves(make(OpenAI), model)], [alone, leaves(direct, alone)]);
      });
    });
  }

  test(`${version}: embeddings and models`, async () => {
    const [, model] = fresh('chat');
    const answer = await make(OpenAI).embeddings.create({ model, input: ['one', 'two'] });
    assert.equal(answer.data.length, 2);
    assert.equal(answer.data[0].embedding.length, 8);
    const names = (await gather(make(OpenAI).models.list())).map((one) => one.id);
    assert.deepEqual(names.slice(0, 4), ['auto', 'nano', 'standard', 'reasoning']);
  });
}

test('a client that does not wait', async () => {
  const [name, model] = fresh('chat');
  await house.fail(name, 'silent');
  const client = make(OpenAI7);
  const signal = AbortSignal.timeout(200);
  await assert.rejects(client.chat.completions.create({ model, messages: user('hello') }, { signal }), APIUserAbortError);
  for (let gone; gone !== 'client_gone'; ) gone = (await house.seen(name))[0].ended.how;
});
