'use strict';

/**
 * The channel to the device: one socket that all objects of the program share, in order.
 */

const fs = require('fs');
const net = require('net');
const { FrameReader, KIND, MAX_DATA_BYTES, encodeCredit, encodeMessage, header } = require('./frames');

const STDERR = 2;
const NodeSocket = net.Socket; // taken before it is replaced

/**
 * The channel's end in the program's process.
 *
 * An object of the channel has the methods `onEvent(fields, data)`, `onData(bytes)` and
 * `onCredit(nbytes)`. While an object holds the channel, the process does not end.
 */
class Channel {
  constructor(fd) {
    this._objects = new Map();
    this._nextId = 1;
    this._holders = 0;
    this._env = { ...process.env };
    this._over = false;
    this._reader = new FrameReader(this);
    this._socket = new NodeSocket({ fd, readable: true, writable: true });
    this._socket.on('data', (chunk) => this._reader.feed(chunk));
    this._socket.on('end', () => this._lost());
    this._socket.on('error', () => this._lost());
    this._socket.unref();
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

  /** Keep the process alive until `release` is called as often. */
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
    this._socket.write(encodeMessage(id, fields, data));
  }

  /** Send the variables of `process.env` that have changed since the last time. */
  sendEnvironment() {
    const changes = {};
    for (const [name, value] of Object.entries(process.env)) {
      if (this._env[name] !== value) changes[name] = value;
    }
    for (const name of Object.keys(this._env)) {
      if (!(name in process.env)) changes[name] = null;
    }
    if (Object.keys(changes).length === 0) return;
    this._env = { ...process.env };
    this.call(0, { op: 'env', changes });
  }

  /** Send bytes of an object, within its credit. */
  sendData(id, bytes) {
    this._socket.cork();
    for (let start = 0; start < bytes.length; start += MAX_DATA_BYTES) {
      const piece = bytes.subarray(start, start + MAX_DATA_BYTES);
      this._socket.write(header(piece.length, KIND.DATA, id));
      this._socket.write(piece);
    }
    this._socket.uncork();
  }

  /** Permit the device to send that many bytes of an object in addition. */
  sendCredit(id, nbytes) {
    this._socket.write(encodeCredit(id, nbytes));
  }

  // For the reader.

  message(id, fields, data) {
    const object = this._objects.get(id);
    if (object !== undefined) object.onEvent(fields, data);
  }

  data(id, bytes) {
    const object = this._objects.get(id);
    if (object !== undefined) object.onData(bytes);
  }

  credit(id, nbytes) {
    const object = this._objects.get(id);
    if (object !== undefined) object.onCredit(nbytes);
  }

  _lost() {
    if (this._over) return; // the end and an error of writing may both tell
    this._over = true;
    try {
      fs.writeSync(STDERR, 'tessel: the device has ended, and with it the network of this program\n');
    } finally {
      process.exit(1); // also if nobody can read the line
    }
  }
}

module.exports = { Channel };
