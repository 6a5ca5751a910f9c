'use strict';

/**
 * The simulated Tessel 1 board, and its modules `tessel` and `neopixels`.
 *
 * `prepare` reads the settings before the program starts, so that a wrong input script is reported
 * then. `create` makes the board from what was read.
 */

const crypto = require('crypto');
const fs = require('fs');
const { performance } = require('perf_hooks');
const { BoardError } = require('./errors');
const { BOARD_VERSION, DEFAULT_DEVICE_ID } = require('./facts');
const { Hardware } = require('./hardware');
const { neopixelsOf } = require('./neopixels');
const { Playback } = require('./playback');
const { parseScript } = require('./script');
const { Tessel } = require('./tessel');
const { addToProcess } = require('./usb');

/** Largest input script. Scripts are far smaller; a larger file is probably the wrong one. */
const MAX_INPUT_BYTES = 16 * 1024 * 1024;

/** The variables of the environment that `prepare` reads. */
const INPUT_VARIABLE = 'TESSEL_BOARD_INPUT';
const LOG_VARIABLE = 'TESSEL_BOARD_LOG';
const DEBUG_VARIABLE = '_PROXY_DBG';
const DEVICE_VARIABLE = 'PROXY_DEVICE';

/** This file is loaded right before the program. */
const LOADED_MS = performance.now();

/**
 * Makes a board.
 *
 * @param {object} [options]
 * @param {(line: string) => void} [options.log] receives a line for each action, see docs/board.md
 * @param {object[]} [options.input] entries of an input script, from parseScript
 * @param {(text: string) => void} [options.warn] receives warnings, without a line end
 * @param {string} [options.deviceId] what tessel.deviceId() returns
 * @param {number} [options.startMs] time zero of log and script, by performance.now()
 * @returns {{tessel: object, neopixels: Function}} the modules of the board
 */
function create({
  log = () => {},
  input = [],
  warn = (text) => process.emitWarning(text),
  deviceId = DEFAULT_DEVICE_ID,
  startMs = LOADED_MS,
} = {}) {
  const hardware = new Hardware(log, warn, startMs);
  addToProcess(process, hardware, BOARD_VERSION);
  const tessel = new Tessel(hardware, deviceId);
  new Playback(hardware, input);
  return { tessel, neopixels: neopixelsOf(hardware) };
}

/**
 * Reads the board's settings from the environment, opens the log and reads the input script.
 *
 * @returns {(name: string) => object} the module `tessel` or `neopixels`; the board is made by the
 *   first call
 * @throws {BoardError} if the script or the log is not usable
 */
function prepare(env = process.env, writeError = (text) => process.stderr.write(text)) {
  const input = env[INPUT_VARIABLE] ? readInput(env[INPUT_VARIABLE]) : [];
  const toFile = env[LOG_VARIABLE] ? openLog(env[LOG_VARIABLE]) : () => {};
  let modules = null;
  return (name) => {
    modules ??= create({
      input,
      log: (line) => {
        toFile(`${line}\n`);
        if (env[DEBUG_VARIABLE]) writeError(`tessel: board: ${line}\n`);
      },
      warn: (text) => writeError(`tessel: warning: ${text}\n`),
      deviceId: deviceIdOf(env[DEVICE_VARIABLE]),
    });
    return modules[name];
  };
}

/** Returns an ID in the form of the board's, the same one for the same device name. */
function deviceIdOf(name) {
  if (!name) return DEFAULT_DEVICE_ID;
  const digest = crypto.createHash('sha256').update(name).digest('hex');
  const parts = [0, 8, 16].map((start) => digest.slice(start, start + 8));
  return `TM-00-${String(BOARD_VERSION).padStart(2, '0')}-${parts.join('-')}`;
}

function readInput(path) {
  try {
    const { size } = fs.statSync(path);
    if (size > MAX_INPUT_BYTES) {
      throw new BoardError([
        `${INPUT_VARIABLE}=${path}: ${size} bytes; allowed: at most ${MAX_INPUT_BYTES} bytes`,
      ]);
    }
    return parseScript(fs.readFileSync(path, 'utf8'), path);
  } catch (error) {
    throw explained(error, `${INPUT_VARIABLE}=${path}`, 'a readable input script');
  }
}

function openLog(path) {
  try {
    return logWriter(fs.openSync(path, 'w'), path);
  } catch (error) {
    throw explained(error, `${LOG_VARIABLE}=${path}`, 'a file that can be written');
  }
}

/**
 * Returns a function that writes a line at once, so that the log is complete however the program
 * ends. A full disk ends the log with a warning, and the program continues.
 */
function logWriter(descriptor, path) {
  let isUsable = true;
  return (text) => {
    if (!isUsable) return;
    try {
      fs.writeSync(descriptor, text);
    } catch (error) {
      isUsable = false;
      process.emitWarning(`${LOG_VARIABLE}=${path}: ${error.code}; the log ends here`);
    }
  };
}

function explained(error, setting, allowed) {
  if (error instanceof BoardError) return error;
  return new BoardError([`${setting}: ${error.code ?? error.message}; allowed: ${allowed}`]);
}

module.exports = { BoardError, create, parseScript, prepare };
