'use strict';
/** node-uuid: an identifier that is sent to a server and comes back. */

const assert = require('assert');
const http = require('http');
const uuid = require('node-uuid');
const at = require('../at');

const id = uuid.v4();
assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
assert.deepStrictEqual([...uuid.parse(uuid.unparse(uuid.parse(id)))], [...uuid.parse(id)]);

const request = http.request(at('http', '/echo'), { method: 'POST' }, (response) => {
  let text = '';
  response.setEncoding('utf8');
  response.on('data', (chunk) => { text += chunk; });
  response.on('end', () => {
    assert.strictEqual(JSON.parse(text).body, id);
    console.log('node-uuid: sent and received');
  });
});
request.end(id);
