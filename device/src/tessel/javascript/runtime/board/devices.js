'use strict';

/** A bus without a device that drives it: I2C's lines are pulled up, SPI's input is low. */
const IDLE_I2C = 0xff;
const IDLE_SPI = 0x00;

const REGISTER_COUNT = 256;

function fitted(bytes, length, filler) {
  const result = Buffer.alloc(length, filler);
  bytes.copy(result);
  return result;
}

/**
 * What a scripted device answers: a list of answers for each command, and one for all others.
 * The last answer of a list repeats.
 */
class Answers {
  constructor() {
    this._lists = new Map();
  }

  /** @param {{to: Buffer|null, answers: Buffer[]}} rule replaces an earlier rule with that `to` */
  set({ to, answers }) {
    this._lists.set(to === null ? null : to.toString('hex'), [...answers]);
  }

  /** Returns the next answer after these bytes were written, or null if there is no rule. */
  next(written) {
    const list = this._lists.get(written.toString('hex')) ?? this._lists.get(null);
    if (!list) return null;
    return list.length > 1 ? list.shift() : list[0];
  }
}

/** An I2C device from the input script: it has answers, registers, or both. */
class I2CDevice {
  constructor() {
    this.answers = new Answers();
    this._registers = null;
    this._register = 0;
    this._written = Buffer.alloc(0);
  }

  /** Sets registers from `first` on. A program may then read and write all 256 registers. */
  setRegisters(first, bytes) {
    this._registers ??= Buffer.alloc(REGISTER_COUNT);
    bytes.forEach((value, index) => {
      this._registers[(first + index) % REGISTER_COUNT] = value;
    });
  }

  /** The first byte chooses a register, and the others are stored from there on. */
  write(bytes) {
    if (bytes.length === 0) return;
    this._written = bytes;
    this._register = bytes[0];
    if (this._registers === null) return;
    this.setRegisters(this._register, bytes.subarray(1));
    this._register = (this._register + bytes.length - 1) % REGISTER_COUNT;
  }

  read(length) {
    const answer = this.answers.next(this._written);
    if (answer !== null) return fitted(answer, length, IDLE_I2C);
    if (this._registers === null) return Buffer.alloc(length, IDLE_I2C);
    const bytes = Buffer.alloc(length);
    for (let index = 0; index < length; index += 1) {
      bytes[index] = this._registers[this._register];
      this._register = (this._register + 1) % REGISTER_COUNT;
    }
    return bytes;
  }
}

/** What is connected to the SPI pins of one port. */
class SPIDevice {
  constructor() {
    this.answers = new Answers();
    this.isLoopback = false;
  }

  exchange(sent) {
    if (this.isLoopback) return Buffer.from(sent);
    return fitted(this.answers.next(sent) ?? Buffer.alloc(0), sent.length, IDLE_SPI);
  }
}

module.exports = { Answers, I2CDevice, SPIDevice };
