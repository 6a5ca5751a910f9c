'use strict';

/**
 * The connection of one socket, in place of the handle of the operating system that Node's
 * `net.Socket` would have.
 */

const { constants } = require('os');
const { sentHost } = require('../channel/channel');
const { END, HandleStream, STATE } = require('./handle_stream');
const { kOwner } = require('../base/internals');
const { warnOnce } = require('../base/warnings');

const { ECANCELED, EISCONN, ENOTCONN, EPIPE } = constants.errno;
const MAX_TIMEOUT_MS = 2 ** 31 - 1; // as Node's timers

/** The handle of one socket. */
class Handle extends HandleStream {
  constructor(channel) {
    super(channel);
    this._request = null; // Node's, of `connect`
    this._closed = null; // called when the device has closed the connection
    this._options = new Map(); // op -> fields, of options that were set before `connect`
    this._bound = undefined; // { address, port } of `bind`
    this.fields = {}; // of the call of `connect`, besides the target
    this.isWatched = false; // the proxy measures idle times
    this.isWeak = false; // the radio has no TCP options
    this.local = {};
    this.remote = {};
    this.tls = undefined;
  }

  /** Connect to a target: the fields of a call. */
  begin(fields) {
    this._state = STATE.CONNECTING;
    this.id = this._channel.add(this);
    this._updateHold();
    this._channel.sendEnvironment();
    this.call('connect', { ...fields, host: sentHost(fields.host) });
    for (const [op, optionFields] of this._options) this.call(op, optionFields);
  }

  /** Take a connection that the device has accepted. */
  accept(id, fields) {
    this.id = id;
    this._channel.addAccepted(id, this);
    this.opened(fields);
  }

  /** Note that the connection is established. */
  opened(fields) {
    this._state = STATE.OPEN;
    this.local = fields.local || {};
    this.remote = fields.remote || {};
    this.tls = fields.tls;
    this._updateHold();
  }

  get hasBegun() {
    return this._state !== STATE.IDLE;
  }

  /** The request of Node's own `connect`, once. */
  takeRequest() {
    const request = this._request;
    this._request = null;
    return request;
  }

  // The channel.

  onEvent(fields) {
    this._resource.runInAsyncScope(() => {
      if (fields.event === 'closed') this._gone(fields.error);
      else if (fields.event === 'end') this._ended();
      else if (this._state !== STATE.CLOSING) this[kOwner]._onDeviceEvent(this, fields);
    });
  }

  _gone(error) {
    this._channel.remove(this.id);
    if (this._state === STATE.CLOSING) {
      this._finishClose();
      return;
    }
    this._finishNow();
    const wasConnecting = this._state === STATE.CONNECTING;
    this._state = STATE.GONE;
    this._error = error || null;
    if (this._error === null && this._end === END.NONE) this._end = END.DUE;
    // a program that does not read, but writes, gets the reason in place of EPIPE
    const isWriting = this._error !== null && this._sending.waitingBytes > 0;
    if (wasConnecting || isWriting) this._fail();
    else this._passOn();
    if (this._state !== STATE.GONE) return; // a listener has destroyed the socket
    for (const done of this._sending.drop()) setImmediate(done, -EPIPE);
    if (this._ending !== null) this._finishEnd(0);
    this._updateHold();
  }

  _fail() {
    const error = this._error || { message: 'read ECONNRESET', code: 'ECONNRESET' };
    this._error = null;
    this[kOwner]._onDeviceError(this, error);
  }

  _ended() {
    if (this._state === STATE.CLOSING) return;
    this._finishNow();
    this._end = END.DUE;
    this._passOn();
  }

  // Closing.

  close(callback) {
    this._close('destroy', callback);
  }

  reset(callback) {
    this._close('reset', callback);
    return 0;
  }

  isClosing() {
    return this._state >= STATE.CLOSING;
  }

  _close(op, callback) {
    if (this.isClosing()) return;
    this._closed = callback;
    this._isFlowing = false;
    for (const done of this._sending.drop()) setImmediate(done, -ECANCELED);
    if (this._ending !== null) this._finishEnd(-ECANCELED);
    if (this.id === 0 || this._state === STATE.GONE) setImmediate(() => this._finishClose());
    else this.call(op);
    this._state = STATE.CLOSING;
    this._updateHold();
  }

  _finishClose() {
    this._state = STATE.CLOSED;
    this._updateHold();
    if (this._closed) this._closed();
  }

  // Node's own `connect`, with an address.

  connect(request, address, port) {
    return this._connect(request, address, port, 4);
  }

  connect6(request, address, port) {
    return this._connect(request, address, port, 6);
  }

  _connect(request, host, port, family) {
    if (this.hasBegun) return -EISCONN;
    this._request = request;
    this.begin({ ...this.fields, host, port, family });
    return 0;
  }

  bind(address, port) {
    warnOnce('localAddress and localPort are ignored: the radio chooses them');
    this._bound = { address, port };
    return 0;
  }

  bind6(address, port) {
    return this.bind(address, port);
  }

  // Options and facts.

  setNoDelay(on) {
    return this._option('nodelay', { on });
  }

  setKeepAlive(on) {
    return this._option('keepalive', { on });
  }

  /** Let the proxy measure for how long no bytes were sent or received. 0: no longer. */
  watchIdle(timeoutMs) {
    this.call('timeout', { ms: Math.min(Math.ceil(timeoutMs), MAX_TIMEOUT_MS) });
  }

  _option(op, fields) {
    if (this.hasBegun) this.call(op, fields);
    else this._options.set(op, fields);
    return 0;
  }

  getpeername(out) {
    return addressInto(out, this.remote);
  }

  getsockname(out) {
    return addressInto(out, this._bound !== undefined && !this.local.port ? this._bound : this.local);
  }
}

function addressInto(out, { address, port, family }) {
  if (address === undefined) return -ENOTCONN;
  Object.assign(out, { address, family, port });
  return 0;
}

module.exports = { Handle };
