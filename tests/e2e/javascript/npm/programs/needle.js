'use strict';
/** needle: JSON posted, a zipped answer, a redirect that is followed, and a page by https. */

const assert = require('assert');
const needle = require('needle');
const at = require('../at');

needle.post(at('http', '/echo'), { sent: 'by needle' }, { json: true }, (error, posted) => {
  assert.ifError(error);
  assert.deepStrictEqual(JSON.parse(posted.body.body), { sent: 'by needle' });
  needle.get(at('http', '/gzip'), { compressed: true }, (fault, zipped) => {
    assert.ifError(fault);
    assert.deepStrictEqual(zipped.body, { zipped: true });
    needle.get(at('http', '/redirect'), { follow: 1 }, (failure, redirected) => {
      assert.ifError(failure);
      assert.strictEqual(redirected.body.toString(), 'a page\n');
      needle.get(at('https', '/page'), (trouble, secure) => {
        assert.ifError(trouble);
        assert.strictEqual(secure.body.toString(), 'a page\n');
        console.log('needle: posted, unzipped, redirected, secure');
      });
    });
  });
});
