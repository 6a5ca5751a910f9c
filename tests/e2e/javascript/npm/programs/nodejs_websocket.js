'use strict';
/** nodejs-websocket: a text and bytes over ws, a text over wss. */

const assert = require('assert');
const websocket = require('nodejs-websocket');
const at = require('../at');

function overTls(done) {
  const secure = websocket.connect(at('wss'), () => secure.sendText('secure'));
  secure.on('text', (text) => {
    assert.strictEqual(text, 'secure');
    secure.close(1000);
  });
  secure.on('close', done);
}

const connection = websocket.connect(at('ws'), () => connection.sendText('a «text»'));
connection.on('text', (text) => {
  assert.strictEqual(text, 'a «text»');
  connection.sendBinary(Buffer.from([0, 255, 1]));
});
connection.on('binary', (stream) => {
  const chunks = [];
  stream.on('readable', () => {
    for (let chunk = stream.read(); chunk !== null; chunk = stream.read()) chunks.push(chunk);
  });
  stream.on('end', () => {
    assert.deepStrictEqual([...Buffer.concat(chunks)], [0, 255, 1]);
    connection.close(1000);
  });
});
connection.on('close', () => {
  overTls(() => console.log('nodejs-websocket: text and bytes, secure'));
});
