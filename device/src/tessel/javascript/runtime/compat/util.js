'use strict';

const util = require('util');
const { add, define } = require('./define');

/** util.print and its like, which write at once, and util.pump. */
function installUtil() {
  const out = (text) => process.stdout.write(text);
  const error = (text) => process.stderr.write(text);
  add(util, 'print', (...values) => values.forEach((value) => out(String(value))));
  add(util, 'puts', (...values) => values.forEach((value) => out(`${value}\n`)));
  add(util, 'error', (...values) => values.forEach((value) => error(`${value}\n`)));
  add(util, 'p', (...values) => values.forEach((value) => error(`${util.inspect(value)}\n`)));
  add(util, 'pump', pump);
  const { debuglog } = util;
  // Today's util.debug is another name of util.debuglog, so this returns its function as well.
  define(util, 'debug', (text) => {
    error(`DEBUG: ${text}\n`);
    return debuglog(String(text));
  });
  restoreChecks();
}

/** Copies a stream into another one, and calls callback(error) once at the end. */
function pump(source, target, callback = () => {}) {
  let isDone = false;
  function done(error) {
    if (isDone) return;
    isDone = true;
    callback(error);
  }
  source.on('error', done).on('end', () => done()).on('close', () => done());
  target.on('error', done);
  source.pipe(target);
}

/** Node 23 dropped util.isArray and its like. */
function restoreChecks() {
  const tagOf = (value) => Object.prototype.toString.call(value);
  const checks = {
    isArray: Array.isArray,
    isBoolean: (value) => typeof value === 'boolean',
    isBuffer: Buffer.isBuffer,
    isDate: (value) => tagOf(value) === '[object Date]',
    isError: (value) => tagOf(value) === '[object Error]' || value instanceof Error,
    isFunction: (value) => typeof value === 'function',
    isNull: (value) => value === null,
    isNullOrUndefined: (value) => value === null || value === undefined,
    isNumber: (value) => typeof value === 'number',
    isObject: (value) => typeof value === 'object' && value !== null,
    isPrimitive: (value) => Object(value) !== value,
    isRegExp: (value) => tagOf(value) === '[object RegExp]',
    isString: (value) => typeof value === 'string',
    isSymbol: (value) => typeof value === 'symbol',
    isUndefined: (value) => value === undefined,
  };
  for (const [name, check] of Object.entries(checks)) add(util, name, check);
  add(util, '_extend', (target, source) => Object.assign(target, source));
  add(util, 'log', (...values) =>
    process.stdout.write(`${new Date()} - ${util.format(...values)}\n`),
  );
}

module.exports = { installUtil };
