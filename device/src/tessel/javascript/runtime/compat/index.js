'use strict';

/**
 * The Node of the board: members of Node 0.10 that programs of its time use and that today's Node
 * no longer has. docs/board.md lists them.
 *
 * With `TESSEL_COMPAT=board`, the process also looks like one of the board.
 */

const { installBuffer } = require('./buffer');
const { installCrypto } = require('./crypto');
const { installDeprecations } = require('./deprecations');
const { installFs } = require('./fs');
const { installHost } = require('./host');
const { installProcess } = require('./process');
const { installQueries } = require('./queries');
const { installServers } = require('./servers');
const { installStreams } = require('./streams');
const { installTimeouts } = require('./timeouts');
const { installUtil } = require('./util');

/** The variable of the environment, and its only allowed value besides the empty one. */
const COMPAT_VARIABLE = 'TESSEL_COMPAT';
const BOARD = 'board';

/**
 * Adds what is missing. To be called once, before the program and its modules are loaded.
 *
 * @param {object} [options]
 * @param {boolean} [options.platform] process.platform and the module `os` describe the board
 * @param {boolean} [options.exitCode8] an uncaught error ends the program with code 8, not 1
 */
function install({ platform = false, exitCode8 = false } = {}) {
  installDeprecations();
  installBuffer();
  installUtil();
  installFs();
  installCrypto();
  installQueries();
  installTimeouts();
  installStreams();
  installServers();
  installProcess({ exitCode8 });
  installHost({ platform });
}

/**
 * Returns the options of install() for this environment.
 *
 * @throws {Error} if the variable has another value
 */
function optionsOf(env = process.env) {
  const value = env[COMPAT_VARIABLE] ?? '';
  if (value !== '' && value !== BOARD) {
    throw new Error(`${COMPAT_VARIABLE}=${JSON.stringify(value)}; allowed: ${BOARD}, or unset`);
  }
  return { platform: value === BOARD, exitCode8: value === BOARD };
}

module.exports = { install, optionsOf };
