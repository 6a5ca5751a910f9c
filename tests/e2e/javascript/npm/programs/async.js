'use strict';
/** async: three downloads at the same time, then two one after the other. */

const async = require('async');
const http = require('http');
const at = require('../at');

/** Calls back with the number of bytes of a page. */
function size(count, callback) {
  const url = at('http', `/bytes?count=${count}`);
  http.get(url, (response) => {
    let total = 0;
    response.on('data', (chunk) => { total += chunk.length; });
    response.on('end', () => callback(null, total));
  }).on('error', callback);
}

async.map([1000, 20000, 300000], size, (error, together) => {
  if (error) throw error;
  async.mapSeries([10, 20], size, (fault, inTurn) => {
    if (fault) throw fault;
    console.log(`async: ${together.join(' ')}, then ${inTurn.join(' ')}`);
  });
});
