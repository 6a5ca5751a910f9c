'use strict';

/** Connections and servers in a worker thread fail: only the main thread has the device's network. */

const net = require('net');
const guards = require('./guards');

const WHY = 'A worker thread has no network: the device\'s is in the main thread. Connect there, and exchange data by '
  + 'postMessage';

function install() {
  guards.install(WHY);
  net.Socket.prototype.connect = function connect() {
    process.nextTick(() => this.destroy(guards.unavailable(WHY)));
    return this;
  };
  net.Server.prototype.listen = function listen() {
    process.nextTick(() => this.emit('error', guards.unavailable(WHY)));
    return this;
  };
}

module.exports = { install };
