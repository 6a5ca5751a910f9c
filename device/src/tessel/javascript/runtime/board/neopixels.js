'use strict';

const { EventEmitter } = require('events');
const { shown } = require('./journal');

/** Bytes of one light: green, red, blue. */
const BYTES_OF_LIGHT = 3;

/** Microseconds for the 24 bits of one light, at 800 kHz. */
const LIGHT_US = 30;

/** Returns the class that `require('neopixels')` gives: a chain of lights at G4 of GPIO. */
function neopixelsOf(hardware) {
  return class Neopixels extends EventEmitter {
    /** Sends frames of `count` lights each, and calls callback when all of them are sent. */
    animate(count, bytes, callback = () => {}) {
      if (hardware.timerUnit.inUse) {
        callback(hardware.timerUnit.inUse);
        return;
      }
      const data = Buffer.from(bytes);
      hardware.journal.did('GPIO.neopixels', `animate ${count} lights ${shown(data)}`);
      const letGo = hardware.timerUnit.take('Neopixels');
      const durationMs = ((data.length / BYTES_OF_LIGHT) * LIGHT_US) / 1000;
      setTimeout(() => {
        letGo();
        this.emit('end');
        callback();
      }, durationMs);
    }
  };
}

module.exports = { neopixelsOf };
