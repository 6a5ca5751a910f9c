'use strict';

const { add, replaceFunction } = require('./define');

/** Bytes of each kind of number that a buffer reads and writes. */
const WIDTHS = {
  UInt8: 1,
  Int8: 1,
  UInt16LE: 2,
  UInt16BE: 2,
  Int16LE: 2,
  Int16BE: 2,
  UInt32LE: 4,
  UInt32BE: 4,
  Int32LE: 4,
  Int32BE: 4,
  FloatLE: 4,
  FloatBE: 4,
  DoubleLE: 8,
  DoubleBE: 8,
};

/**
 * Lets the methods take the argument `noAssert`: if it is true, a position outside of the buffer
 * and a value that does not fit are no error.
 */
function installBuffer() {
  for (const [kind, width] of Object.entries(WIDTHS)) {
    replaceFunction(Buffer.prototype, `read${kind}`, (read) => reader(read, kind, width));
    replaceFunction(Buffer.prototype, `write${kind}`, (write) => writer(write, kind, width));
    if (!kind.startsWith('UInt')) continue;
    const alias = kind.replace('UInt', 'Uint'); // Node has both names for one function
    Buffer.prototype[`read${alias}`] = Buffer.prototype[`read${kind}`];
    Buffer.prototype[`write${alias}`] = Buffer.prototype[`write${kind}`];
  }
  add(Buffer.prototype, 'get', function (index) {
    return this[index];
  });
  add(Buffer.prototype, 'binarySlice', Buffer.prototype.latin1Slice);
  add(Buffer.prototype, 'binaryWrite', Buffer.prototype.latin1Write);
}

function reader(read, kind, width) {
  return function (position, noAssert) {
    if (!noAssert || isInside(this, position, width)) return read.call(this, position);
    return readOutside(this, read, Number(position) || 0, width);
  };
}

/** Returns undefined for a byte outside. A wider number has 0 for each of its bytes outside. */
function readOutside(buffer, read, position, width) {
  if (width === 1) return buffer[position];
  const bytes = Buffer.alloc(width);
  for (let index = 0; index < width; index += 1) bytes[index] = buffer[position + index] ?? 0;
  return read.call(bytes, 0);
}

function writer(write, kind, width) {
  return function (value, position, noAssert) {
    if (!noAssert) return write.call(this, value, position);
    const start = Number(position) || 0;
    const bytes = Buffer.alloc(width);
    write.call(bytes, fitted(Number(value), kind, width), 0);
    for (let index = 0; index < width; index += 1) {
      if (start + index >= 0 && start + index < this.length) this[start + index] = bytes[index];
    }
    return start + width;
  };
}

function isInside(buffer, position, width) {
  return Number.isInteger(position) && position >= 0 && position + width <= buffer.length;
}

/** Returns the value without the bits for which there is no place. */
function fitted(value, kind, width) {
  if (kind.startsWith('Float') || kind.startsWith('Double')) return value;
  const bits = width * 8;
  return kind.startsWith('U') ? (value >>> 0) % 2 ** bits : (value << (32 - bits)) >> (32 - bits);
}

module.exports = { installBuffer };
