'use strict';
/** axios: JSON posted, a zipped answer, a redirect, an error status, and a page by https. */

const assert = require('assert');
const axios = require('axios');
const at = require('../at');

async function main() {
  const posted = await axios.post(at('http', '/echo'), { sent: 'by axios' });
  assert.strictEqual(posted.status, 201);
  assert.deepStrictEqual(JSON.parse(posted.data.body), { sent: 'by axios' });
  const zipped = await axios.get(at('http', '/gzip'));
  assert.deepStrictEqual(zipped.data, { zipped: true });
  const redirected = await axios.get(at('http', '/redirect'));
  assert.strictEqual(redirected.data, 'a page\n');
  await assert.rejects(axios.get(at('http', '/nowhere')), { status: 404 });
  const secure = await axios.get(at('https', '/page'));
  assert.strictEqual(secure.data, 'a page\n');
  console.log('axios: posted, unzipped, redirected, refused, secure');
}

main();
