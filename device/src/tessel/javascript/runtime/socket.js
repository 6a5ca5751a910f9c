'use strict';

/**
 * `net.Socket` whose connection is made by the device, over its radio or through the tunnel.
 *
 * The class extends Node's own. That one keeps the arguments, the timeouts and the streams; this
 * one replaces what would use a descriptor of the operating system.
 */

const net = require('net');
const { coded, errorOf } = require('./errors');
const { Link, WINDOW_BYTES } = require('./link');
const { here } = require('./place');

const NodeSocket = net.Socket;
const kLink = Symbol('link');
const kEvents = Symbol('events');

/** Make the class of sockets for a channel. */
function makeSocketClass(channel) {
  function Socket(options) {
    if (!(this instanceof Socket)) return new Socket(options);
    if (options && (options.fd !== undefined || options.handle)) {
      // A file, pipe or terminal: no network. tty calls this function for a stream of its own.
      return new.target === undefined ? NodeSocket.call(this, options) : new NodeSocket(options);
    }
    NodeSocket.call(this, options);
    this[kLink] = new Link(channel, this);
    this._pendingWrite = null; // { data, callback }: waits for credit, or for the connection
    this._closed = null; // called when the device has closed the connection
  }
  Object.setPrototypeOf(Socket.prototype, NodeSocket.prototype);
  Object.setPrototypeOf(Socket, NodeSocket);
  Object.defineProperty(Socket, Symbol.hasInstance, {
    value(object) {
      const prototype = this === Socket ? NodeSocket.prototype : this.prototype;
      return Object.prototype.isPrototypeOf.call(prototype, object);
    },
  });

  const { prototype } = Socket;

  // Connecting.

  prototype.connect = function connect(...args) {
    const normalized = Array.isArray(args[0]) ? args[0] : net._normalizeArgs(args);
    const [options, callback] = normalized;
    const target = targetOf(options);
    if (this.destroyed) revive(this);
    if (callback !== null) this.once('connect', callback);
    if (this[kLink].id !== 0) {
      const error = coded(Error, 'EISCONN', `connect EISCONN ${target.host}:${target.port}`);
      process.nextTick(() => this.destroy(error));
      return this;
    }
    const more = this._connectFields(options); // may throw: nothing has begun
    this.connecting = true;
    this._host = target.host;
    this._unrefTimer();
    const link = this[kLink];
    link.begin();
    channel.sendEnvironment();
    link.call('connect', { ...target, ...more, at: here() });
    if (options.noDelay) this.setNoDelay(true);
    if (options.keepAlive) this.setKeepAlive(true, options.keepAliveInitialDelay);
    return this;
  };

  prototype._connectFields = function connectFields(options) {
    return { proxy: options.proxy !== false };
  };

  prototype[kEvents] = {
    opened(link, fields) {
      link.watched = fields.watched;
    },
    lookup(link, fields) {
      const error = fields.error ? errorOf(fields.error) : null;
      this.emit('lookup', error, fields.address, fields.family, this._host);
    },
    tcp() {},
    connected(link, fields) {
      if (this.destroyed) return;
      link.connected(fields);
      this.connecting = false;
      this._unrefTimer();
      this._established();
      this._sendWaiting(link);
      if (this.readable && !this.isPaused()) this.read(0);
    },
    idle() {
      this._onTimeout();
    },
    end() {
      if (this.destroyed) return;
      this.push(null);
      this.read(0);
    },
    closed(link, fields) {
      link.close();
      const error = fields.error ? errorOf(fields.error) : null;
      if (this._closed !== null) this._closed();
      else if (error !== null) this.destroy(error);
      else if (!this.readableEnded || !this.writableFinished) endCleanly(this);
    },
  };

  prototype._onLinkEvent = function onLinkEvent(link, fields) {
    this[kEvents][fields.event].call(this, link, fields);
  };

  prototype._established = function established() {
    this.emit('connect');
    this.emit('ready');
  };

  // Reading.

  prototype._bytesArrived = function bytesArrived(link, bytes) {
    this._unrefTimer();
    if (this.destroyed) return;
    this.push(bytes);
    link.consume(this.readableLength, false);
  };

  prototype._read = function read() {
    const link = this[kLink];
    // A program that wants more than the window holds gets credit for what it has not read yet.
    const buffered = this.readableHighWaterMark < WINDOW_BYTES ? this.readableLength : 0;
    link.consume(buffered, true);
  };

  // Writing.

  prototype._writeGeneric = function writeGeneric(writev, data, encoding, callback) {
    const bytes = writev ? joined(data) : asBytes(data, encoding);
    const link = this[kLink];
    if (link.id === 0) {
      callback(coded(Error, 'ERR_SOCKET_CLOSED', 'Socket is closed'));
      return;
    }
    this._unrefTimer();
    link.written += bytes.length;
    this._pendingWrite = { bytes, callback };
    this._sendWaiting(link);
  };

  prototype._sendWaiting = function sendWaiting(link) {
    const waiting = this._pendingWrite;
    if (waiting === null || link.id === 0) return;
    const piece = waiting.bytes.subarray(0, link.window);
    if (piece.length > 0) {
      this._unrefTimer();
      link.window -= piece.length;
      channel.sendData(link.id, piece);
      waiting.bytes = waiting.bytes.subarray(piece.length);
    }
    // Node calls back when the connection is established, not before.
    if (waiting.bytes.length > 0 || !link.open) return;
    this._pendingWrite = null;
    waiting.callback(null);
  };

  prototype._final = function final(callback) {
    const link = this[kLink];
    if (link.id === 0) {
      if (!link.begun && !this.destroyed) {
        this.once('connect', () => this._final(callback));
      } else {
        callback();
      }
      return;
    }
    link.call('end');
    if (link.open) callback();
    else this.once('connect', () => callback());
  };

  // Closing.

  prototype._destroy = function destroy(error, callback) {
    const link = this[kLink];
    this.connecting = false;
    for (let socket = this; socket; socket = socket._parent) clearIdle(socket);
    const over = () => {
      this._closed = null;
      process.nextTick(() => this.emit('close', Boolean(error)));
    };
    const pending = this._pendingWrite;
    this._pendingWrite = null;
    const isOver = link.id === 0;
    if (!isOver) {
      this._closed = over;
      link.call(this.resetAndClosing ? 'reset' : 'destroy');
    }
    if (pending !== null) {
      pending.callback(error || coded(Error, 'ERR_SOCKET_CLOSED', 'Socket is closed'));
    }
    callback(error);
    if (isOver) over(); // after the callback, which emits the error
    if (this._server) {
      this._server._connections -= 1;
      this._server._emitCloseIfDrained();
    }
  };

  prototype.resetAndDestroy = function resetAndDestroy() {
    this.resetAndClosing = true;
    return this.destroy();
  };

  // Options and facts.

  prototype.setNoDelay = function setNoDelay(enable) {
    return option(this, 'nodelay', { on: enable === undefined ? true : Boolean(enable) });
  };

  prototype.setKeepAlive = function setKeepAlive(enable) {
    return option(this, 'keepalive', { on: Boolean(enable) });
  };

  prototype.ref = function ref() {
    this[kLink].want(true);
    return this;
  };

  prototype.unref = function unref() {
    this[kLink].want(false);
    return this;
  };

  prototype._getpeername = function getpeername() {
    return this[kLink].open ? this[kLink].remote : {};
  };

  prototype._getsockname = function getsockname() {
    return this[kLink].open ? this[kLink].local : {};
  };

  Object.defineProperties(prototype, {
    pending: { configurable: true, get() { return !this[kLink].open; } },
    _bytesDispatched: { configurable: true, get() { return this[kLink].written; } },
    bytesRead: { configurable: true, get() { return this[kLink].arrived; } },
  });

  return Socket;
}

