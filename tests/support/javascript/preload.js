'use strict';

/** Loads the Node of the board and its modules without a device, for tests of these parts. */

const Module = require('module');
const path = require('path');

const RUNTIME = path.join(__dirname, '../../../device/src/tessel/javascript/runtime');
const compat = require(path.join(RUNTIME, 'compat'));
const board = require(path.join(RUNTIME, 'board'));

const MODULES = ['tessel', 'neopixels'];

compat.install(compat.optionsOf());
try {
  const moduleOf = board.prepare();
  const load = Module._load;
  Module._load = (name, ...others) =>
    MODULES.includes(name) ? moduleOf(name) : load(name, ...others);
} catch (error) {
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
  process.exit();
}
