'use strict';

/** Replaces `tls.connect`: the device, or the proxy, does the TLS. */

const https = require('https');
const net = require('net');
const tls = require('tls');
const { finishConnect, kEvents, kLink } = require('./socket');
const { nameWithProxy } = require('./net');
const { errorOf } = require('./errors');

const NodeTLSSocket = tls.TLSSocket;
const nodeConnect = tls.connect;

function install() {
  const { Socket } = net;

  function TLSSocket(options) {
    Socket.call(this, options);
    this.encrypted = true;
    this.authorized = false;
    this.authorizationError = null;
    this.secureConnecting = true;
    this.alpnProtocol = false;
    this._tlsOptions = options;
  }
  Object.setPrototypeOf(TLSSocket.prototype, Socket.prototype);
  const { prototype } = TLSSocket;

  prototype[kEvents] = {
    ...Socket.prototype[kEvents],
    tcp() {
      finishConnect(this);
    },
  };

  prototype._connectFields = function connectFields(options) {
    return { proxy: options.proxy !== false, tls: tlsFields(options) };
  };

  prototype._established = function established() {
    const facts = this[kLink].tls;
    this.secureConnecting = false;
    this.authorized = !facts || facts.authorized;
    this.authorizationError = facts && facts.error ? errorOf(facts.error).code : null;
    this.emit('secureConnect');
  };

  function connect(...args) {
    const [given, callback] = net._normalizeArgs(args);
    const options = typeof args[1] === 'object' && args[1] !== null ? { ...given, ...args[1] }
      : typeof args[2] === 'object' && args[2] !== null ? { ...given, ...args[2] } : given;
    if (options.socket) return nodeConnect.apply(this, args);
    const socket = new TLSSocket(options);
    if (callback !== null) socket.once('secureConnect', callback);
    if (options.timeout) socket.setTimeout(options.timeout);
    const normalized = net._normalizeArgs([options]);
    return socket.connect(normalized);
  }

  tls.TLSSocket = NodeTLSSocket;
  tls.connect = connect;
  https.Agent.prototype.getName = nameWithProxy(https.Agent.prototype.getName);
}

function tlsFields(options) {
  const fields = {};
  if (options.ca) fields.ca = [options.ca].flat().map(String);
  if (options.servername !== undefined) fields.servername = options.servername;
  if (options.rejectUnauthorized !== undefined) fields.reject = options.rejectUnauthorized !== false;
  return fields;
}

module.exports = { install };
