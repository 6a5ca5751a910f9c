'use strict';
/** q: two downloads as promises, joined, and an error that is caught. */

const assert = require('assert');
const http = require('http');
const Q = require('q');
const at = require('../at');

/** Returns a promise of the number of bytes behind a URL. */
function size(url) {
  const deferred = Q.defer();
  http.get(url, (response) => {
    let total = 0;
    response.on('data', (chunk) => { total += chunk.length; });
    response.on('end', () => deferred.resolve(total));
  }).on('error', deferred.reject);
  return deferred.promise;
}

Q.all([size(at('http', '/bytes?count=5')), size(at('http', '/bytes?count=70000'))])
  .spread((few, many) => assert.deepStrictEqual([few, many], [5, 70000]))
  .then(() => size('http://nobody.invalid/')) // a reserved name, which nobody has
  .fail((error) => {
    if (error instanceof assert.AssertionError) throw error;
    console.log('q: both sizes, and the error was caught');
  })
  .done();
