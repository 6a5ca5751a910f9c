'use strict';

/**
 * A UDP port of the radio, in place of Node's handle of a `dgram` socket. Its methods are those of
 * the handle: they return 0, or the negative number of an error, from which Node makes the Error.
 *
 * javascript/datagrams.py is the device's end.
 */

const net = require('net');
const os = require('os');
const { errorOf } = require('../base/errors');
const { RadioPortOptions } = require('./radio_port_options');
const { DATAGRAM_BYTES, Unsent } = require('./unsent');
const { warnOnce } = require('../base/warnings');
const { Hold } = require('../channel/channel');

const { errno } = os.constants;

/** Datagrams of a socket whose names are being looked up; as in Python programs. */
const MAX_LOOKUP_DATAGRAMS = 1024;

/** Credit for received datagrams is returned in steps of this size. */
const CREDIT_STEP_BYTES = 32 * 1024;

const MAX_DATAGRAM_BYTES = 65507;

/** In place of an address: too many datagrams wait for a look-up. */
const ONE_TOO_MANY = Symbol('one datagram too many waits for a look-up');

class RadioPort extends RadioPortOptions {
  /** `native`: Node's handle, whose async ID and symbols this port takes over. */
  constructor(channel, socket, native) {
    super(channel, socket);
    this._nodeLookup = native.lookup;
    this._asyncId = native.getAsyncId();
    for (const symbol of Object.getOwnPropertySymbols(native)) this[symbol] = native[symbol];
    this._peer = null; // of a connected socket
    this._expected = null; // { port } of a `bind` that is being called
    this._whenBound = null; // called when the port is bound, or not
    this._receiving = false;
    this._lookingUp = 0; // datagrams
    this._unsent = new Unsent(channel);
    this._owed = 0; // bytes of received datagrams for which no credit was returned yet
    this._hold = new Hold(channel);
    this._isReferenced = true;
    this._closing = false;
  }

  getAsyncId() {
    return this._asyncId;
  }

  // Binding. Node looks the address up first, and binds when it is called back.

  /** Bind the port with the next look-up, before it calls back; null: it is an ordinary one. */
  expectBind(port) {
    this._expected = port === null ? null : { port: Number(port) & 0xffff };
  }

  lookup(address, callback) {
    const expected = this._expected;
    this._expected = null;
    if (expected !== null) this._lookUpAndBind(expected.port, address, callback);
    else if (net.isIP(address || '127.0.0.1')) this._nodeLookup(address, callback);
    else this._lookUp(address, callback);
  }

  _lookUp(address, callback) {
    if (this._lookingUp >= MAX_LOOKUP_DATAGRAMS) {
      process.nextTick(callback, null, ONE_TOO_MANY);
      return;
    }
    this._lookingUp += 1;
    this._nodeLookup(address, (...results) => {
      this._lookingUp -= 1;
      callback(...results);
    });
  }

  _lookUpAndBind(port, address, callback) {
    this._nodeLookup(address, (error, ip, ...others) => {
      if (error || this._closing || !net.isIPv4(ip)) callback(error, ip, ...others);
      else this._open(port, ip, (failure) => callback(failure, ip, ...others));
    });
  }

  _open(port, host, whenBound) {
    this._whenBound = whenBound;
    this.id = this._channel.add(this);
    this._updateHold();
    this._channel.sendEnvironment();
    this._channel.call(this.id, { op: 'bind', host, port });
  }

  bind(ip) {
    return this._bound !== null && net.isIPv4(ip) ? 0 : -errno.EINVAL;
  }

  // Events of the device.

  onEvent(fields, data) {
    this[`_on_${fields.event}`](fields, data);
  }

  /** Called when the device has sent so many datagrams. */
  onCredit(number) {
    for (let left = number; left > 0; left -= 1) this._unsent.end(0);
  }

  _on_bound({ address, options, host_ignored: hostIgnored }) {
    const { address: own, family, port } = address;
    this._bound = { address: own, family, port };
    this._hasOptions = options;
    if (hostIgnored) warnOnce('dgram: the host is ignored: the CC3000 receives at all its addresses');
    try {
      this._settleBind(null);
    } finally { // also if a listener throws, and the program goes on
      this._joinEarly();
    }
  }

