'use strict';
/** xmlhttprequest: a GET, then a POST with a header, then a page by https. */

const assert = require('assert');
const { XMLHttpRequest } = require('xmlhttprequest');
const at = require('../at');

function ask(method, url, body, done) {
  const asked = new XMLHttpRequest();
  asked.onreadystatechange = () => {
    if (asked.readyState === 4) done(asked);
  };
  asked.open(method, url);
  asked.setRequestHeader('X-Asked-By', 'the battery');
  asked.send(body);
}

ask('GET', at('http', '/page'), null, (page) => {
  assert.strictEqual(page.responseText, 'a page\n');
  ask('POST', at('http', '/echo'), 'by XHR', (posted) => {
    assert.strictEqual(posted.status, 201);
    const echo = JSON.parse(posted.responseText);
    assert.strictEqual(echo.body, 'by XHR');
    assert.strictEqual(echo.headers['x-asked-by'], 'the battery');
    ask('GET', at('https', '/page'), null, (secure) => {
      assert.strictEqual(secure.responseText, 'a page\n');
      console.log('xmlhttprequest: got, posted, secure');
    });
  });
});
