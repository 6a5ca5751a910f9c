'use strict';

const { EventEmitter } = require('events');
const { ENUMERATIONS } = require('./facts');
const { shown } = require('./journal');

/** Hertz that setClockSpeed accepts, as on the board. */
const CLOCK_SPEED_LIMIT_HZ = 20e6;
const DEFAULT_CLOCK_SPEED_HZ = 100_000;

/**
 * The one SPI bus of the board. All ports share it, so transfers wait for each other. While
 * a lock is held or wanted, only the transfers of the lock start.
 */
class SPIBus {
  constructor(hardware) {
    this._hardware = hardware;
    this._queue = [];
    this._locks = [];
    this._isRunning = false;
  }

  transfer(job) {
    this._queue.push(job);
    this._next();
    return 0;
  }

  /** Runs a transfer of the lock's owner, which may not overlap with another one. */
  rawTransfer(job) {
    if (this._isRunning) {
      job.done(new Error('SPI: the previous transfer has not ended; wait for its callback'));
    } else {
      this._run(job);
    }
  }

  acquire(lock) {
    this._locks.push(lock);
    this._next();
  }

  release(lock) {
    this._locks = this._locks.filter((other) => other !== lock);
    this._next();
  }

  _next() {
    if (this._isRunning) return;
    if (this._locks.length > 0) this._locks[0].grant();
    else if (this._queue.length > 0) this._run(this._queue.shift());
  }

  _run(job) {
    this._isRunning = true;
    const letGo = this._hardware.hold.take();
    setImmediate(() => {
      const received = this._exchange(job);
      this._isRunning = false;
      letGo();
      setImmediate(() => this._next());
      job.done(undefined, received);
    });
  }

  /** Exchanges chunk by chunk, with the chip-select pin active during each of them. */
  _exchange({ port, sent, chunkSize, repeat, select, keepsAnswer }) {
    this._hardware.catchUp();
    const device = this._hardware.spiDevice(port);
    const received = Buffer.alloc(sent.length);
    for (let round = 0; round < repeat; round += 1) {
      for (let start = 0; start < sent.length; start += chunkSize) {
        select(true);
        device.exchange(sent.subarray(start, start + chunkSize)).copy(received, start);
        select(false);
      }
    }
    const answer = keepsAnswer ? ` -> ${shown(received)}` : '';
    const times = repeat > 1 ? ` ${repeat} times` : '';
    const action = keepsAnswer ? 'transfer' : 'send';
    this._hardware.journal.did(`${port}.spi`, `${action} ${shown(sent)}${times}${answer}`);
    return keepsAnswer ? received : null;
  }
}

/** Exclusive use of the SPI bus. Emits 'ready' when it is granted. */
class SPILock extends EventEmitter {
  constructor(bus, port) {
    super();
    this.port = port;
    this._bus = bus;
    this._isGranted = false;
  }

  grant() {
    if (this._isGranted) return;
    this._isGranted = true;
    setImmediate(() => this.emit('ready'));
  }

  release(callback) {
    this._bus.release(this);
    if (callback) callback();
  }

  rawTransfer(bytes, callback) {
    this._transfer(Buffer.from(bytes), true, callback);
  }

  rawSend(bytes, callback) {
    this._transfer(Buffer.from(bytes), false, callback);
  }

  rawReceive(length, callback) {
    this._transfer(Buffer.alloc(length), true, callback);
  }

  _transfer(sent, keepsAnswer, callback = () => {}) {
    const job = { port: this.port, sent, chunkSize: sent.length, repeat: 1, keepsAnswer };
    this._bus.rawTransfer({ ...job, select: () => {}, done: callback });
  }
}

