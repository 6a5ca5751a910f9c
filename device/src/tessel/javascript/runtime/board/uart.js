'use strict';

const { Duplex } = require('stream');
const { ENUMERATIONS } = require('./facts');
const { shown } = require('./journal');

const DEFAULT_BAUD_RATE = 9600;

/** Bytes that wait for the program, as in the firmware's ring buffer. Further bytes are lost. */
const MAX_WAITING_BYTES = 2048;

/** A serial connection at a port: a stream of what the device sends, and to it. */
class UART extends Duplex {
  constructor(hardware, port, options) {
    super({ autoDestroy: false });
    const given = options || {};
    this._hardware = hardware;
    this._portName = port;
    this._waiting = [];
    this._wantsData = false;
    this.baudrate = given.baudrate || DEFAULT_BAUD_RATE;
    this.dataBits = settingOf('dataBits', 'UARTDataBits', given.dataBits ?? 8);
    this.parity = settingOf('parity', 'UARTParity', given.parity ?? 'none');
    this.stopBits = settingOf('stopBits', 'UARTStopBits', given.stopBits ?? 1);
    this._letGo = () => {};
    this.initialize();
    hardware.uartOpened(port, this);
  }

  /** Opens the connection with the present settings. It keeps the program alive until disable. */
  initialize() {
    this._did(`open ${this.baudrate} baud`);
    this.enable();
  }

  enable() {
    this._letGo();
    this._letGo = this._hardware.hold.take();
    this.isEnabled = true;
  }

  disable() {
    this.isEnabled = false;
    this._letGo();
    this._did('disable');
  }

  setBaudRate(rate) {
    if (!rate) return;
    this.baudrate = rate;
    this.initialize();
  }

  setBaudrate(rate) {
    this._hardware.warn('uart.setBaudrate is deprecated; use uart.setBaudRate');
    this.setBaudRate(rate);
  }

  setDataBits(bits) {
    return this._set('dataBits', 'UARTDataBits', bits);
  }

  setParity(parity) {
    return this._set('parity', 'UARTParity', parity);
  }

  setStopBits(bits) {
    return this._set('stopBits', 'UARTStopBits', bits);
  }

  /** Bytes of the device reached the board. */
  arrived(bytes) {
    if (this._wantsData) {
      this._wantsData = this.push(bytes);
      return;
    }
    const free = MAX_WAITING_BYTES - this._waiting.reduce((sum, part) => sum + part.length, 0);
    if (free > 0) this._waiting.push(bytes.subarray(0, free));
    if (bytes.length > free) {
      this._hardware.warn(
        `${this._portName}.uart: ${bytes.length - Math.max(free, 0)} bytes were lost: the program ` +
          `does not read, and the board keeps ${MAX_WAITING_BYTES} bytes`,
      );
    }
  }

  _read() {
    this._wantsData = true;
    while (this._waiting.length > 0 && this._wantsData) {
      this._wantsData = this.push(this._waiting.shift());
    }
  }

  _write(chunk, _encoding, callback) {
    setImmediate(() => {
      this._did(`write ${shown(chunk)}`);
      this._hardware.uartWrote(this._portName, chunk);
      callback();
    });
  }

  _set(name, table, value) {
    this[name] = settingOf(name, table, value);
    this.initialize();
    return 1;
  }

  _did(action) {
    this._hardware.journal.did(`${this._portName}.uart`, action);
  }
}

function settingOf(name, table, value) {
  const values = ENUMERATIONS[table];
  const key = String(value).toLowerCase();
  if (!Object.hasOwn(values, key)) {
    const allowed = Object.keys(values).join(', ');
    throw new Error(`UART ${name} is ${JSON.stringify(value)}; expected ${allowed}`);
  }
  return values[key];
}

module.exports = { MAX_WAITING_BYTES, UART };
