'use strict';

/**
 * The connection of one socket, as the channel knows it; javascript/flow.py explains the numbers.
 */

const WINDOW_BYTES = 128 * 1024;
const CREDIT_STEP_BYTES = 32 * 1024;

/** The connection of one socket, as the channel knows it. */
class Link {
  constructor(channel, socket) {
    this.channel = channel;
    this.id = 0;
    this._socket = socket;
    this.window = WINDOW_BYTES; // bytes that may be sent
    this.written = 0; // bytes that the program has written
    this.arrived = 0; // bytes that the device has sent
    this.credited = 0; // of these, the bytes for which credit was returned
    this.open = false; // the connection is established
    this.watched = false; // the proxy measures idle times
    this.local = {};
    this.remote = {};
    this.tls = undefined;
    this.begun = false; // `connect` was called, or a server has accepted it
    this._held = false;
    this._wanted = true; // the socket keeps the process alive
  }

  begin() {
    this.begun = true;
    this.id = this.channel.add(this);
    this._hold();
  }

  accept(id, fields) {
    this.begun = true;
    this.id = id;
    this.channel.addAccepted(id, this);
    this._hold();
    this.open = true;
    this._takeAddresses(fields);
  }

  call(op, fields) {
    if (this.id !== 0) this.channel.call(this.id, { op, ...fields });
  }

  onEvent(fields) {
    this._socket._onLinkEvent(this, fields);
  }

  onData(bytes) {
    this.arrived += bytes.length;
    this._socket._bytesArrived(this, bytes);
  }

  onCredit(nbytes) {
    this.window += nbytes;
    this._socket._sendWaiting(this);
  }

  /** Return credit for the bytes that the program has consumed; `buffered` of them it has not. */
  consume(buffered, atOnce) {
    const owed = this.arrived - buffered - this.credited;
    if (owed <= 0 || (owed < CREDIT_STEP_BYTES && !atOnce) || this.id === 0) return;
    this.credited += owed;
    this.channel.sendCredit(this.id, owed);
  }

  connected(fields) {
    this.open = true;
    this._takeAddresses(fields);
    this.tls = fields.tls;
  }

  _takeAddresses(fields) {
    this.local = fields.local || {};
    this.remote = fields.remote || {};
  }

  close() {
    if (this.id !== 0) this.channel.remove(this.id);
    this.id = 0;
    this.open = false;
    if (this._held) this.channel.release();
    this._held = false;
  }

  want(wanted) {
    this._wanted = wanted;
    if (this.id === 0) return;
    if (wanted) this._hold();
    else if (this._held) {
      this._held = false;
      this.channel.release();
    }
  }

  _hold() {
    if (this._held || !this._wanted) return;
    this._held = true;
    this.channel.hold();
  }
}

module.exports = { CREDIT_STEP_BYTES, Link, WINDOW_BYTES };