/** An SPI channel of a port, as the program configured it. */
class SPI extends EventEmitter {
  constructor(hardware, port, options) {
    super();
    const given = options || {};
    Object.defineProperty(this, '_hardware', { value: hardware });
    Object.defineProperty(this, '_portName', { value: port });
    this.port = 0; // the number of the bus
    this.cpol = given.cpol === 'high' || given.cpol === 1 ? 1 : 0;
    this.cpha = given.cpha === 'second' || given.cpha === 1 ? 1 : 0;
    if (typeof given.dataMode === 'number') this.setDataMode(given.dataMode);
    this.clockSpeed = given.clockSpeed || DEFAULT_CLOCK_SPEED_HZ;
    this.frameMode = 'normal';
    this.role = given.role === 'slave' ? 'slave' : 'master';
    this.bitOrder = bitOrderOf(given.bitOrder ?? 'msb');
    this.chipSelect = given.chipSelect || null;
    const isActiveHigh = given.chipSelectActive === 'high' || given.chipSelectActive === 1;
    this.chipSelectActive = isActiveHigh ? 1 : 0;
    this.csDelayUs = given.chipSelectDelayUs || 0;
    this.chipSelect?.rawWrite(!isActiveHigh).rawDirection(true);
    hardware.journal.did(`${port}.spi`, `open ${this.clockSpeed} Hz ${this.role}`);
  }

  /** Does nothing: the board initializes the bus itself. */
  initialize() {}

  close() {
    this._hardware.journal.did(`${this._portName}.spi`, 'close');
  }

  end() {
    this.close();
  }

  transfer(bytes, callback) {
    return this._start(bytes, {}, true, callback);
  }

  send(bytes, callback) {
    return this._start(bytes, {}, false, callback);
  }

  receive(length, callback) {
    return this._start(Buffer.alloc(length), {}, true, callback);
  }

  transferBatch(bytes, options, callback) {
    return this._startBatch(bytes, options, true, callback);
  }

  sendBatch(bytes, options, callback) {
    return this._startBatch(bytes, options, false, callback);
  }

  /** Waits for exclusive use of the bus, and calls callback(lock). */
  lock(callback) {
    const lock = new SPILock(this._hardware.spiBus, this._portName);
    if (callback) lock.once('ready', () => callback.call(lock, lock));
    this._hardware.spiBus.acquire(lock);
  }

  setBitOrder(bitOrder) {
    this.bitOrder = bitOrder;
  }

  setClockSpeed(hertz) {
    if (!(hertz > 0 && hertz < CLOCK_SPEED_LIMIT_HZ)) {
      throw new Error(`setClockSpeed(${hertz}): expected more than 0 and less than 20000000 Hz`);
    }
    this.clockSpeed = hertz;
  }

  setDataMode(mode) {
    this.cpol = (mode >> 1) & 1;
    this.cpha = mode & 1;
  }

  setFrameMode(frameMode) {
    this.frameMode = frameMode;
  }

  setRole(role) {
    this.role = role;
  }

  setChipSelectMode(mode) {
    this.chipSelectMode = mode;
  }

  _startBatch(bytes, options, keepsAnswer, callback) {
    const [given, done] = typeof options === 'function' ? [{}, options] : [options || {}, callback];
    return this._start(bytes, given, keepsAnswer, done);
  }

  _start(bytes, { chunkSize, repeat }, keepsAnswer, callback = () => {}) {
    const sent = Buffer.from(bytes);
    const size = chunkSize || sent.length || 1;
    if (sent.length % size !== 0) {
      throw new Error(`SPI: ${sent.length} bytes are no multiple of the chunkSize ${size}`);
    }
    return this._hardware.spiBus.transfer({
      port: this._portName,
      sent,
      chunkSize: size,
      repeat: repeat || 1,
      keepsAnswer,
      select: (isActive) => this._select(isActive),
      done: callback,
    });
  }

  _select(isActive) {
    const level = isActive ? this.chipSelectActive : 1 - this.chipSelectActive;
    if (this.chipSelect) this._hardware.lineOf(this.chipSelect.pin).write(level);
  }
}

function bitOrderOf(name) {
  const found = ENUMERATIONS.SPIBitOrder[String(name).toLowerCase()];
  if (found === undefined) {
    throw new Error(`bitOrder is ${JSON.stringify(name)}; expected 'msb' or 'lsb'`);
  }
  return found;
}

module.exports = { SPI, SPIBus };
