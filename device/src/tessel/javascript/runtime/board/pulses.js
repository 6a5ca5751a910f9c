'use strict';

const { performance } = require('perf_hooks');

/** The longest time that a program may wait for a pulse, as on the board. */
const MAX_TIMEOUT_MS = 10_000;

/**
 * The timer unit of the board's processor (the SCT). It has one user at a time: readPulse or
 * neopixels. The other one gets an error with the text that programs know from the board.
 */
class TimerUnit {
  constructor(hold) {
    this._hold = hold;
    this._user = null;
  }

  /** Returns null if the unit is free, else the error for the next user. */
  get inUse() {
    return this._user === null ? null : new Error(`SCT is already in use by ${this._user}`);
  }

  /** Takes the unit, which keeps the program alive. Returns a function that gives it back. */
  take(user) {
    this._user = user;
    const letGo = this._hold.take();
    return () => {
      this._user = null;
      letGo();
    };
  }
}

/** Measures pulses at G3 of GPIO. */
class Pulses {
  constructor(line, unit) {
    this._line = line;
    this._unit = unit;
    this._running = null;
  }

  /**
   * Calls callback(error, length in ms) for the next pulse.
   *
   * @throws {Error} if type or timeout is wrong
   */
  read(type, timeoutMs, callback = () => {}) {
    const level = { low: 0, high: 1 }[String(type).toLowerCase()];
    if (level === undefined) {
      throw new Error(`readPulse: type is ${JSON.stringify(type)}; expected 'high' or 'low'`);
    }
    if (typeof timeoutMs !== 'number' || !(timeoutMs <= MAX_TIMEOUT_MS)) {
      throw new Error(`readPulse: timeout is ${timeoutMs}; expected at most ${MAX_TIMEOUT_MS} ms`);
    }
    if (this._unit.inUse) {
      callback(this._unit.inUse, 0);
      return;
    }
    this._start(level, timeoutMs, callback);
  }

  /** A pulse of known length, from the input script. */
  arrived(level, lengthMs) {
    if (this._running?.level === level) this._running.finish(lengthMs);
  }

  _start(level, timeoutMs, callback) {
    const letGo = this._unit.take('Read Pulse');
    let startMs = null;
    const onChange = (now) => {
      if (now === level) startMs = performance.now();
      else if (startMs !== null) finish(performance.now() - startMs);
    };
    const finish = (lengthMs) => {
      clearTimeout(timer);
      this._line.removeListener('change', onChange);
      this._running = null;
      letGo();
      const error = lengthMs ? undefined : new Error('SCT timed out while attempting to read pulse');
      setImmediate(callback, error, lengthMs);
    };
    const timer = setTimeout(finish, timeoutMs, 0);
    this._line.setDirection(false);
    this._line.on('change', onChange);
    this._running = { level, finish };
  }
}

module.exports = { MAX_TIMEOUT_MS, Pulses, TimerUnit };
