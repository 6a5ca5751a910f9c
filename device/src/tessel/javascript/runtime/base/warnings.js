'use strict';

/** Warnings for the program about calls and options that a board does not have. */

const given = new Set();

/** Emit a warning; do nothing if this text was emitted before. */
function warnOnce(text) {
  if (given.has(text)) return;
  given.add(text);
  process.emitWarning(text, 'TesselWarning');
}

module.exports = { warnOnce };
