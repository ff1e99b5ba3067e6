// The official OpenAI and Anthropic clients against an endpoint: whole and streamed answers, tools with
// argument deltas, errors. SDK_URL says where, SDK_KEY which key; `run` starts what is behind it: the
// scripted model server by itself first, then the ask door in front of it. What the door must not
// change, both must show alike.
import assert from 'node:assert/strict';
import test from 'node:test';
import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';

const url = process.env.SDK_URL;
const key = process.env.SDK_KEY ?? 'none';
const openai = new OpenAI({ baseURL: `${url}/v1`, apiKey: key, maxRetries: 0, timeout: 20000 });
const anthropic = new Anthropic({ baseURL: url, apiKey: key, maxRetries: 0, timeout: 20000 });
const model = 'scripted';
const question = 'Which visit comes after week four?';
const parameters = { type: 'object', properties: { question: { type: 'string' } },
                     required: ['question'] };

test('OpenAI chat, whole', async () => {
  const answer = await openai.chat.completions.create({
    model, messages: [{ role: 'user', content: question }] });
  assert.equal(answer.choices[0].message.content, `You said: ${question}`);
  assert.equal(answer.choices[0].finish_reason, 'stop');
});

test('OpenAI chat, streamed', async () => {
  const stream = await openai.chat.completions.create({
    model, stream: true, messages: [{ role: 'user', content: question }] });
  let text = '';
  let finish = null;
  for await (const chunk of stream) {
    text += chunk.choices[0]?.delta?.content ?? '';
    finish = chunk.choices[0]?.finish_reason ?? finish;
  }
  assert.equal(text, `You said: ${question}`);
  assert.equal(finish, 'stop');
});

test('OpenAI chat, a tool called in deltas and its result given back', async () => {
  const tools = [{ type: 'function', function: { name: 'look_up', parameters } }];
  const messages = [{ role: 'user', content: question }];
  const stream = openai.chat.completions.stream({ model, messages, tools });
  const first = await stream.finalChatCompletion();
  const call = first.choices[0].message.tool_calls[0];
  assert.equal(first.choices[0].finish_reason, 'tool_calls');
  assert.equal(call.function.name, 'look_up');
  assert.deepEqual(JSON.parse(call.function.arguments), { question });
  const second = await openai.chat.completions.create({ model, tools, messages: [
    ...messages,
    { role: 'assistant', content: null, tool_calls: [
      { id: call.id, type: 'function', function: call.function }] },
    { role: 'tool', tool_call_id: call.id, content: 'week eight' }] });
  assert.equal(second.choices[0].message.content, 'The tool answered: week eight');
});

test('OpenAI responses, whole', async () => {
  const answer = await openai.responses.create({ model, store: false, input: question });
  assert.equal(answer.output_text, `You said: ${question}`);
});

test('OpenAI responses, streamed', async () => {
  const stream = await openai.responses.create({ model, store: false, stream: true,
                                                 input: question });
  let text = '';
  let last = null;
  for await (const event of stream) {
    if (event.type === 'response.output_text.delta') {
      text += event.delta;
    }
    last = event;
  }
  assert.equal(text, `You said: ${question}`);
  assert.equal(last.type, 'response.completed');
  assert.equal(last.response.output[0].content[0].text, text);
});

test('OpenAI responses, a function called in deltas and its result given back', async () => {
  const tools = [{ type: 'function', name: 'look_up', parameters, strict: false }];
  const input = [{ role: 'user', content: question }];
  const first = await openai.responses.stream({ model, store: false, tools, input })
    .finalResponse();
  const call = first.output.find((item) => item.type === 'function_call');
  assert.equal(call.name, 'look_up');
  assert.deepEqual(JSON.parse(call.arguments), { question });
  const { type, call_id, name } = call;
  const second = await openai.responses.create({ model, store: false, tools, input: [
    ...input, { type, call_id, name, arguments: call.arguments },
    { type: 'function_call_output', call_id, output: 'week eight' }] });
  assert.equal(second.output_text, 'The tool answered: week eight');
});

test('Anthropic messages, whole', async () => {
  const answer = await anthropic.messages.create({
    model, max_tokens: 100, messages: [{ role: 'user', content: question }] });
  assert.equal(answer.content[0].text, `You said: ${question}`);
  assert.equal(answer.stop_reason, 'end_turn');
});

test('Anthropic messages, streamed', async () => {
  const stream = anthropic.messages.stream({
    model, max_tokens: 100, messages: [{ role: 'user', content: question }] });
  const answer = await stream.finalMessage();
  assert.equal(answer.content[0].text, `You said: ${question}`);
});

test('Anthropic messages, a tool used in deltas and its result given back', async () => {
  const tools = [{ name: 'look_up', input_schema: parameters }];
  const messages = [{ role: 'user', content: question }];
  const first = await anthropic.messages.stream({ model, max_tokens: 100, tools, messages })
    .finalMessage();
  const use = first.content.find((block) => block.type === 'tool_use');
  assert.deepEqual(use.input, { question });
  const second = await anthropic.messages.create({ model, max_tokens: 100, tools, messages: [
    ...messages, { role: 'assistant', content: [use] },
    { role: 'user', content: [{ type: 'tool_result', tool_use_id: use.id,
                                content: 'week eight' }] }] });
  assert.equal(second.content[0].text, 'The tool answered: week eight');
});

test('the models are listed', async () => {
  const page = await openai.models.list();
  assert.ok(page.data.length > 0);
});
