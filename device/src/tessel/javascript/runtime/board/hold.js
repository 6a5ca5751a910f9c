'use strict';

/** The longest time of one of Node's timers. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/**
 * Keeps the program alive while it is held, as the board's event loop does for an interrupt,
 * an open UART and a running transfer.
 */
class Hold {
  constructor() {
    this._holders = 0;
    this._timer = null;
  }

  /** Holds the program. Returns a function that lets go; calling it again has no effect. */
  take() {
    this._holders += 1;
    this._timer ??= setInterval(() => {}, LONGEST_TIMER_MS);
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      this._holders -= 1;
      if (this._holders === 0) {
        clearInterval(this._timer);
        this._timer = null;
      }
    };
  }
}

module.exports = { Hold };
