'use strict';

const { ANALOG_RESOLUTION } = require('./facts');

/** The only pin with a digital-to-analog converter on a board of this version. */
const WRITABLE_LABEL = 'GPIO.A1';

/** An analog pin: reads and, at A1, writes a share of 3.3 V from 0 to 1. */
class AnalogPin {
  constructor(hardware, name, number) {
    this.pin = number;
    this.pinmode = 'input';
    this.isPWM = false;
    Object.defineProperty(this, '_hardware', { value: hardware });
    Object.defineProperty(this, '_name', { value: name });
  }

  /** Returns the value in the steps that the board's converter has. */
  read() {
    this._hardware.catchUp();
    const value = this._hardware.analogValues.get(this._name) ?? 0;
    const read = Math.round(value * ANALOG_RESOLUTION) / ANALOG_RESOLUTION;
    this._hardware.journal.read(this._name, Number(read.toFixed(4)));
    return read;
  }

  readSync() {
    this._hardware.warn('analogpin.readSync() is deprecated; use analogpin.read()');
    return this.read();
  }

  write(value) {
    if (this._name !== WRITABLE_LABEL) {
      this._hardware.warn(`${this._name}.write: only ${WRITABLE_LABEL} can write analog values`);
      return;
    }
    const share = Math.min(Math.max(Number(value) || 0, 0), 1);
    this._hardware.journal.did(this._name, `write ${share}`);
  }
}

AnalogPin.prototype.type = 'analog';
AnalogPin.prototype.resolution = ANALOG_RESOLUTION;

module.exports = { AnalogPin };
