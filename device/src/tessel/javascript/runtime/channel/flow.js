'use strict';

/**
 * The flow control of one socket on the channel; javascript/flow.py explains the numbers.
 */

const { ChannelError } = require('./frames');

const WINDOW_BYTES = 128 * 1024;
const CREDIT_STEP_BYTES = 32 * 1024;

/** Bytes in a socket's own buffer that count as not consumed yet. A program may set a larger buffer. */
const COUNTED_BUFFER_BYTES = 64 * 1024;

/** Counts the bytes that the device has sent, and the credit that it has got back for them. */
class Received {
  constructor() {
    this._unreturned = 0; // bytes that came, and for which no credit was returned
    this._kept = []; // of these, the bytes that the socket does not want yet
    this._keptBytes = 0;
  }

  /** Count bytes that came. Throws a ChannelError if the device had no credit for them. */
  came(nbytes) {
    this._unreturned += nbytes;
    if (this._unreturned > WINDOW_BYTES) {
      throw new ChannelError(`${this._unreturned} bytes of a socket; allowed without credit: ${WINDOW_BYTES}`);
    }
  }

  get isKeeping() {
    return this._keptBytes > 0;
  }

  /** Keep bytes until `take`. They are copied. */
  keep(bytes) {
    this._kept.push(Buffer.from(bytes));
    this._keptBytes += bytes.length;
  }

  /** Return the oldest kept bytes. */
  take() {
    const bytes = this._kept.shift();
    this._keptBytes -= bytes.length;
    return bytes;
  }

  /**
   * Return the credit to send now; 0 if it is less than a step. `buffered`: bytes that the socket has,
   * and the program has not read.
   */
  creditFor(buffered) {
    const counted = Math.min(buffered, COUNTED_BUFFER_BYTES);
    const owed = this._unreturned - this._keptBytes - counted;
    if (owed < CREDIT_STEP_BYTES) return 0;
    this._unreturned -= owed;
    return owed;
  }
}

/** Counts the bytes that may be sent, and keeps the writes that may not. */
class Window {
  constructor() {
    this._left = WINDOW_BYTES;
    this._writes = []; // { bytes, done }, in order
    this.waitingBytes = 0;
  }

  /** True while writes wait. */
  get isFull() {
    return this._writes.length > 0;
  }

  /** Count bytes that are sent now; return false, and do nothing, if not all of them may be. */
  take(nbytes) {
    if (this.isFull || nbytes > this._left) return false;
    this._left -= nbytes;
    return true;
  }

  /** Keep a write until its bytes may be sent. The sender calls `done` with a status. */
  keep(bytes, done) {
    this._writes.push({ bytes, done });
    this.waitingBytes += bytes.length;
  }

  /** Add credit. Throws a ChannelError if it is more than the device has received. */
  credited(nbytes) {
    this._left += nbytes;
    if (this._left > WINDOW_BYTES) {
      throw new ChannelError(`credit for ${this._left} bytes of a socket; allowed: ${WINDOW_BYTES}`);
    }
  }

  /** Return the next bytes that may be sent: { bytes, done }, with `done` for a write's last bytes. */
  next() {
    const [write] = this._writes;
    if (write === undefined || (this._left === 0 && write.bytes.length > 0)) return undefined;
    const bytes = write.bytes.subarray(0, this._left);
    this._left -= bytes.length;
    this.waitingBytes -= bytes.length;
    write.bytes = write.bytes.subarray(bytes.length);
    if (write.bytes.length > 0) return { bytes, done: undefined };
    this._writes.shift();
    return { bytes, done: write.done };
  }

  /** Forget the writes that wait, and return their `done` functions. */
  drop() {
    const writes = this._writes;
    this._writes = [];
    this.waitingBytes = 0;
    return writes.map(({ done }) => done);
  }
}

module.exports = { Received, WINDOW_BYTES, Window };
