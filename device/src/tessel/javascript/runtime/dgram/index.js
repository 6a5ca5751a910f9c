'use strict';

/**
 * UDP: the ports of `dgram` are the radio's. Node's own `dgram` keeps the arguments, the look-ups,
 * the connected peer and the events.
 */

const dgram = require('dgram');
const os = require('os');
const { coded } = require('../base/errors');
const { symbolOf } = require('../base/internals');
const { RadioPort } = require('./radio_port');
const { warnOnce } = require('../base/warnings');

/** Datagrams of a socket that wait for its port to be bound; as in Python programs. */
const MAX_UNBOUND_DATAGRAMS = 64;

/** Options that are ignored, and why. */
const IGNORED = {
  reuseAddr: 'the radio binds a port once',
  reusePort: 'the radio binds a port once',
  ipv6Only: 'the radio has only IPv4 for datagrams',
  recvBufferSize: 'the radio\'s buffers have a fixed size',
  sendBufferSize: 'the radio\'s buffers have a fixed size',
};

const NodeSocket = dgram.Socket;
const nodeBind = NodeSocket.prototype.bind;
const nodeSend = NodeSocket.prototype.send;

/** Replace the class of sockets, which gets a RadioPort in place of Node's handle. */
function install(channel) {
  const probe = new NodeSocket('udp4');
  const kState = symbolOf(probe, 'state symbol'); // of the property with the handle
  probe.close();
  const Socket = makeSocketClass(channel, kState);
  replaceBindAndSend(Socket.prototype, kState);
  dgram.Socket = Socket;
  dgram.createSocket = function createSocket(type, listener) {
    return new Socket(type, listener);
  };
}

function makeSocketClass(channel, kState) {
  function Socket(type, listener) {
    if (!(this instanceof Socket)) return new Socket(type, listener);
    refuseIPv6(type);
    NodeSocket.call(this, type, listener);
    const state = this[kState];
    ignoreOptions(type, state);
    if (state.handle === null) return undefined; // its signal was aborted already
    const native = state.handle;
    state.handle = new RadioPort(channel, this, native);
    native.close();
    return undefined;
  }
  Object.setPrototypeOf(Socket, NodeSocket);
  Socket.prototype = NodeSocket.prototype;
  Socket.prototype.constructor = Socket;
  return Socket;
}

function replaceBindAndSend(prototype, kState) {
  prototype.bind = function bind(...args) {
    const [place] = args;
    const { handle } = this[kState];
    if (!(handle instanceof RadioPort)) return nodeBind.apply(this, args);
    refuseDescriptor(place);
    handle.expectBind(typeof place === 'object' && place !== null ? place.port : place);
    try {
      return nodeBind.apply(this, args);
    } finally {
      handle.expectBind(null);
    }
  };

  prototype.send = function send(...args) {
    nodeSend.apply(this, args);
    const { queue } = this[kState];
    if (queue === undefined || queue.length <= MAX_UNBOUND_DATAGRAMS) return;
    queue.pop();
    const callback = args.findLast((one) => typeof one === 'function');
    if (callback !== undefined) process.nextTick(callback, noBuffers());
  };
}

function refuseIPv6(given) {
  const type = typeof given === 'object' && given !== null ? given.type : given;
  if (type !== 'udp6') return;
  throw coded(TypeError, 'ERR_SOCKET_BAD_TYPE',
    'Bad socket type: a board\'s radio has only udp4, not udp6');
}

/** Warn of the options that are ignored, and remove them from the state of Node's socket. */
function ignoreOptions(given, state) {
  for (const [name, reason] of Object.entries(IGNORED)) {
    if (typeof given !== 'object' || !given[name]) continue;
    state[name] = undefined;
    warnOnce(`dgram: ${name} is ignored: ${reason}`);
  }
}

function refuseDescriptor(place) {
  if (typeof place !== 'object' || place === null) return;
  if (place.fd === undefined && typeof place.recvStart !== 'function') return;
  throw coded(TypeError, 'ERR_INVALID_ARG_VALUE',
    'bind: a device has no file descriptors: expected a port and an address');
}

function noBuffers() {
  const error = coded(Error, 'ENOBUFS',
    `send ENOBUFS: ${MAX_UNBOUND_DATAGRAMS} datagrams wait for the port already`);
  return Object.assign(error, { errno: -os.constants.errno.ENOBUFS, syscall: 'send' });
}

module.exports = { install };
