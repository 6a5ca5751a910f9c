'use strict';
/** faye-websocket: a text, bytes and a subprotocol over ws. */

const assert = require('assert');
const websocket = require('faye-websocket');
const at = require('../at');

const client = new websocket.Client(at('ws'), ['chat']);
const messages = [];

client.on('open', () => {
  assert.strictEqual(client.protocol, 'chat');
  client.send('a «text»');
  client.send(Buffer.from([0, 255, 1]));
});
client.on('message', (event) => {
  messages.push(event.data);
  if (messages.length === 2) client.close();
});
client.on('close', (event) => {
  assert.strictEqual(messages[0], 'a «text»');
  assert.deepStrictEqual([...messages[1]], [0, 255, 1]);
  console.log(`faye-websocket: text and bytes, closed ${event.code}`);
});
