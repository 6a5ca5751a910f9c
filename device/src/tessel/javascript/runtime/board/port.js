'use strict';

const { AnalogPin } = require('./analog_pin');
const { PWM_CLOCK_HZ, UART_PORTS, analogPinsOf, digitalPinsOf } = require('./facts');
const { I2C } = require('./i2c');
const { PWMPin, Pin } = require('./pin');
const { SPI } = require('./spi');
const { UART } = require('./uart');

/** A port of the board: A to D for modules, or GPIO. */
class Port {
  constructor(hardware, id) {
    this.id = id;
    this.digital = digitalPinsOf(id).map(({ number, isPWM }) => {
      const Kind = isPWM ? PWMPin : Pin;
      return new Kind(hardware, hardware.lineOf(number));
    });
    this.analog = analogPinsOf(id).map(({ name, number }) => new AnalogPin(hardware, name, number));
    this.pwm = this.digital.filter((pin) => pin.isPWM);
    this.pin = {};
    this._name(digitalPinsOf(id), this.digital);
    this._name(analogPinsOf(id), this.analog);
    this._addBuses(hardware);
    Object.defineProperty(this, '_hardware', { value: hardware });
  }

  /** Sets the frequency of all PWM signals; only GPIO has pins for them. */
  pwmFrequency(hertz) {
    if (this.pwm.length === 0) {
      throw new Error(`port ${this.id} has no PWM pins; use those of the port GPIO`);
    }
    this._hardware.pwmPeriod = Math.round(PWM_CLOCK_HZ / hertz);
    this._hardware.journal.did(this.id, `pwm-frequency ${hertz}`);
  }

  pinOutput(number) {
    this._hardware.lineOf(number).setDirection(true);
  }

  digitalWrite(number, value) {
    const line = this._hardware.lineOf(number);
    line.write(value ? 1 : 0);
    this._hardware.journal.did(line.name, `output ${value ? 1 : 0}`);
  }

  /** Makes pins available as pin.G1 and pin.g1. */
  _name(facts, pins) {
    facts.forEach(({ label }, index) => {
      this.pin[label] = pins[index];
      Object.defineProperty(this.pin, label.toLowerCase(), { value: pins[index] });
    });
  }

  /** Programs call these with and without `new`, so they are functions that return an object. */
  _addBuses(hardware) {
    const { id } = this;
    this.SPI = function (options) {
      return new SPI(hardware, id, options);
    };
    this.I2C = function (address, mode) {
      return new I2C(hardware, id, address, mode);
    };
    this.UART = function (options) {
      if (!UART_PORTS.includes(id)) {
        throw new Error(`port ${id} has no UART; use port ${UART_PORTS.join(', ')}`);
      }
      return new UART(hardware, id, options);
    };
  }
}

module.exports = { Port };
