'use strict';

/** Replaces what opens TCP connections and servers in Node's `net` and `http`. */

const http = require('http');
const server = require('./server');
const socket = require('./socket');

function install(channel) {
  socket.install(channel);
  server.install(channel);
  http.Agent.prototype.getName = nameWithProxy(http.Agent.prototype.getName);
}

/** An agent's connections that may use the tunnel, and those that may not, are different ones. */
function nameWithProxy(getName) {
  return function getNameWithProxy(options) {
    const name = getName.call(this, options);
    return options && options.proxy === false ? `${name}:proxy=false` : name;
  };
}

module.exports = { install, nameWithProxy };
