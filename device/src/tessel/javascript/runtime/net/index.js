'use strict';

/** Replaces what opens TCP connections and servers in Node's `net` and `http`. */

const http = require('http');
const https = require('https');
const server = require('./server');
const socket = require('./socket');

function install(channel) {
  socket.install(channel);
  server.install(channel);
  http.Agent.prototype.getName = nameWithProxy(http.Agent.prototype.getName);
  for (const agent of [http.globalAgent, https.globalAgent]) keepNothingScarce(agent);
}

/**
 * The default agents close idle connections of a chip. With four sockets, as on the CC3000, a fifth
 * target would be out of reach until a server ends one of them. The board's Node kept none either.
 */
function keepNothingScarce(agent) {
  const { keepSocketAlive } = agent;
  agent.keepSocketAlive = function keepSocketAliveUnlessScarce(idle) {
    return !socket.isScarce(idle) && keepSocketAlive.call(this, idle);
  };
}

/** Name connections with `proxy: false` apart, so that an agent does not reuse them for others. */
function nameWithProxy(getName) {
  return function getNameWithProxy(options) {
    const name = getName.call(this, options);
    return options && options.proxy === false ? `${name}:proxy=false` : name;
  };
}

module.exports = { install };
