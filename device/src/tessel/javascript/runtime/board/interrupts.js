'use strict';

const { MAX_INTERRUPTS } = require('./facts');

/** Bits of an interrupt's mode, as the firmware numbers them. */
const BITS = { rise: 1, fall: 2, change: 3, high: 4, low: 8 };

/** Returns the kind of interrupt that an event needs; undefined: the event is not about the pin's level. */
function kindOf(event) {
  if (event === 'high' || event === 'low') return 'level';
  return Object.hasOwn(BITS, event) ? 'edge' : undefined;
}

/** One of the board's seven interrupts, while it watches the edges or the level of a line. */
class Interrupt {
  constructor(id, line, fire, release) {
    this.id = id;
    this.mode = 0;
    this._line = line;
    this._fire = fire;
    this._release = release;
    this._changed = (level) => this._onChange(level);
    line.on('change', this._changed);
  }

  watch(bits) {
    this.mode |= bits;
    if (this.mode & (BITS.high | BITS.low)) this._onChange(this._line.level);
  }

  /** Stops watching some bits, and gives the interrupt back if none is left. */
  unwatch(bits) {
    this.mode &= ~bits;
    if (this.mode !== 0) return;
    this._line.removeListener('change', this._changed);
    this._release();
  }

  _onChange(level) {
    const isLevel = this.mode & (BITS.high | BITS.low);
    const names = isLevel ? ['low', 'high'] : ['fall', 'rise'];
    const trigger = names[level];
    if (!(this.mode & BITS[trigger])) return;
    // An interrupt reaches the program through its event loop. The program may have stopped
    // listening by then.
    setImmediate(() => {
      if (this.mode & BITS[trigger]) this._fire(trigger);
    });
  }
}

/** The pool of all interrupts of the board. */
class Interrupts {
  constructor(hold) {
    this._hold = hold;
    this._used = new Set();
  }

  get remaining() {
    return MAX_INTERRUPTS - this._used.size;
  }

  /** Returns an interrupt that calls fire(trigger), or null if all are in use. */
  acquire(line, fire) {
    if (this.remaining === 0) return null;
    let id = 0;
    while (this._used.has(id)) id += 1;
    this._used.add(id);
    const letGo = this._hold.take();
    return new Interrupt(id, line, fire, () => {
      this._used.delete(id);
      letGo();
    });
  }
}

module.exports = { BITS, Interrupts, kindOf };
