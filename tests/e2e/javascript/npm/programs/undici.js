'use strict';
/** undici from npm: a request, its fetch, and a pool that keeps its connection. */

const assert = require('assert');
const { Pool, fetch, request } = require('undici');
const at = require('../at');

async function main() {
  const posted = await request(at('http', '/echo'), { method: 'POST', body: 'by undici' });
  assert.strictEqual((await posted.body.json()).body, 'by undici');
  const page = await fetch(at('http', '/redirect'));
  assert.strictEqual(await page.text(), 'a page\n');
  const pool = new Pool(at('https', '').replace(/\/$/, ''), { connections: 1 });
  for (const path of ['/page', '/page']) {
    const answer = await pool.request({ path, method: 'GET' });
    assert.strictEqual(await answer.body.text(), 'a page\n');
  }
  await pool.close();
  console.log('undici: requested, fetched, pooled');
}

main();
