'use strict';

const { inspect } = require('util');

/**
 * Gives `process` what the board's firmware adds to it when a program loads `tessel`: send and
 * sendfile, which reach the host by USB, and `versions.tessel_board`.
 */
function addToProcess(target, hardware, version) {
  target.send = (message) => {
    hardware.journal.did('usb', `message ${textOf(message)}`);
    return true;
  };
  target.sendfile = (filename, buffer) => {
    const count = Buffer.from(buffer).length;
    hardware.journal.did('usb', `file ${JSON.stringify(filename)} (${count} bytes)`);
  };
  const versions = Object.freeze({ ...target.versions, tessel_board: version });
  Object.defineProperty(target, 'versions', { value: versions, configurable: true });
}

/** A message as JSON. The board can also send what JSON cannot show, such as a circle. */
function textOf(message) {
  try {
    return JSON.stringify(message);
  } catch {
    return inspect(message, { breakLength: Infinity, compact: true });
  }
}

module.exports = { addToProcess };
