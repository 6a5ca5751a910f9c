'use strict';

const { ENUMERATIONS, I2C_BUS_OF_PORT } = require('./facts');
const { shown } = require('./journal');

/** The errors of the board's driver, which are numbers. */
const NO_ERROR = 0;
const NO_ANSWER = 1;

/** A device on an I2C bus, as the program sees it. */
class I2C {
  constructor(hardware, port, address, mode) {
    Object.defineProperty(this, '_hardware', { value: hardware });
    const text = Number(address).toString(16).padStart(2, '0');
    Object.defineProperty(this, '_subject', { value: `${port}.i2c.${text}` });
    this.addr = address;
    this.i2c_port = I2C_BUS_OF_PORT[port];
    const { Master, Slave } = ENUMERATIONS.I2CMode;
    this.mode = mode === Slave ? Slave : Master;
  }

  /** Does nothing: the board initializes the bus itself. */
  initialize() {}

  disable() {
    this._hardware.journal.did(this._subject, 'disable');
  }

  /** Writes bytes, reads as many as `length`, and calls callback(0 or 1, bytes read). */
  transfer(bytes, length, unused, callback) {
    this._start('transfer', Buffer.from(bytes), countOf(length), callback ?? unused);
  }

  send(bytes, callback) {
    this._start('send', Buffer.from(bytes), null, callback);
  }

  receive(length, unused, callback) {
    this._start('receive', null, countOf(length), callback ?? unused);
  }

  transferSync() {
    removed('transferSync', 'transfer');
  }

  sendSync() {
    removed('sendSync', 'send');
  }

  receiveSync() {
    removed('receiveSync', 'receive');
  }

  _start(name, sent, length, callback = () => {}) {
    const letGo = this._hardware.hold.take();
    setImmediate(() => {
      letGo();
      this._hardware.catchUp();
      const [error, received] = this._exchange(name, sent, length);
      if (length === null) callback(error);
      else callback(error, received);
    });
  }

  _exchange(name, sent, length) {
    const written = sent === null ? '' : ` ${shown(sent)}`;
    const device = this._found();
    if (device === null) {
      this._hardware.journal.did(this._subject, `${name}${written} -> no answer`);
      return [NO_ANSWER, Buffer.alloc(length ?? 0)];
    }
    if (sent !== null) device.write(sent);
    const received = length === null ? null : device.read(length);
    const answer = received === null ? '' : ` -> ${shown(received)}`;
    this._hardware.journal.did(this._subject, `${name}${written}${answer}`);
    return [NO_ERROR, received];
  }

  /** Returns the device, or null: in slave mode no master asks, as the board is the only one. */
  _found() {
    if (this.mode === ENUMERATIONS.I2CMode.Slave) return null;
    return this._hardware.i2cDevice(this.i2c_port, this.addr);
  }
}

/** Returns a number of bytes. The board reads anything else as 0. */
function countOf(length) {
  return Math.max(Number(length) || 0, 0);
}

function removed(old, now) {
  throw new Error(`I2C#${old} was removed from the board; use I2C#${now}`);
}

module.exports = { I2C };
