'use strict';

/**
 * Makes Node's `net.Socket` connect by the device, over its radio or through the tunnel.
 *
 * The class stays Node's own. A socket that connects gets a Handle in place of a descriptor.
 */

const http = require('http');
const net = require('net');
const { coded, errorOf } = require('../base/errors');
const { Handle } = require('./handle');
const {
  kReinitializeHandle, kSetKeepAlive, kSetNoDelay, kTimeout,
} = require('../base/internals');
const { callerOf, here } = require('../base/place');
const { warnOnce } = require('../base/warnings');

const { prototype } = net.Socket;
const nodeConnect = prototype.connect;
const nodeSetTimeout = prototype.setTimeout;
const nodeSetNoDelay = prototype.setNoDelay;
const nodeResetAndDestroy = prototype.resetAndDestroy;

const kLink = Symbol('link'); // the socket's latest Handle, also after it is closed
const kEvents = Symbol('events'); // name -> method, of the events of a Handle
const kEncrypted = Symbol('encrypted'); // an option of `connect`: Node does TLS over the connection
const kAskedNoDelay = Symbol('askedNoDelay'); // the program itself has called `setNoDelay`

const HTTP2 = 'node:internal/http2/'; // it calls setNoDelay for each of its sockets
const WEAK_NO_DELAY = 'setNoDelay is ignored: the CC3000 cannot send without delay';
const WEAK_HALF_OPEN = 'allowHalfOpen is ignored: the CC3000 closes both directions at once';

/** Replace the methods of `net.Socket` that would use the computer's own network. */
function install(channel) {
  prototype.connect = function connect(...args) {
    const normalized = Array.isArray(args[0]) ? args[0] : net._normalizeArgs(args);
    const [options] = normalized;
    if (options.path) {
      throw coded(TypeError, 'ERR_INVALID_ARG_VALUE', 'A device has no UNIX sockets: expected a port');
    }
    if (this._handle instanceof Handle && !this.destroyed && this._handle.hasBegun) {
      return refuse(this, options);
    }
    const isNamed = !net.isIP(options.host || 'localhost') && !options.lookup && !options.blockList;
    if (isNamed) check(options);
    attach(this, new Handle(channel), { ...this._connectFields(options), at: here() });
    if (isNamed) return connectByName(this, normalized);
    // Only the radio connects: without this, Node itself would try a name's second address.
    normalized[0] = options.lookup ? { autoSelectFamily: false, ...options } : options;
    return nodeConnect.call(this, normalized);
  };

  prototype._connectFields = function connectFields(options) {
    return { proxy: options.proxy !== false, encrypted: Boolean(options[kEncrypted]) };
  };

  Object.assign(prototype, REPLACED);
}

function attach(socket, handle, fields) {
  handle.fields = fields;
  socket[kReinitializeHandle](handle);
  socket._peername = null;
  socket[kLink] = handle;
}

const REPLACED = {
  [kEvents]: {
    opened(handle, fields) {
      handle.isWatched = fields.watched;
      handle.isWeak = fields.weak;
      warnOfWeakness(this);
      if (this.timeout) this.setTimeout(this.timeout);
    },
    lookup(handle, fields) {
      if (this.connecting && this._host !== null) {
        const error = fields.error ? errorOf(fields.error) : null;
        this.emit('lookup', error, fields.address || undefined, fields.family || undefined, this._host);
      }
    },
    tcp() {},
    connected(handle, fields) {
      handle.opened(fields);
      this._established();
    },
    idle() {
      this._onTimeout();
    },
  },

  _onDeviceEvent(handle, fields) {
    const event = this[kEvents][fields.event];
    if (event !== undefined) event.call(this, handle, fields);
  },

  _onDeviceError(handle, fields) {
    this.destroy(errorOf(fields, handle.fields.at));
  },

  /** Called when the connection is established. */
  _established() {
    finishConnect(this);
  },

  setTimeout(timeoutMs, callback) {
    nodeSetTimeout.call(this, timeoutMs, callback);
    const handle = this._handle;
    if (!(handle instanceof Handle) || !handle.isWatched) return this;
    handle.watchIdle(this.timeout);
    clearTimeout(this[kTimeout]);
    this[kTimeout] = null;
    return this;
  },

  setNoDelay: function setNoDelay(enable) {
    const isOn = enable === undefined || enable;
    if (isOn && !callerOf(setNoDelay).startsWith(HTTP2)) this[kAskedNoDelay] = true;
    nodeSetNoDelay.call(this, enable);
    warnOfWeakness(this);
    return this;
  },

  resetAndDestroy() {
    if (!(this._handle instanceof Handle)) return nodeResetAndDestroy.call(this);
    if (this.connecting) this.once('connect', () => this._reset());
    else this._reset();
    return this;
  },
};

