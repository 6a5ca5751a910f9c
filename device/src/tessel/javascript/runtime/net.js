'use strict';

/** Replaces what opens TCP connections and servers in Node's `net` and `http`. */

const http = require('http');
const net = require('net');
const { kLink, makeSocketClass } = require('./socket');
const { makeListener, notingPlace } = require('./server');

function install(channel) {
  const Socket = makeSocketClass(channel);

  function connect(...args) {
    const normalized = net._normalizeArgs(args);
    const [options] = normalized;
    const socket = new Socket(options);
    if (options.timeout) socket.setTimeout(options.timeout);
    return socket.connect(normalized);
  }

  net.Socket = Socket;
  net.Stream = Socket;
  net.connect = connect;
  net.createConnection = connect;
  net.Server.prototype.listen = notingPlace(net.Server.prototype.listen);
  net.Server.prototype._listen2 = makeListener(channel, (options, id, fields) => {
    const socket = new Socket(options);
    socket[kLink].accept(id, fields);
    return socket;
  });
  http.Agent.prototype.createConnection = connect;
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
