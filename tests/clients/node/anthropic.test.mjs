// The official Anthropic package in front of providers of every API.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import Anthropic, { BadRequestError, NotFoundError, RateLimitError } from '@anthropic-ai/sdk';
import { PROVIDERS, begin, fresh, user } from './harness.mjs';

let house;
before(async () => (house = await begin()));
after(() => house.stop());

const make = () => new Anthropic({ baseURL: house.address, apiKey: 'any', maxRetries: 0 });
const input_schema = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] };
const tools = ['get_weather', 'get_time'].map((name) => ({ name, description: name, input_schema }));

for (const provider of PROVIDERS) {
  describe(`before ${provider}`, () => {
    test('an answer, whole and streamed', async () => {
      const [name, model] = fresh(provider);
      const request = { model, max_tokens: 99, messages: user('hello') };
      const whole = await make().messages.create(request);
      assert.ok(whole.content[0].text.startsWith(`${name} answers: hello`));
      const final = await make().messages.stream(request).finalMessage();
      assert.equal(final.content[0].text, whole.content[0].text);
      assert.equal(final.usage.output_tokens, 40);
    });

    test('tools, whole, streamed and with their results', async () => {
      const [name, model] = fresh(provider);
      const messages = user('get_weather and get_time');
      const request = { model, max_tokens: 99, messages, tools };
      const whole = await make().messages.create(request);
      const streamed = await make().messages.stream(request).finalMessage();
      const calls = (message) => message.content.filter((block) => block.type === 'tool_use');
      assert.deepEqual(calls(whole).map((call) => [call.name, call.input]), calls(streamed).map((call) => [call.name, call.input]));
      assert.equal(calls(whole).length, 2);
      const results = calls(whole).map((call) => ({ type: 'tool_result', tool_use_id: call.id, content: 'sunny' }));
      messages.push({ role: 'assistant', content: whole.content }, { role: 'user', content: results });
      const end = await make().messages.create(request);
      assert.ok(end.content[0].text.startsWith(`${name} answers:`));
    });

    test('errors and counts', async () => {
      const [name, model] = fresh(provider);
      await house.fail(name, 'rate_limit', { retry_after: '2' });
      await assert.rejects(make().messages.create({ model, max_tokens: 9, messages: user('hello') }), RateLimitError);
      const [, other] = fresh(provider);
      assert.ok((await make().messages.countTokens({ model: other, messages: user('hello') })).input_tokens > 0);
      await assert.rejects(make().messages.create({ model: 'claude-99', max_tokens: 9, messages: user('x') }), NotFoundError);
      await assert.rejects(make().messages.create({ model: other, max_tokens: 9, messages: [] }), BadRequestError);
    });
  });
}
