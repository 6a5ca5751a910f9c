'use strict';

/**
 * The board's own modules, and the members of its Node that today's Node no longer has.
 *
 * The modules were built into the board, so a package of the same name in node_modules is not
 * loaded: today's `tessel` there is the command for a computer. Node loads all other names.
 */

const Module = require('module');
const board = require('./board');
const compat = require('./compat');
const { wifiOf } = require('./wifi');

/** The scheme of the addresses that `import` gives the board's modules. */
const BOARD_SCHEME = 'tessel-board:';

/** Add the members, and let `require` and `import` find the modules. Ends the program if a setting is wrong. */
function install(channel) {
  try {
    compat.install(compat.optionsOf());
    replaceLoading(modulesOf(board.prepare(), channel));
  } catch (error) {
    for (const fault of error.faults || [error.message]) {
      process.stderr.write(`tessel: ${fault}\n`);
    }
    process.exit(1);
  }
}

function modulesOf(ofTheBoard, channel) {
  return new Map([
    ['tessel', () => ofTheBoard('tessel')],
    ['neopixels', () => ofTheBoard('neopixels')],
    ['wifi-cc3000', () => wifiOf(channel)],
  ]);
}

function replaceLoading(modules) {
  const load = Module._load;
  Module._load = function loadWithBoard(name, ...others) {
    const found = modules.get(name);
    return found === undefined ? load.call(this, name, ...others) : found();
  };
  const resolveFilename = Module._resolveFilename;
  Module._resolveFilename = function resolveWithBoard(name, ...others) { // of `require.resolve`
    return modules.has(name) ? name : resolveFilename.call(this, name, ...others);
  };
  if (Module.registerHooks === undefined) return; // Node before 22.15: `import` does not find them
  Module.registerHooks({
    resolve(name, context, next) {
      if (!modules.has(name)) return next(name, context);
      return { url: BOARD_SCHEME + name, format: 'module', shortCircuit: true };
    },
    load(url, context, next) {
      if (!url.startsWith(BOARD_SCHEME)) return next(url, context);
      const name = JSON.stringify(url.slice(BOARD_SCHEME.length));
      return { format: 'module', source: importOf(name), shortCircuit: true };
    },
  });
}

/** A module for `import` whose default export is what `require` returns. */
function importOf(name) {
  return `import { createRequire } from 'node:module';
    export default createRequire('file:///')(${name});`;
}

module.exports = { install };
