'use strict';

const { EventEmitter } = require('events');

/** Levels of the resistors that a pin can have. A buskeeper keeps the level that is there. */
const LEVEL_OF_PULL = { pullup: 1, pulldown: 0, buskeeper: null, none: null };

/**
 * One electrical line of the board: what the program drives, what the world outside applies, and
 * the level that results. Emits 'change' with the new level.
 */
class Line extends EventEmitter {
  constructor(name, number, pull = 'pullup') {
    super();
    this.setMaxListeners(0); // each wire and each interrupt of the line listens
    this.name = name;
    this.number = number;
    this.pull = pull;
    this.isOutput = false;
    this.wires = [];
    this._latch = 0;
    this._applied = null;
    this._beforeOnce = null; // the level that comes back when the program has seen this one
    this._wasOutput = false;
    this._level = LEVEL_OF_PULL[pull] ?? 0;
  }

  /** The level, 0 or 1. A driven line has the program's level, whatever is applied to it. */
  get level() {
    return this._level;
  }

  /** Sets the level that the line has while it is an output. */
  write(level) {
    this._latch = level;
    this._update();
  }

  setDirection(isOutput) {
    this.isOutput = isOutput;
    this._update();
  }

  setPull(pull) {
    this.pull = pull;
    this._update();
    this.emit('driven');
  }

  /** Applies a level from outside, until another one is applied. */
  apply(level) {
    this._beforeOnce = null;
    this._apply(level);
  }

  /** Applies a level until an interrupt of this line has fired, as a device that is then read. */
  applyOnce(level) {
    this._beforeOnce ??= { level: this._applied };
    this._apply(level);
  }

  /** An interrupt of this line reached the program. */
  seen() {
    if (this._beforeOnce === null) return;
    this.apply(this._beforeOnce.level);
  }

  /** Connects two lines: what drives, applies to or pulls one of them reaches the other one. */
  connect(other) {
    this.wires.push(other);
    other.wires.push(this);
    this.on('driven', () => other._update());
    other.on('driven', () => this._update());
    this._update();
    other._update();
  }

  _apply(level) {
    this._applied = level;
    this._update();
    this.emit('driven');
  }

  /** What drives a line is stronger than what is applied to it, and that than any resistor. */
  _result() {
    if (this.isOutput) return this._latch;
    if (this._applied !== null) return this._applied;
    const lines = [this, ...this.wires];
    const driving = this.wires.find((other) => other.isOutput);
    const applied = this.wires.find((other) => other._applied !== null);
    const pulled = lines.find((line) => LEVEL_OF_PULL[line.pull] !== null);
    if (driving) return driving._latch;
    if (applied) return applied._applied;
    if (pulled) return LEVEL_OF_PULL[pulled.pull];
    return lines.some((line) => line.pull === 'buskeeper') ? this._level : 0;
  }

  _update() {
    const level = this._result();
    const changed = level !== this._level;
    this._level = level;
    if (changed) this.emit('change', level);
    if (changed || this.isOutput !== this._wasOutput) {
      this._wasOutput = this.isOutput;
      this.emit('driven');
    }
  }
}

module.exports = { Line, PULLS: Object.keys(LEVEL_OF_PULL) };
