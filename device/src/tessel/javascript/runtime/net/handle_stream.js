'use strict';

/**
 * The two directions of a connection: bytes from the device to a socket, and from it to the device.
 *
 * Node's sockets, its TLS and its HTTP parser call the methods without an underscore. Statuses are 0
 * or a negative errno, as in Node.
 */

const { AsyncResource } = require('async_hooks');
const { constants } = require('os');
const { Hold } = require('../channel/channel');
const { Received, Window } = require('../channel/flow');
const { JSStream, kOwner, reportWrite } = require('../base/internals');

const { ENOTCONN, EPIPE } = constants.errno;

/** The state of the connection at the device. */
const STATE = { IDLE: 0, CONNECTING: 1, OPEN: 2, GONE: 3, CLOSING: 4, CLOSED: 5 };

/** Whether the target has ended its half, and whether the socket was notified, after all bytes. */
const END = { NONE: 0, DUE: 1, PASSED: 2 };

/** A stream of Node whose bytes come from the channel, and go to it. */
class HandleStream extends JSStream {
  constructor(channel) {
    super();
    this.id = 0;
    this._channel = channel;
    this._resource = new AsyncResource('TESSELCONNECTION'); // listeners run in the present async context
    this._state = STATE.IDLE;
    this._sending = new Window();
    this._isHeldBack = false; // no bytes are sent yet
    this._received = new Received();
    this._sent = 0;
    this._finishing = null; // reports that the writing half is closed
    this._hasEnded = false; // the program has closed its half
    this._ending = null; // called with a status when the writing half is closed
    this._isFlowing = false; // the socket wants bytes
    this._end = END.NONE;
    this._error = null; // of a connection that is gone, which the socket does not know yet
    this._isReferenced = true;
    this._hold = new Hold(channel);
  }

  call(op, fields) {
    if (this._state !== STATE.GONE && this.id !== 0) this._channel.call(this.id, { op, ...fields });
  }

  onData(bytes) {
    this._channel.checked(() => this._received.came(bytes.length));
    if (this._state === STATE.CLOSING) return;
    if (this._isFlowing && !this._received.isKeeping) this.readBuffer(bytes);
    else this._received.keep(bytes);
    this._returnCredit();
  }

  onCredit(nbytes) {
    this._channel.checked(() => this._sending.credited(nbytes));
    this._sendWaiting();
  }

  // Reading.

  onreadstart() {
    this._isFlowing = true;
    this._updateHold();
    if (this._received.isKeeping || this._end === END.DUE) setImmediate(() => this._passOn());
    else this._returnCredit();
    return 0;
  }

  onreadstop() {
    this._isFlowing = false;
    this._updateHold();
    return 0;
  }

  /** Pass on what has waited for the socket to read: bytes, then the end or the error. */
  _passOn() {
    while (this._isFlowing && this._received.isKeeping) this.readBuffer(this._received.take());
    if (!this._isFlowing) return;
    if (this._end === END.DUE) this._passEnd();
    else if (this._error !== null) this._fail();
    else this._returnCredit();
  }

  _passEnd() {
    this._end = END.PASSED;
    this.onreadstop();
    this.emitEOF();
  }

  _returnCredit() {
    if (!this._isFlowing || this._state !== STATE.OPEN) return;
    const credit = this._received.creditFor(this[kOwner].readableLength);
    if (credit > 0) this._channel.sendCredit(this.id, credit);
  }

  // Writing.

  writeBuffer(request, bytes) {
    return this._write(request, bytes);
  }

  writeUtf8String(request, text) {
    return this._write(request, Buffer.from(text, 'utf8'));
  }

  writeAsciiString(request, text) {
    return this._write(request, Buffer.from(text, 'latin1'));
  }

  writeLatin1String(request, text) {
    return this._write(request, Buffer.from(text, 'latin1'));
  }

  writeUcs2String(request, text) {
    return this._write(request, Buffer.from(text, 'utf16le'));
  }

