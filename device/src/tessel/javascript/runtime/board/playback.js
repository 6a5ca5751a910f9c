'use strict';

/**
 * Applies the entries of an input script to the board when their time has come.
 *
 * Its timer does not keep the program alive: a listener for an input does, as on the board.
 */
class Playback {
  constructor(hardware, script) {
    this._hardware = hardware;
    this._script = script;
    this._position = 0;
    this._timer = null;
    // A program that polls a pin in a loop gives no timer a chance, so each access catches up.
    hardware.catchUp = () => this._catchUp();
    this._catchUp();
  }

  _catchUp() {
    const nowMs = this._hardware.uptimeMs();
    while (this._next !== undefined && this._next.timeMs <= nowMs) {
      const entry = this._next;
      this._position += 1;
      apply(this._hardware, entry);
    }
    if (this._timer === null) this._wait();
  }

  get _next() {
    return this._script[this._position];
  }

  _wait() {
    if (this._next === undefined) return;
    const delayMs = Math.max(this._next.timeMs - this._hardware.uptimeMs(), 0);
    this._timer = setTimeout(() => {
      this._timer = null;
      this._catchUp();
    }, Math.ceil(delayMs));
    this._timer.unref();
  }
}

const ACTIONS = {
  digital: {
    high: (hardware, entry) => applyLevel(hardware, entry, 1),
    low: (hardware, entry) => applyLevel(hardware, entry, 0),
    pulse: (hardware, { value }) => hardware.pulses.arrived(value.level, value.lengthMs),
    wire: (hardware, { name, value }) =>
      hardware.lineNamed(name).connect(hardware.lineNamed(value)),
  },
  analog: {
    analog: (hardware, { name, value }) => hardware.analogValues.set(name, value),
  },
  button: {
    press: (hardware) => hardware.lineNamed('button').apply(1),
    release: (hardware) => hardware.lineNamed('button').apply(0),
  },
  i2c: {
    answer: (hardware, { port, address, value }) =>
      hardware.connectI2C(port, address).answers.set(value),
    registers: (hardware, { port, address, value }) =>
      hardware.connectI2C(port, address).setRegisters(value.first, value.bytes),
    remove: (hardware, { port, address }) => hardware.disconnectI2C(port, address),
  },
  spi: {
    answer: (hardware, { port, value }) => {
      hardware.spiDevice(port).isLoopback = false;
      hardware.spiDevice(port).answers.set(value);
    },
    loopback: (hardware, { port }) => {
      hardware.spiDevice(port).isLoopback = true;
    },
  },
  uart: {
    answer: (hardware, { port, value }) => hardware.uartAnswers(port).set(value),
    data: (hardware, { port, value }) => hardware.uartArrived(port, value),
  },
  board: {
    message: (hardware, { value }) => setImmediate(() => process.emit('message', value)),
    reset: () => process.exit(0),
  },
};

function applyLevel(hardware, { name, value: isOnce }, level) {
  const line = hardware.lineNamed(name);
  if (isOnce) line.applyOnce(level);
  else line.apply(level);
}

function apply(hardware, entry) {
  if (entry.kind !== 'uart' || entry.verb !== 'data') {
    hardware.journal.got(entry.name, entry.text); // data of a UART reports itself
  }
  ACTIONS[entry.kind][entry.verb](hardware, entry);
}

module.exports = { Playback };
