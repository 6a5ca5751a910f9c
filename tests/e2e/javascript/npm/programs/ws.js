'use strict';
/** ws of today (8.x): a text, bytes and a ping over ws, 200 KB over wss. */

const assert = require('assert');
const { once } = require('events');
const WebSocket = require('ws');
const at = require('../at');

async function returned(socket, data) {
  socket.send(data);
  const [message] = await once(socket, 'message');
  return message;
}

async function main() {
  const plain = new WebSocket(at('ws'), 'chat');
  await once(plain, 'open');
  assert.strictEqual(plain.protocol, 'chat');
  assert.strictEqual(String(await returned(plain, 'a «text»')), 'a «text»');
  assert.deepStrictEqual([...await returned(plain, Buffer.from([0, 255, 1]))], [0, 255, 1]);
  plain.ping();
  await once(plain, 'pong');
  plain.close(1000);
  await once(plain, 'close');
  const secure = new WebSocket(at('wss'));
  await once(secure, 'open');
  const large = Buffer.alloc(200000, '0123456789');
  assert.ok(large.equals(await returned(secure, large)));
  secure.close(1000);
  const [code] = await once(secure, 'close');
  console.log(`ws: text, bytes, ping, large by TLS, closed ${code}`);
}

main();
