'use strict';

/**
 * The board's Wi-Fi, which `require('wifi-cc3000')` returns. javascript/wifi.py is the device's end.
 *
 * The calls for the state are synchronous. Each event of the device carries the state at its time,
 * which is kept here, so that a listener sees the state that belongs to the event.
 */

const { EventEmitter } = require('events');
const { errorOf } = require('./base/errors');
const { warnOnce } = require('./base/warnings');

const SECURITIES = ['wpa2', 'wpa', 'wep', 'unsecured'];
const DEFAULT_SECURITY = 'wpa2';
const DEFAULT_TIMEOUT_S = 20;
const HIGHEST_TIMEOUT_S = 2147483; // of Node's timers
const MAX_SSID_BYTES = 32;
const MAX_PASSWORD_BYTES = 64;

/** False with RADIO=host: the network is this machine's, and the program cannot leave it. */
const hasWifi = () => process.env.RADIO !== 'host';

/** The board's Wi-Fi. Events: connect (the connection), disconnect, timeout, error. */
class Wifi extends EventEmitter {
  constructor(channel) {
    super();
    const isThere = !hasWifi();
    Object.defineProperties(this, {
      _channel: { value: channel },
      _calls: { value: new Map() }, // the callbacks of operations that are under way
      _nextCall: { value: 0, writable: true },
      _state: { // until the device says more
        value: { enabled: isThere, connected: isThere, connection: null, mac: null },
        writable: true,
      },
      _id: { value: channel.add(this) },
    });
    if (isThere) this.on('newListener', warnOfWaiting);
    channel.hold(); // until the radio is on
    channel.sendEnvironment();
    channel.call(this._id, { op: 'wifi' });
  }

  /** Join a network; `callback` is called with the error, or with null and the connection. */
  connect(options, callback) {
    return this._ask('join', joining(options), callback);
  }

  /** Leave the network. */
  disconnect(callback) {
    return this._ask('leave', {}, callback);
  }

  /** Switch the radio off and on. */
  reset(callback) {
    return this._ask('reset', {}, callback);
  }

  /** Switch the radio on. */
  enable(callback) {
    return this._ask('enable', {}, callback);
  }

  /** Switch the radio off. */
  disable(callback) {
    return this._ask('disable', {}, callback);
  }

  isConnected() {
    return this._state.connected;
  }

  isEnabled() {
    return this._state.enabled;
  }

  /** Returns whether an operation of the program is under way. */
  isBusy() {
    return hasWifi() && this._calls.size > 0;
  }

  /** Returns `{ event, connected, ssid, ip, dns, dhcp, gateway }`; null without a network. */
  connection() {
    return this._state.connection && { ...this._state.connection };
  }

  /** Returns the six bytes of the radio's address; null before it was on for the first time. */
  macAddress() {
    return this._state.mac && Buffer.from(this._state.mac, 'hex');
  }

  _ask(op, fields, callback) {
    const call = this._nextCall;
    this._nextCall += 1;
    this._calls.set(call, typeof callback === 'function' ? callback : null);
    this._channel.hold();
    this._channel.call(this._id, { op, call, ...fields });
    return this;
  }

  // Events of the device.

  onEvent(fields) {
    this._state = fields.state || this._state;
    this[`_on_${fields.event}`](fields);
  }

  _on_state() {}

  _on_begun() {
    this._channel.release();
  }

  /** The board's settings are wrong: there is no radio, and each operation fails. */
  _on_failed({ error }) {
    this._channel.release();
    this.emit('error', errorOf(error));
  }

  _on_connect() {
    this.emit('connect', this.connection());
  }

  _on_disconnect() {
    this.emit('disconnect');
  }

  _on_timeout({ error }) {
    this.emit('timeout', errorOf(error));
  }

  _on_warning({ text }) {
    process.emitWarning(text, 'TesselWarning');
  }

  _on_answer({ call, error, timed_out: timedOut }) {
    const callback = this._calls.get(call);
    this._calls.delete(call);
    this._channel.release();
    if (callback !== null) callback(error && errorOf(error), error ? null : this.connection());
    else if (error !== null) this._report(errorOf(error), timedOut);
  }

  /** Report the failure of an operation without a callback. */
  _report(error, timedOut) {
    const isUnheard = this.listenerCount(timedOut ? 'timeout' : 'error') === 0;
    const hint = error.hint === undefined ? '' : `; ${error.hint}`;
    if (isUnheard && (timedOut || !hasWifi())) this._on_warning({ text: `wifi: ${error.message}${hint}` });
    else if (!timedOut) this.emit('error', error);
  }
}

/** Warn of a listener for `connect` with RADIO=host: a program that waits for it would do nothing. */
function warnOfWaiting(event) {
  if (event !== 'connect') return;
  warnOnce('RADIO=host: wifi never emits connect, because the network is always there: ask wifi.isConnected()');
}

/** Return the fields of a call for the options of `connect`. Throws as the board does. */
function joining(options) {
  if (typeof options !== 'object' || options === null) {
    throw new Error('wifi.connect expects an object: { ssid, password, security, timeout }');
  }
  const { ssid, password, timeout } = options;
  if (!ssid) throw new Error('No SSID given');
  const security = options.security ? String(options.security).toLowerCase() : DEFAULT_SECURITY;
  if (!SECURITIES.includes(security)) {
    throw new Error(`${security} is not a security type of the radio: expected ${SECURITIES.join(', ')}`);
  }
  if (!password && security !== 'unsecured') {
    throw new Error(`No password given for a network with security type ${security}`);
  }
  const seconds = Math.min(parseInt(timeout, 10) || DEFAULT_TIMEOUT_S, HIGHEST_TIMEOUT_S);
  return {
    ssid: hexOf(ssid, 'ssid', MAX_SSID_BYTES),
    password: hexOf(password || '', 'password', MAX_PASSWORD_BYTES),
    security,
    timeout: seconds > 0 ? seconds : DEFAULT_TIMEOUT_S,
  };
}

function hexOf(value, name, most) {
  const bytes = Buffer.isBuffer(value) ? value : Buffer.from(String(value));
  if (bytes.length > most) {
    throw new Error(`The ${name} has ${bytes.length} bytes: expected at most ${most}`);
  }
  return bytes.toString('hex');
}

let wifi = null;

/** Return the board's Wi-Fi; the first call switches the radio on. */
function wifiOf(channel) {
  wifi ??= new Wifi(channel);
  return wifi;
}

/** Return the radio's name servers, as far as they are known; null: they are this machine's. */
function nameServers() {
  if (!hasWifi()) return null;
  const connection = wifi && wifi.connection();
  return connection ? [connection.dns] : [];
}

module.exports = { nameServers, wifiOf };
