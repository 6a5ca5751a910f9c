'use strict';

/** get.js URL [direct]: prints what the page holds. An error ends it, as nobody listens for one. */

const [url, way] = process.argv.slice(2);
const client = require(new URL(url).protocol === 'https:' ? 'https' : 'http');

client.get(url, way === 'direct' ? { proxy: false } : {}, (response) => {
  response.setEncoding('utf8');
  response.on('data', (text) => process.stdout.write(text));
});
