'use strict';

/** Warnings of the device for a program: what it asked for and a board does not have. */

const given = new Set();

/** Emit a warning, the first time that it is asked for. */
function warnOnce(text) {
  if (given.has(text)) return;
  given.add(text);
  process.emitWarning(text, 'TesselWarning');
}

module.exports = { warnOnce };
