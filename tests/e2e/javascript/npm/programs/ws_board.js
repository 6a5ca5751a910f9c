'use strict';
/** ws of the board's time (0.7): a text and bytes over ws, a text over wss. */

const assert = require('assert');
const WebSocket = require('ws-board');
const at = require('../at');

function overTls() {
  const secure = new WebSocket(at('wss'));
  secure.on('open', () => secure.send('secure'));
  secure.on('message', (text) => {
    assert.strictEqual(text, 'secure');
    secure.close();
  });
  secure.on('close', () => console.log('ws 0.7: text and bytes, secure'));
}

const messages = [];
const plain = new WebSocket(at('ws'));
plain.on('open', () => {
  plain.send('a «text»');
  plain.send(Buffer.from([0, 255, 1]), { binary: true, mask: true });
});
plain.on('message', (data) => {
  messages.push(data);
  if (messages.length === 2) plain.close();
});
plain.on('close', () => {
  assert.strictEqual(messages[0], 'a «text»');
  assert.deepStrictEqual([...messages[1]], [0, 255, 1]);
  overTls();
});