  writev(request, chunks, allBuffers) {
    if (allBuffers) return this._write(request, Buffer.concat(chunks));
    const buffers = [];
    for (let at = 0; at < chunks.length; at += 2) {
      const chunk = chunks[at];
      buffers.push(typeof chunk === 'string' ? Buffer.from(chunk, chunks[at + 1]) : chunk);
    }
    return this._write(request, Buffer.concat(buffers));
  }

  /** Write for Node's TLS or HTTP/2; `finishWrite` reports the result. */
  onwrite(request, buffers) {
    const done = (status) => setImmediate(() => this.finishWrite(request, status));
    if (this._send(Buffer.concat(buffers), done)) done(0);
    return 0;
  }

  get bytesWritten() {
    return this._sent;
  }

  get writeQueueSize() {
    return this._sending.waitingBytes;
  }

  _write(request, bytes) {
    const isDone = this._send(bytes, (status) => request.oncomplete(status));
    reportWrite(bytes.length, isDone);
    return 0;
  }

  /** Send bytes; return true if that is done, else `done` is called with a status. */
  _send(bytes, done) {
    this._sent += bytes.length;
    if (this._state === STATE.GONE || this._hasEnded) {
      if (this._error !== null) this._fail(); // as the first write after a reset does
      setImmediate(done, -EPIPE);
      return false;
    }
    if (!this._isHeldBack && this._sending.take(bytes.length)) return this._sendNow(bytes, done);
    this._sending.keep(bytes, done);
    this._sendWaiting();
    return false;
  }

  /** Keep all writes until `letGo`. */
  holdBack() {
    this._isHeldBack = true;
  }

  letGo() {
    this._isHeldBack = false;
    this._sendWaiting();
  }

  _sendNow(bytes, done) {
    return this._channel.sendData(this.id, bytes, () => this._resource.runInAsyncScope(done, null, 0));
  }

  _sendWaiting() {
    let piece;
    while (!this._isHeldBack && (piece = this._sending.next()) !== undefined) {
      const { bytes, done } = piece;
      if (done === undefined) this._channel.sendData(this.id, bytes);
      else if (this._sendNow(bytes, done)) setImmediate(done, 0);
    }
    if (this._ending !== null && !this._sending.isFull) this._sendEnd();
    this._updateHold();
  }

  shutdown(request) {
    return this._endWriting((status) => request.oncomplete(status));
  }

  /**
   * As `shutdown`, for Node's TLS and HTTP/2, whose last bytes notify the target of the end.
   *
   * A radio that cannot half-close would lose the answer: the connection stays open until the target
   * or the program closes it.
   */
  onshutdown(request) {
    const done = (status) => this.finishShutdown(request, status);
    if (!this.isWeak) return this._endWriting(done);
    setImmediate(done, 0);
    return 0;
  }

  _endWriting(done) {
    if (this._hasEnded) {
      setImmediate(done, -ENOTCONN); // Node's TLS and the socket below it may both end it
      return 0;
    }
    this._hasEnded = true;
    this._ending = done;
    if (this._state === STATE.GONE) this._finishEnd(0);
    else if (!this._sending.isFull) this._sendEnd();
    this._updateHold();
    return 0;
  }

  _sendEnd() {
    this.call('end');
    this._finishEnd(0);
  }

  _finishEnd(status) {
    const done = this._ending;
    this._ending = null;
    this._finishing = () => {
      this._finishing = null;
      done(status);
    };
    setImmediate(() => this._finishNow());
  }

  /** Report the end of the writing half, if that is due: before the target's end, as with a system. */
  _finishNow() {
    if (this._finishing !== null) this._finishing();
  }

  // The life of the process.

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

  /** Keep the process alive while the connection is busy, as a handle of the system does. */
  _updateHold() {
    const isBusy = this._state === STATE.CONNECTING || this._state === STATE.CLOSING
      || this._sending.isFull || this._ending !== null
      || (this._isReferenced && this._isFlowing && this._state === STATE.OPEN);
    this._hold.set(isBusy);
  }
}

module.exports = { END, HandleStream, STATE };
