'use strict';

/** The datagrams of a socket that the device has not sent yet. */

const os = require('os');
const { AsyncResource } = require('async_hooks');

const { errno } = os.constants;

/** Bytes of all unsent datagrams of a socket: more than a program sends in one turn. */
const MAX_UNSENT_BYTES = 1024 * 1024;

/** Bytes that a datagram counts besides its own, as in datagrams.py. */
const DATAGRAM_BYTES = 128;

/**
 * Keeps datagrams in order, and ends each with the device's answer. Until then they keep the process
 * alive, also those of a socket with `unref`: a system sends them at once.
 */
class Unsent {
  constructor(channel) {
    this._channel = channel;
    this._waiting = [];
    this._nbytes = 0;
  }

  get count() {
    return this._waiting.length;
  }

  /** The bytes of all datagrams, as the program has given them. */
  get size() {
    return this._waiting.reduce((sum, { size }) => sum + size, 0);
  }

  /** Add a datagram of so many bytes. Returns false if too many wait. */
  add(size, request) {
    if (this._nbytes + size + DATAGRAM_BYTES > MAX_UNSENT_BYTES) return false;
    const resource = request.callback === undefined ? null : new AsyncResource('UDPSENDWRAP');
    this._nbytes += size + DATAGRAM_BYTES;
    this._channel.hold();
    this._waiting.push({ size, request, resource });
    return true;
  }

  /** End the first datagram. `status`: 0 if it was sent, else a negative errno. */
  end(status) {
    const { size, request, resource } = this._waiting.shift();
    this._nbytes -= size + DATAGRAM_BYTES;
    this._channel.release();
    if (resource !== null) resource.runInAsyncScope(() => request.oncomplete(status, size));
  }

  /** End all datagrams: the port was closed. Each gets a turn of its own: its callback may throw. */
  drop() {
    for (let left = this.count; left > 0; left -= 1) setImmediate(() => this.end(-errno.ECANCELED));
  }
}

module.exports = { DATAGRAM_BYTES, Unsent };