  _on_failed({ error }) {
    this._end();
    this._settleBind(errorOf(error));
  }

  _settleBind(error) {
    const whenBound = this._whenBound;
    this._whenBound = null;
    if (!this._closing) whenBound(error);
  }

  _on_lost({ error }) {
    if (this._closing) return;
    this._socket.emit('error', errorOf(error));
    if (!this._closing) this._socket.close();
  }

  _on_closed() {
    this._end();
    this._unsent.drop();
  }

  _on_refused({ option, error }) {
    if (!this._closing) this._socket.emit('error', Object.assign(errorOf(error), { syscall: option }));
  }

  _on_message({ address, port }, data) {
    const bytes = data || Buffer.alloc(0);
    this._returnCredit(bytes.length + DATAGRAM_BYTES);
    if (!this._receiving || !this._isFromPeer(address, port)) return;
    this.onmessage(bytes.length, this, bytes, { address, family: 'IPv4', port });
  }

  /** Count bytes of a received datagram, and return credit in steps. */
  _returnCredit(nbytes) {
    this._owed += nbytes;
    if (this._owed < CREDIT_STEP_BYTES || this.id === 0) return;
    this._channel.sendCredit(this.id, this._owed);
    this._owed = 0;
  }

  _isFromPeer(address, port) {
    return this._peer === null || (this._peer.address === address && this._peer.port === port);
  }

  // Sending.

  send(request, list, count, ...rest) {
    const to = rest.length > 1 ? { port: rest[0], address: rest[1] } : this._peer;
    if (to === null) return -errno.EDESTADDRREQ;
    if (to.address === ONE_TOO_MANY) return -errno.ENOBUFS;
    if (!net.isIPv4(to.address)) return -errno.EINVAL;
    const data = Buffer.concat(list.map(bytesOf));
    if (data.length > MAX_DATAGRAM_BYTES) return -errno.EMSGSIZE;
    if (!this._unsent.add(data.length, request)) return -errno.ENOBUFS;
    this._channel.call(this.id, { op: 'send', host: to.address, port: to.port }, data);
    return 0;
  }

  _on_unsent({ code }) {
    this._unsent.end(-errno[code] || -errno.EIO);
  }

  getSendQueueSize() {
    return this._unsent.size;
  }

  getSendQueueCount() {
    return this._unsent.count;
  }

  // The peer, and the addresses.

  connect(address, port) {
    if (address === ONE_TOO_MANY) return -errno.ENOBUFS;
    if (!net.isIPv4(address)) return -errno.EINVAL;
    this._peer = { address, family: 'IPv4', port };
    return 0;
  }

  disconnect() {
    this._peer = null;
    return 0;
  }

  getpeername(out) {
    Object.assign(out, this._peer);
    return this._peer === null ? -errno.ENOTCONN : 0;
  }

  getsockname(out) {
    Object.assign(out, this._bound);
    return this._bound === null ? -errno.EBADF : 0;
  }

  // Receiving, and the life of the process.

  recvStart() {
    this._receiving = true;
    return 0;
  }

  recvStop() {
    this._receiving = false;
    return 0;
  }

  close() {
    this._closing = true;
    if (this.id !== 0) this._channel.call(this.id, { op: 'close' }); // the device answers: closed
  }

  _end() {
    if (this.id !== 0) this._channel.remove(this.id);
    this.id = 0;
    this._updateHold();
  }

  ref() {
    this._isReferenced = true;
    this._updateHold();
  }

  unref() {
    this._isReferenced = false;
    this._updateHold();
  }

  hasRef() {
    return this._isReferenced;
  }

  /** Keep the process alive while the port is open and referenced. */
  _updateHold() {
    this._hold.set(this._isReferenced && this.id !== 0);
  }
}

function bytesOf(part) {
  return Buffer.from(part.buffer, part.byteOffset, part.byteLength);
}

module.exports = { RadioPort };