function targetOf(options) {
  if (options.path) {
    throw coded(TypeError, 'ERR_INVALID_ARG_VALUE', 'A device has no UNIX sockets: expected a port');
  }
  const port = typeof options.port === 'string' ? Number(options.port.trim() || NaN) : options.port;
  if (!Number.isInteger(port) || port < 0 || port > 65535) {
    throw coded(RangeError, 'ERR_SOCKET_BAD_PORT',
      `Port should be >= 0 and < 65536. Received ${String(options.port)}.`);
  }
  return { host: options.host || 'localhost', port, family: options.family || 0 };
}

function option(socket, op, fields) {
  const link = socket[kLink];
  if (link.id !== 0) link.call(op, fields);
  else socket.once('connect', () => link.call(op, fields));
  return socket;
}

/** The device has closed the connection in order: end what the program has not ended. */
function endCleanly(socket) {
  if (socket._pendingWrite !== null) {
    const error = coded(Error, 'EPIPE', 'write EPIPE');
    socket.destroy(error);
    return;
  }
  socket.push(null);
  socket.read(0);
}

function revive(socket) {
  socket._undestroy();
  socket[kLink] = new Link(socket[kLink].channel, socket);
}

function clearIdle(socket) {
  socket.setTimeout(0);
}

function asBytes(data, encoding) {
  if (typeof data === 'string') return Buffer.from(data, encoding);
  return Buffer.from(data.buffer, data.byteOffset, data.byteLength);
}

function joined(entries) {
  return Buffer.concat(entries.map(({ chunk, encoding }) => asBytes(chunk, encoding)));
}

module.exports = { kEvents, kLink, makeSocketClass };
