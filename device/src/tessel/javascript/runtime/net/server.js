'use strict';

/** Servers: `listen` opens a port of the device. Node's own `net.Server` does all else. */

const net = require('net');
const { sentHost } = require('../channel/channel');
const { coded, errorOf } = require('../base/errors');
const { Hold } = require('../channel/channel');
const { Handle } = require('./handle');
const { acceptConnection, kOwner } = require('../base/internals');
const { here } = require('../base/place');
const { kLink } = require('./socket');
const { warnOnce } = require('../base/warnings');

const HOST_IGNORED = 'the host is ignored: the CC3000 listens for every machine that can reach it';

const kPlace = Symbol('place'); // the program's line that opened a server

/** An open port, in place of Node's handle of a server. */
class Port {
  constructor(channel, server) {
    this._channel = channel;
    this._address = null;
    this._hold = new Hold(channel);
    this._isClosing = false;
    this[kOwner] = server;
    this.id = channel.add(this);
    this.ref();
  }

  listen(host, port, backlog, at) {
    this._wanted = { address: host || '::', family: net.isIPv4(host) ? 'IPv4' : 'IPv6', port };
    this._channel.sendEnvironment();
    this._channel.call(this.id, {
      op: 'listen', host: sentHost(host), port, backlog, at,
    });
  }

  onEvent(fields) {
    const { event } = fields;
    if (event === 'connection') this._accept(fields);
    else if (event === 'closed') this._end();
    else if (!this._isClosing && event === 'listening') this._listening(fields);
    else if (!this._isClosing) this._failed(fields);
  }

  _listening(fields) {
    this._address = fields.address;
    if (fields.host_ignored) warnOnce(HOST_IGNORED);
    this[kOwner].emit('listening');
  }

  /** The port could not be opened, or was lost later because the radio was off. */
  _failed(fields) {
    const server = this[kOwner];
    if (fields.event === 'failed') this._end();
    if (server._handle === this) server._handle = null;
    server.emit('error', errorOf(fields.error, server[kPlace]));
    if (fields.event === 'lost') server._emitCloseIfDrained();
  }

  _accept(fields) {
    this._channel.sendCredit(this.id, 1);
    const handle = new Handle(this._channel);
    handle.accept(fields.id, fields);
    if (this._isClosing) {
      handle.close();
      return;
    }
    acceptConnection.call(this, 0, handle);
    if (handle[kOwner] !== undefined) handle[kOwner][kLink] = handle; // else it was dropped
  }

  _end() {
    this._channel.remove(this.id);
    this.unref();
  }

  // Node's interface of a handle.

  getsockname(out) {
    Object.assign(out, this._address || this._wanted);
    return 0;
  }

  close() {
    if (this._isClosing) return;
    this._isClosing = true;
    this._channel.call(this.id, { op: 'close' });
  }

  ref() {
    this._hold.set(true);
  }

  unref() {
    this._hold.set(false);
  }

  hasRef() {
    return this._hold.isHeld;
  }
}

/** Replace what opens a port in `net.Server`. Its `listen` stays Node's, with its arguments. */
function install(channel) {
  const { prototype } = net.Server;
  const nodeListen = prototype.listen;
  prototype.listen = function listen(...args) {
    this[kPlace] = here();
    return nodeListen.apply(this, args);
  };
  prototype._listen2 = function listen2(address, port, addressType, backlog, fd) {
    if (port === -1 || fd >= 0) {
      throw coded(TypeError, 'ERR_INVALID_ARG_VALUE',
        'A device has no UNIX sockets and no inherited ports: expected a port');
    }
    this._handle = new Port(channel, this);
    if (this._unref) this.unref();
    this._handle.listen(address || '', port, backlog || 0, this[kPlace]);
  };
}

module.exports = { install };
