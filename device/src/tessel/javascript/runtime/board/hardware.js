'use strict';

const { performance } = require('perf_hooks');
const { Answers, I2CDevice, SPIDevice } = require('./devices');
const { BUTTON_PIN, I2C_BUS_OF_PORT, LEDS, PORTS, PULSE_PIN, digitalPinsOf } = require('./facts');
const { Hold } = require('./hold');
const { Interrupts } = require('./interrupts');
const { Journal, shown } = require('./journal');
const { Line } = require('./line');
const { Pulses, TimerUnit } = require('./pulses');
const { SPIBus } = require('./spi');

/** The board below `require('tessel')`: its lines, buses and what is connected to them. */
class Hardware {
  /**
   * @param {(line: string) => void} log receives a line for each action
   * @param {(text: string) => void} warn receives what the program should know
   * @param {number} startMs when the program started, by performance.now()
   */
  constructor(log, warn, startMs) {
    this._startMs = startMs;
    this.warn = warn;
    this.journal = new Journal(log, () => this.uptimeMs());
    this.hold = new Hold();
    this.interrupts = new Interrupts(this.hold);
    this.interruptPins = {};
    this.pwmPeriod = 0;
    this.analogValues = new Map();
    this.spiBus = new SPIBus(this);
    this.catchUp = () => {}; // replaced by the script that feeds inputs
    this._lines = new Map(allLines().map((line) => [line.number, line]));
    this.timerUnit = new TimerUnit(this.hold);
    this.pulses = new Pulses(this.lineOf(PULSE_PIN), this.timerUnit);
    this._i2cDevices = new Map();
    this._spiDevices = new Map();
    this._uartAnswers = new Map();
    this._uarts = new Map();
  }

  uptimeMs() {
    return performance.now() - this._startMs;
  }

  uptimeUs() {
    return Math.round(this.uptimeMs() * 1000);
  }

  lineOf(number) {
    return this._lines.get(number);
  }

  lineNamed(name) {
    return [...this._lines.values()].find((line) => line.name === name);
  }

  /** Returns the device with this address on a bus, or null. */
  i2cDevice(bus, address) {
    return this._i2cDevices.get(`${bus}/${Number(address)}`) ?? null;
  }

  /** Returns the device with this address at a port; connects it if it is not there yet. */
  connectI2C(port, address) {
    const key = `${I2C_BUS_OF_PORT[port]}/${address}`;
    if (!this._i2cDevices.has(key)) this._i2cDevices.set(key, new I2CDevice());
    return this._i2cDevices.get(key);
  }

  disconnectI2C(port, address) {
    this._i2cDevices.delete(`${I2C_BUS_OF_PORT[port]}/${address}`);
  }

  spiDevice(port) {
    if (!this._spiDevices.has(port)) this._spiDevices.set(port, new SPIDevice());
    return this._spiDevices.get(port);
  }

  /** Returns what a device at a UART answers to what the program writes. */
  uartAnswers(port) {
    if (!this._uartAnswers.has(port)) this._uartAnswers.set(port, new Answers());
    return this._uartAnswers.get(port);
  }

  uartOpened(port, uart) {
    this._uarts.set(port, [...(this._uarts.get(port) ?? []), uart]);
  }

  uartWrote(port, bytes) {
    const answer = this.uartAnswers(port).next(bytes);
    if (answer !== null) setImmediate(() => this.uartArrived(port, answer));
  }

  uartArrived(port, bytes) {
    const open = (this._uarts.get(port) ?? []).filter((uart) => uart.isEnabled);
    const lost = open.length === 0 ? ' (lost: the program has not opened it)' : '';
    this.journal.got(`${port}.uart`, `data ${shown(bytes)}${lost}`);
    // Its listeners run later: this may be called while the program reads a pin.
    setImmediate(() => {
      for (const uart of open) uart.arrived(bytes);
    });
  }
}

/** The button is low until it is pressed; LEDs are outputs; other pins are inputs, pulled up. */
function allLines() {
  const leds = LEDS.map(({ number }, index) => {
    const line = new Line(`led.${index}`, number, 'none');
    line.setDirection(true);
    return line;
  });
  const pins = PORTS.flatMap(digitalPinsOf).map(({ name, number }) => new Line(name, number));
  return [...leds, ...pins, new Line('button', BUTTON_PIN, 'pulldown')];
}

module.exports = { Hardware };
