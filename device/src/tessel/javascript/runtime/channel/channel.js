'use strict';

/**
 * The channel to the device: one socket that all objects of the program share, in order.
 */

const fs = require('fs');
const net = require('net');
const {
  ChannelError, FrameReader, KIND, encodeCredit, encodeData, encodeMessage,
} = require('./frames');
const { Output } = require('./output');

const STDERR = 2;

/** Characters of a variable that the device gets. Linux passes no longer ones on to a process. */
const MAX_VARIABLE_CHARACTERS = 128 * 1024;

/** Characters of a host that the device gets: more than any name has, so it answers ENOTFOUND. */
const MAX_HOST_CHARACTERS = 1024;

/**
 * Bytes of a write up to which they are copied: the write is then done at once, so that a program may
 * exit after many small ones. Copying more costs more than to wait.
 */
const MAX_COPIED_BYTES = 16 * 1024;

/**
 * The channel's end in the program's process.
 *
 * An object of the channel has the methods `onEvent(fields, data)`, `onData(bytes)` and
 * `onCredit(nbytes)`. The bytes of `onData` are valid during the call only. While an object holds
 * the channel, the process does not end.
 */
class Channel {
  constructor(fd) {
    this._objects = new Map();
    this._nextId = 1;
    this._holders = 0;
    this._env = { ...process.env };
    this._over = false;
    this._reader = new FrameReader();
    this._resuming = null; // set while frames wait because a listener has thrown
    this._socket = new net.Socket({
      fd,
      readable: true,
      writable: true,
      onread: { buffer: () => this._reader.space(), callback: (nbytes, memory) => this._came(nbytes, memory) },
    });
    this._output = new Output(this._socket._handle, () => this._lost());
    this._socket.on('end', () => this._lost());
    this._socket.on('error', () => this._lost());
    this._socket.unref();
    process.on('exit', () => this._output.finish());
  }

  /** Add an object, and return its number. */
  add(object) {
    const id = this._nextId;
    this._nextId += 2;
    this._objects.set(id, object);
    return id;
  }

  /** Add an object whose number the device has chosen. */
  addAccepted(id, object) {
    this._objects.set(id, object);
  }

  /** Remove an object: further frames for it are ignored. */
  remove(id) {
    this._objects.delete(id);
  }

  /** Keep the process alive until `release` is called. Each `hold` needs one `release`. */
  hold() {
    this._holders += 1;
    if (this._holders === 1) this._socket.ref();
  }

  /** Undo one `hold`. */
  release() {
    this._holders -= 1;
    if (this._holders === 0) this._socket.unref();
  }

  /** Send a call of an object. */
  call(id, fields, data) {
    this._output.write([encodeMessage(id, fields, data)]);
  }

  /**
   * Send the variables of `process.env` that have changed since the last time, each in a call of
   * its own: all together may be more than a call may have.
   */
  sendEnvironment() {
    const before = this._env;
    this._env = { ...process.env };
    for (const name of Object.keys({ ...before, ...this._env })) {
      const value = sentVariable(this._env[name]);
      if (before[name] !== this._env[name]) this.call(0, { op: 'env', changes: { [name]: value } });
    }
  }

  /**
   * Send bytes of an object, within its credit. Return true if the system has copied them; else
   * they must not change until `taken` is called.
   */
  sendData(id, bytes, taken) {
    const parts = encodeData(id, bytes);
    if (bytes.length > MAX_COPIED_BYTES) return this._output.write(parts, taken);
    this._output.write([Buffer.concat(parts)]);
    return true;
  }

  /** Permit the device to send that many bytes of an object in addition. */
  sendCredit(id, nbytes) {
    this._output.write([encodeCredit(id, nbytes)]);
  }

  // Reading.

  _came(nbytes, memory) {
    this._reader.filled(nbytes, memory);
    if (this._resuming === null) this._dispatchAll();
  }

  /**
   * Pass on all complete frames. Between two of them Node's ticks and promises run, as between two
   * events of Node's own sockets.
   */
  _dispatchAll() {
    let frame;
    let isDone = false;
    try {
      while ((frame = this.checked(() => this._reader.next())) !== undefined) {
        this._dispatch(frame);
        process._tickCallback();
      }
      isDone = true;
    } finally { // no catch and rethrow: Node shows the line that threw last, which should be the program's
      if (!isDone) this._resumeLater();
    }
  }

  /** Return the result of a step that checks what the device has sent; if it is wrong, end the process. */
  checked(step) {
    try {
      return step();
    } catch (error) {
      if (!(error instanceof ChannelError)) throw error;
      return this._end(`the device has broken the channel's rules: ${error.message}`);
    }
  }

  /**
   * Pass on the other frames later: a listener of the program has thrown, and the program may
   * continue. Node does not ask for other memory then, and reads into the same again.
   */
  _resumeLater() {
    this._reader.leaveMemory();
    this._resuming = setImmediate(() => {
      this._resuming = null;
      this._dispatchAll();
    });
  }

  _dispatch(frame) {
    const object = this._objects.get(frame.id);
    if (object === undefined) return; // it was closed while the frame was on its way
    if (frame.kind === KIND.DATA) object.onData(frame.bytes);
    else if (frame.kind === KIND.CREDIT) object.onCredit(frame.nbytes);
    else object.onEvent(frame.fields, frame.data);
  }

  _lost() {
    this._end('the device has ended, and with it the network of this program');
  }

  _end(why) {
    if (this._over) return; // reported already: the channel's end and a failed write may both come
    this._over = true;
    try {
      fs.writeSync(STDERR, `tessel: ${why}\n`);
    } finally {
      process.exit(1); // also if the line cannot be written
    }
  }
}

/** Return a variable for a call; null: the device does not have it. A program may have set any value. */
function sentVariable(value) {
  const text = value === undefined || value === null ? null : String(value);
  return text === null || text.length > MAX_VARIABLE_CHARACTERS ? null : text;
}

/** Return a host for a call: whole, unless it is too long to be one. */
function sentHost(host) {
  return typeof host === 'string' ? host.slice(0, MAX_HOST_CHARACTERS) : host;
}

/** Whether one object keeps the process alive: holds the channel once at most. */
class Hold {
  constructor(channel) {
    this._channel = channel;
    this.isHeld = false;
  }

  /** Hold the channel, or release it. */
  set(isHeld) {
    if (isHeld === this.isHeld) return;
    this.isHeld = isHeld;
    if (isHeld) this._channel.hold();
    else this._channel.release();
  }
}

module.exports = { Channel, Hold, sentHost };
