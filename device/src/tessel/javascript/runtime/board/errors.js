'use strict';

/** A wrong file or setting of the simulated board. `faults` has one sentence for each. */
class BoardError extends Error {
  constructor(faults) {
    super(faults.join('\n'));
    this.name = 'BoardError';
    this.code = 'ERR_TESSEL_BOARD';
    this.faults = faults;
  }
}

module.exports = { BoardError };