// Connecting.

/** Connect to a name, which the device or the proxy looks up. */
function connectByName(socket, [options, callback]) {
  if (callback !== null) socket.once('connect', callback);
  if (socket.write !== prototype.write) socket.write = prototype.write; // a used socket's
  socket.connecting = true;
  socket._host = options.host || 'localhost';
  socket._unrefTimer();
  const handle = socket._handle;
  if (options.localAddress || options.localPort) handle.bind(options.localAddress, options.localPort);
  const family = { IPv4: 4, IPv6: 6 }[options.family] || options.family || 0;
  handle.begin({ ...handle.fields, host: socket._host, port: Number(options.port), family });
  return socket;
}

/** Report that the connection is established, by Node's own function if Node has asked for it. */
function finishConnect(socket) {
  const handle = socket._handle;
  const request = handle.takeRequest();
  if (request !== null) {
    request.oncomplete(0, handle, request, true, true);
    return;
  }
  socket.connecting = false;
  socket._sockname = null;
  socket._unrefTimer();
  if (socket[kSetNoDelay]) handle.setNoDelay(true);
  if (socket[kSetKeepAlive]) handle.setKeepAlive(true);
  socket.emit('connect');
  socket.emit('ready');
  if (!socket.isPaused()) socket.read(0);
}

/** Refuse a second `connect` of a socket, with the system's error. */
function refuse(socket, options) {
  const host = options.host || 'localhost';
  const error = errorOf({ message: `connect EISCONN ${host}:${options.port}`, code: 'EISCONN' });
  process.nextTick(() => socket.destroy(error));
  return socket;
}

function check(options) {
  const { host, port, localAddress } = options;
  if (host && typeof host !== 'string') {
    throw coded(TypeError, 'ERR_INVALID_ARG_TYPE',
      `The "options.host" property must be of type string. Received type ${typeof host}`);
  }
  if (port === undefined) {
    throw coded(TypeError, 'ERR_MISSING_ARGS', 'The "options" or "port" or "path" argument must be specified');
  }
  if (typeof port !== 'number' && typeof port !== 'string') {
    throw coded(TypeError, 'ERR_INVALID_ARG_TYPE',
      `The "options.port" property must be one of type number or string. Received ${String(port)}`);
  }
  const number = typeof port === 'string' ? Number(port.trim() || NaN) : port;
  if (!Number.isInteger(number) || number < 0 || number > 65535) {
    throw coded(RangeError, 'ERR_SOCKET_BAD_PORT',
      `Port should be >= 0 and < 65536. Received type ${typeof port} (${String(port)}).`);
  }
  if (localAddress && !net.isIP(localAddress)) {
    throw coded(TypeError, 'ERR_INVALID_IP_ADDRESS', `Invalid IP address: ${localAddress}`);
  }
}

/** Warn of options that the radio ignores, if the program itself has set them. */
function warnOfWeakness(socket) {
  const handle = socket._handle;
  if (!(handle instanceof Handle) || !handle.isWeak) return;
  if (socket[kAskedNoDelay]) warnOnce(WEAK_NO_DELAY);
  const isOfHttp = socket.server instanceof http.Server || socket._httpMessage;
  if (socket.allowHalfOpen && !isOfHttp) warnOnce(WEAK_HALF_OPEN);
}

/** Return whether a socket is one of the few that a chip has. */
function isScarce(socket) {
  const handle = socket[kLink];
  return handle instanceof Handle && handle.isWeak;
}

module.exports = { finishConnect, install, isScarce, kEncrypted, kEvents, kLink };
