'use strict';

const http = require('http');
const https = require('https');
const { replaceFunction } = require('./define');

/** Lets servers answer requests of HTTP/1.1 without `Host`, as in Node 0.10. Today's answer 400. */
function installServers() {
  for (const each of [http, https]) replaceFunction(each, 'createServer', withoutHost);
}

function withoutHost(create) {
  return function createServer(...given) {
    const server = create.apply(this, given);
    const options = typeof given[0] === 'object' && given[0] !== null ? given[0] : {};
    if (options.requireHostHeader === undefined) server.requireHostHeader = false;
    return server;
  };
}

module.exports = { installServers };
