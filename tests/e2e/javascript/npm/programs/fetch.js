'use strict';
/** Node's own fetch: JSON posted, a zipped answer, a stream, and a page by https. */

const assert = require('assert');
const at = require('../at');

async function main() {
  const body = JSON.stringify({ sent: 'by fetch' });
  const posted = await fetch(at('http', '/echo'), { method: 'POST', body });
  assert.strictEqual(posted.status, 201);
  assert.strictEqual((await posted.json()).body, body);
  const zipped = await fetch(at('http', '/gzip'));
  assert.deepStrictEqual(await zipped.json(), { zipped: true });
  let total = 0;
  for await (const chunk of (await fetch(at('http', '/bytes?count=300000'))).body) {
    total += chunk.length;
  }
  const secure = await fetch(at('https', '/page'));
  assert.strictEqual(await secure.text(), 'a page\n');
  console.log(`fetch: posted, unzipped, streamed ${total}, secure`);
}

main();
