'use strict';

/** Connections and servers in a worker thread fail: only the main thread has the device's network. */

const net = require('net');
const { unavailable } = require('./guards');

const WHY = 'A worker thread has no network: the device\'s is in the main thread. Connect there, and exchange data by '
  + 'postMessage';

function install() {
  net.Socket.prototype.connect = function connect() {
    process.nextTick(() => this.destroy(unavailable(WHY)));
    return this;
  };
  net.Server.prototype.listen = function listen() {
    process.nextTick(() => this.emit('error', unavailable(WHY)));
    return this;
  };
}

module.exports = { install };
