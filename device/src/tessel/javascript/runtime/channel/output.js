'use strict';

/** The bytes to the device: written at once, and completely even if the process exits. */

const fs = require('fs');
const { WriteWrap, lastWriteWaits } = require('../base/internals');

/**
 * Milliseconds that an exiting process waits for the device to take its last bytes. The device takes
 * them at once, unless it is blocked or suspended.
 */
const EXIT_LIMIT_MS = 5000;

const EXIT_STEP_MS = 1; // between two attempts

/** Writes to the handle of the channel. */
class Output {
  /** `lost` is called when the device does not take bytes any more, because it has ended. */
  constructor(handle, lost) {
    this._handle = handle;
    this._lost = lost;
    this._writing = null; // buffers of which the system has taken a part
    this._waiting = []; // buffers for the next write
    this._taken = []; // functions to call when the system has taken all of them
    this._exiting = false;
  }

  /**
   * Write buffers, in order. Return whether the system has taken all of them; else they must stay
   * as they are until `taken` is called.
   */
  write(buffers, taken) {
    if (buffers.length === 0) return true; // of a write of no bytes; libuv aborts the process for it
    if (this._exiting) {
      writeAll(this._handle.fd, Buffer.concat(buffers));
      return true;
    }
    if (this._writing === null && this._begin(buffers)) return true;
    if (this._writing !== buffers) this._waiting.push(...buffers);
    if (taken !== undefined) this._taken.push(taken);
    return false;
  }

  /** Write what waits. From now on, each write returns when it is done: the process is about to exit. */
  finish() {
    this._exiting = true;
    if (this._writing === null) return;
    const rest = Buffer.concat(this._writing);
    const unsent = rest.subarray(rest.length - this._handle.writeQueueSize);
    writeAll(this._handle.fd, Buffer.concat([unsent, ...this._waiting]));
    this._waiting = [];
  }

  /** Write the buffers; return true if the system has taken them at once. */
  _begin(buffers) {
    const request = new WriteWrap();
    request.handle = this._handle;
    request.oncomplete = (status) => this._done(status);
    const fault = this._handle.writev(request, buffers, true);
    if (fault !== 0) {
      this._lost();
      return true;
    }
    if (!lastWriteWaits()) return true;
    this._writing = buffers;
    return false;
  }

  _done(status) {
    this._writing = null;
    if (status !== 0) {
      this._lost();
      return;
    }
    const waiting = this._waiting;
    this._waiting = [];
    if (waiting.length > 0 && !this._begin(waiting)) return;
    const taken = this._taken;
    this._taken = [];
    for (const each of taken) each();
  }
}

/** Write bytes to a descriptor that does not block; give up when the device takes none of them. */
function writeAll(fd, bytes) {
  const pause = new Int32Array(new SharedArrayBuffer(4));
  const unread = Buffer.allocUnsafe(64 * 1024);
  let left = EXIT_LIMIT_MS;
  while (bytes.length > 0 && left > 0) {
    const nbytes = attempt(() => fs.writeSync(fd, bytes));
    if (nbytes < 0) return;
    bytes = bytes.subarray(nbytes);
    if (nbytes > 0) continue;
    // The device may wait for this process to read, before it reads itself.
    if (attempt(() => fs.readSync(fd, unread)) < 0) return;
    Atomics.wait(pause, 0, 0, EXIT_STEP_MS);
    left -= EXIT_STEP_MS;
  }
}

/** Return the result of a call; 0 if it would block, -1 if the device has ended. */
function attempt(call) {
  try {
    return call();
  } catch (error) {
    return error.code === 'EAGAIN' ? 0 : -1;
  }
}

module.exports = { Output };
