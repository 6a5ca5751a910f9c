'use strict';

const { EventEmitter } = require('events');
const { MAX_INTERRUPTS, PWM_CLOCK_HZ } = require('./facts');
const { BITS, kindOf } = require('./interrupts');
const { PULLS } = require('./line');

/** Calls callback(null, value) in a later turn of the event loop, if the program passed one. */
function later(callback, ...values) {
  if (typeof callback === 'function') setImmediate(callback, null, ...values);
}

/** A digital pin, LED or button. Emits rise, fall, change and, once, high and low. */
class Pin extends EventEmitter {
  constructor(hardware, line) {
    super();
    this.pin = line.number;
    this.interrupts = {};
    this.isPWM = false;
    // Not enumerable, so that console.log(pin) stays short.
    Object.defineProperty(this, '_hardware', { value: hardware });
    Object.defineProperty(this, '_line', { value: line });
  }

  rawDirection(isOutput) {
    if (Boolean(isOutput) !== this._line.isOutput) {
      this._line.setDirection(Boolean(isOutput));
      if (!isOutput) this._did('input');
    }
    return this;
  }

  rawRead(callback) {
    this._hardware.catchUp();
    const value = this._line.level;
    this._hardware.journal.read(this._line.name, value);
    later(callback, value);
    return value;
  }

  rawWrite(value, callback) {
    this._write(value);
    later(callback, value);
    return this;
  }

  output(value, callback) {
    this._write(value);
    this.rawDirection(true);
    later(callback);
    return this;
  }

  input() {
    return this.rawDirection(false);
  }

  read(callback) {
    this.rawDirection(false);
    return this.rawRead(callback);
  }

  /** As output(), but returns null, as on the board. */
  write(value, callback) {
    this.output(value);
    later(callback);
    return null;
  }

  high(callback) {
    return this.output(true, callback);
  }

  low(callback) {
    return this.output(false, callback);
  }

  pulse() {
    this.high();
    this.low();
  }

  toggle(callback) {
    this._hardware.catchUp();
    this.output(!this._line.level, callback);
  }

  pull(mode, callback) {
    const name = String(mode || 'none').toLowerCase();
    if (!PULLS.includes(name)) {
      throw new Error(`pull(${JSON.stringify(mode)}): expected ${PULLS.join(', ')}`);
    }
    this._line.setPull(name);
    this._did(`pull ${name}`);
    later(callback);
    return this;
  }

  mode(callback) {
    later(callback, this._line.pull);
    return this._line.pull;
  }

  /** Measures the length of a pulse in ms. Whatever the pin, the board measures at G3 of GPIO. */
  readPulse(type, timeoutMs, callback) {
    this._hardware.pulses.read(type, timeoutMs, callback);
  }

  // Names that the board still accepts, with a warning.

  setInput(callback) {
    this._deprecated('setInput', 'input');
    this.input();
    later(callback);
    return this;
  }

  setOutput(initial, callback) {
    this._deprecated('setOutput', 'output');
    const [value, next] = typeof initial === 'function' ? [false, initial] : [initial, callback];
    this.output(value);
    later(next);
    return this;
  }

  readSync() {
    this._deprecated('readSync', 'read');
    return this.read();
  }

  writeSync(value) {
    this._deprecated('writeSync', 'write');
    return this.write(value);
  }

  set(value) {
    this._deprecated('set', 'rawWrite');
    return this.rawWrite(value);
  }

  pulseIn(type, timeoutMs, callback) {
    this._deprecated('pulseIn', 'readPulse');
    this.readPulse(type, timeoutMs, callback);
  }

  // Events.

  on(event, listener) {
    if (kindOf(event) === 'level') {
      this._fail(new Error(`on('${event}'): it would fire without end; use once('${event}')`));
      return this;
    }
    if (kindOf(event) === 'edge' && !this._watch(event)) return this;
    return super.on(event, listener);
  }

  addListener(event, listener) {
    return this.on(event, listener);
  }

  once(event, listener) {
    if (kindOf(event) !== undefined && !this._watch(event)) return this;
    const pin = this;
    function onlyOnce(...values) {
      pin.removeListener(event, onlyOnce);
      listener.apply(pin, values);
    }
    onlyOnce.listener = listener; // by this, removeListener finds it
    return super.on(event, onlyOnce);
  }

  removeListener(event, listener) {
    super.removeListener(event, listener);
    this._unwatch(event);
    return this;
  }

  off(event, listener) {
    return this.removeListener(event, listener);
  }

  removeAllListeners(...events) {
    super.removeAllListeners(...events);
    for (const event of events.length > 0 ? events : Object.keys(BITS)) this._unwatch(event);
    return this;
  }

  _watch(event) {
    const kind = kindOf(event);
    if (!this.interrupts[kind]) {
      const found = this._hardware.interrupts.acquire(this._line, (trigger) => this._fire(trigger));
      if (found === null) {
        this._fail(new Error(`all ${MAX_INTERRUPTS} interrupts of the board are in use`));
        return false;
      }
      this.interrupts[kind] = found;
      this._hardware.interruptPins[found.id] = this;
    }
    this.input();
    this.interrupts[kind].watch(BITS[event]);
    return true;
  }

  _unwatch(event) {
    const kind = kindOf(event);
    const interrupt = this.interrupts[kind];
    if (!interrupt || this.listenerCount(event) > 0) return;
    const stillWatched = Object.keys(BITS)
      .filter((other) => kindOf(other) === kind && this.listenerCount(other) > 0)
      .reduce((bits, other) => bits | BITS[other], 0);
    interrupt.unwatch(interrupt.mode & ~stillWatched);
    if (interrupt.mode === 0) delete this.interrupts[kind];
  }

  _fire(trigger) {
    const timeUs = this._hardware.uptimeUs();
    this._line.seen();
    this.emit('change', timeUs, trigger);
    this.emit(trigger, timeUs, trigger);
  }

  _fail(error) {
    if (this.listenerCount('error') === 0) throw error;
    this.emit('error', error);
  }

  _write(value) {
    const level = value ? 1 : 0;
    this._line.write(level);
    this._did(`output ${level}`);
  }

  _did(action) {
    this._hardware.journal.did(this._line.name, action);
  }

  _deprecated(old, now) {
    this._hardware.warn(`pin.${old}() is deprecated; use pin.${now}()`);
  }
}

Pin.prototype.type = 'digital';
Pin.prototype.resolution = 1;

/** A digital pin that can send a PWM signal: G4, G5 and G6 of GPIO. */
class PWMPin extends Pin {
  constructor(hardware, line) {
    super(hardware, line);
    this.isPWM = true;
  }

  /** Sends a signal that is high for this share of each period, from 0 to 1. */
  pwmDutyCycle(share) {
    if (!this._hardware.pwmPeriod) {
      throw new Error('pwmDutyCycle: no frequency is set; call port.pwmFrequency(hertz) first');
    }
    const duty = Math.min(Math.max(Number(share) || 0, 0), 1);
    this._did(`pwm ${duty} at ${Math.round(PWM_CLOCK_HZ / this._hardware.pwmPeriod)} Hz`);
  }
}

module.exports = { PWMPin, Pin };
