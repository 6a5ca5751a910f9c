'use strict';

const { PORTS, UART_PORTS, analogPinsOf, digitalPinsOf } = require('./facts');
const { MAX_TIMEOUT_MS } = require('./pulses');

/** Addresses that an I2C device can have. Seven bits; the lowest and highest ones are reserved. */
const MIN_I2C_ADDRESS = 0x03;
const MAX_I2C_ADDRESS = 0x77;

const BYTES = 'bytes such as 0d 2a, or text such as "OK\\r\\n"';
const ANSWERS = `${BYTES}, several answers separated by |, and after "to" the command`;

/** What is wrong with a line, and what is allowed. */
class GrammarError extends Error {
  constructor(seen, allowed) {
    super(`saw ${JSON.stringify(seen)}; allowed: ${allowed}`);
  }
}

/** Reads bytes from tokens: pairs of hex digits, and texts in double quotes. */
function bytesOf(tokens) {
  if (tokens.length === 0) throw new GrammarError('', BYTES);
  return Buffer.concat(tokens.map(bytesOfToken));
}

function bytesOfToken(token) {
  if (/^[0-9a-f]{2}$/i.test(token)) return Buffer.from(token, 'hex');
  if (!token.startsWith('"')) throw new GrammarError(token, BYTES);
  try {
    return Buffer.from(JSON.parse(token), 'utf8');
  } catch {
    throw new GrammarError(token, 'text in double quotes, with the escapes of JSON');
  }
}

/** Reads `BYTES | BYTES to BYTES`. */
function answersOf(tokens) {
  const at = tokens.indexOf('to');
  const to = at < 0 ? null : bytesOf(tokens.slice(at + 1));
  const lists = [[]];
  for (const token of at < 0 ? tokens : tokens.slice(0, at)) {
    if (token === '|') lists.push([]);
    else lists.at(-1).push(token);
  }
  if (lists.some((list) => list.length === 0)) throw new GrammarError(tokens.join(' '), ANSWERS);
  return { to, answers: lists.map(bytesOf) };
}

function registersOf([first, ...others]) {
  if (first === undefined || !/^[0-9a-f]{2}$/i.test(first) || others.length === 0) {
    throw new GrammarError(first ?? '', 'a register such as 0d, and the bytes from there on');
  }
  return { first: parseInt(first, 16), bytes: bytesOf(others) };
}

function shareOf(tokens) {
  const value = Number(tokens[0]);
  if (tokens.length !== 1 || !(value >= 0 && value <= 1)) {
    throw new GrammarError(tokens.join(' '), 'a number from 0 (0 V) to 1 (3.3 V)');
  }
  return value;
}

function pulseOf(tokens) {
  const [level, text] = tokens;
  const lengthMs = Number(text);
  if (tokens.length !== 2 || !['high', 'low'].includes(level) || !(lengthMs > 0)) {
    throw new GrammarError(tokens.join(' '), 'high or low, and the length in milliseconds');
  }
  if (lengthMs > MAX_TIMEOUT_MS) throw new GrammarError(text, `at most ${MAX_TIMEOUT_MS} ms`);
  return { level: level === 'high' ? 1 : 0, lengthMs };
}

/** Returns whether the level lasts only until the program's interrupt has fired. */
function isOnce(tokens) {
  if (tokens.length === 0) return false;
  if (tokens.length === 1 && tokens[0] === 'once') return true;
  throw new GrammarError(tokens.join(' '), '"once", or nothing');
}

function pinOf(tokens) {
  if (tokens.length !== 1 || !DIGITAL_PINS.includes(tokens[0])) {
    throw new GrammarError(tokens.join(' '), `one of ${DIGITAL_PINS.join(', ')}`);
  }
  return tokens[0];
}

function nothing(tokens) {
  if (tokens.length > 0) throw new GrammarError(tokens.join(' '), 'nothing after this word');
}

function jsonOf(_tokens, rest) {
  try {
    return JSON.parse(rest);
  } catch {
    throw new GrammarError(rest, 'a JSON value');
  }
}

const DIGITAL_PINS = PORTS.flatMap(digitalPinsOf).map(({ name }) => name);
const ANALOG_PINS = PORTS.flatMap(analogPinsOf).map(({ name }) => name);

/** Kinds of subjects: their names, and the reader of what follows each of their verbs. */
const KINDS = {
  digital: { high: isOnce, low: isOnce, pulse: pulseOf, wire: pinOf },
  analog: { analog: shareOf },
  button: { press: nothing, release: nothing },
  i2c: { answer: answersOf, registers: registersOf, remove: nothing },
  spi: { answer: answersOf, loopback: nothing },
  uart: { answer: answersOf, data: bytesOf },
  board: { message: jsonOf, reset: nothing },
};

const SUBJECTS = 'button, board, A.G1, GPIO.A1, A.i2c.1d, A.spi, A.uart';

/** Returns {kind, port?, address?} of a subject's name. */
function subjectOf(name) {
  if (DIGITAL_PINS.includes(name)) return { kind: 'digital' };
  if (ANALOG_PINS.includes(name)) return { kind: 'analog' };
  if (name === 'button' || name === 'board') return { kind: name };
  const [port, kind, text, ...others] = name.split('.');
  if (kind === 'i2c' && PORTS.includes(port) && others.length === 0) {
    return { kind, port, address: addressOf(text) };
  }
  if (kind === 'spi' && PORTS.includes(port) && text === undefined) return { kind, port };
  if (kind === 'uart' && UART_PORTS.includes(port) && text === undefined) return { kind, port };
  throw new GrammarError(name, `a subject such as ${SUBJECTS}; UARTs are at ${UART_PORTS.join(', ')}`);
}

function addressOf(text) {
  const address = /^[0-9a-f]{2}$/i.test(text ?? '') ? parseInt(text, 16) : -1;
  if (address < MIN_I2C_ADDRESS || address > MAX_I2C_ADDRESS) {
    throw new GrammarError(text ?? '', 'an I2C address from 03 to 77, in two hex digits');
  }
  return address;
}

module.exports = { GrammarError, KINDS, subjectOf };
