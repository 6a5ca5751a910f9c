'use strict';

const { EventEmitter } = require('events');
const { BUTTON_PIN, ENUMERATIONS, LEDS, PORTS } = require('./facts');
const { Pin } = require('./pin');
const { Port } = require('./port');

/** The event of the button's line for each event of the button. */
const EDGE_OF_BUTTON = { press: 'rise', release: 'fall' };

/** The button: a pin that also emits press and release. It uses one of the board's interrupts. */
class Button extends Pin {
  on(event, listener) {
    this._forward(event);
    return super.on(event, listener);
  }

  once(event, listener) {
    this._forward(event);
    return super.once(event, listener);
  }

  removeListener(event, listener) {
    super.removeListener(event, listener);
    this._stopForwarding(event);
    return this;
  }

  removeAllListeners(...events) {
    super.removeAllListeners(...events);
    for (const event of events.length > 0 ? events : Object.keys(EDGE_OF_BUTTON)) {
      this._stopForwarding(event);
    }
    return this;
  }

  _forward(event) {
    this._forwards ??= {};
    if (!Object.hasOwn(EDGE_OF_BUTTON, event) || this._forwards[event]) return;
    this._forwards[event] = (...values) => this.emit(event, ...values);
    super.on(EDGE_OF_BUTTON[event], this._forwards[event]);
  }

  _stopForwarding(event) {
    const forward = this._forwards?.[event];
    if (!forward || this.listenerCount(event) > 0) return;
    delete this._forwards[event];
    super.removeListener(EDGE_OF_BUTTON[event], forward);
  }
}

/** What `require('tessel')` returns. */
class Tessel extends EventEmitter {
  constructor(hardware, deviceId) {
    super();
    this.led = LEDS.map(({ number }) => new Pin(hardware, hardware.lineOf(number)));
    this.pin = {};
    LEDS.forEach(({ name }, index) => this._nameLed(name, this.led[index]));
    this.interrupts = hardware.interruptPins;
    this.ports = Object.fromEntries(PORTS.map((id) => [id, new Port(hardware, id)]));
    this.button = new Button(hardware, hardware.lineOf(BUTTON_PIN));
    this.port = (label) => this.ports[String(label).toUpperCase()];
    Object.assign(this.port, this.ports);
    this.deviceId = () => deviceId;
    Object.defineProperty(this, '_hardware', { value: hardware });
    Object.assign(this, structuredClone(ENUMERATIONS));
  }

  interruptsAvailable() {
    return this._hardware.interrupts.remaining;
  }

  /** Stops the whole program for this many milliseconds, at least one. */
  sleep(ms) {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, Math.max(Number(ms) || 0, 1));
  }

  /** Calls callback(true): the simulated board's clock is the one of this machine. */
  syncClock(callback) {
    setImmediate(() => {
      if (callback) callback(true);
    });
  }

  /** Restarts the board, which ends the program. */
  reset_board() {
    this._hardware.journal.did('board', 'reset');
    process.exit(0);
  }

  _nameLed(name, led) {
    this.pin[name] = led;
    for (const other of new Set([name.toLowerCase(), name.toUpperCase()])) {
      if (other !== name) Object.defineProperty(this.pin, other, { value: led });
    }
  }
}

module.exports = { Tessel };
