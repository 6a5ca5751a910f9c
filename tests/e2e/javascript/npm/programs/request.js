'use strict';
/** request: JSON posted, a zipped answer, a redirect, a piped download, and a page by https. */

const assert = require('assert');
const request = require('request');
const at = require('../at');

function secure() {
  request(at('https', '/page'), (error, response, body) => {
    assert.ifError(error);
    assert.strictEqual(body, 'a page\n');
    console.log('request: posted, unzipped, redirected, piped, secure');
  });
}

function piped() {
  let total = 0;
  request(at('http', '/bytes?count=300000'))
    .on('data', (chunk) => { total += chunk.length; })
    .on('end', () => {
      assert.strictEqual(total, 300000);
      secure();
    });
}

function redirected() {
  request(at('http', '/redirect'), (error, response, body) => {
    assert.ifError(error);
    assert.strictEqual(body, 'a page\n');
    piped();
  });
}

function unzipped() {
  request({ url: at('http', '/gzip'), gzip: true, json: true }, (error, response, body) => {
    assert.ifError(error);
    assert.deepStrictEqual(body, { zipped: true });
    redirected();
  });
}

request.post({ url: at('http', '/echo'), json: { sent: 'by request' } }, (error, response, body) => {
  assert.ifError(error);
  assert.strictEqual(response.statusCode, 201);
  assert.deepStrictEqual(JSON.parse(body.body), { sent: 'by request' });
  unzipped();
});
