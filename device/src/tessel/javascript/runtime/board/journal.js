'use strict';

/** Bytes of one transfer that a line shows. A camera or display transfers thousands at once. */
const MAX_SHOWN_BYTES = 64;

/**
 * Writes what happens on the board as lines `TIME DIRECTION SUBJECT ACTION`. TIME is in seconds
 * since the start; `>` is an action of the program, `<` something that reached the board.
 */
class Journal {
  /**
   * @param {(line: string) => void} write receives each line, without a line end
   * @param {() => number} nowMs milliseconds since the start of the program
   */
  constructor(write, nowMs) {
    this._write = write;
    this._nowMs = nowMs;
    this._lastRead = new Map();
  }

  /** Reports an action of the program. */
  did(subject, action) {
    this._line('>', subject, action);
  }

  /** Reports something that reached the board from outside. */
  got(subject, action) {
    this._line('<', subject, action);
  }

  /** Reports a value that the program read, if it differs from the previous one of this subject. */
  read(subject, value) {
    if (this._lastRead.get(subject) === value) return;
    this._lastRead.set(subject, value);
    this.did(subject, `read ${value}`);
  }

  _line(direction, subject, action) {
    const time = (this._nowMs() / 1000).toFixed(3);
    this._write(`${time} ${direction} ${subject} ${action}`);
  }
}

/** Bytes as text: `0d 2a`; of a long transfer the first ones and the number of all. */
function shown(bytes) {
  const start = bytes.subarray(0, MAX_SHOWN_BYTES);
  const text = start.toString('hex').replace(/..(?=.)/g, '$& ');
  return bytes.length > MAX_SHOWN_BYTES ? `${text} ... (${bytes.length} bytes)` : text;
}

module.exports = { Journal, shown };
