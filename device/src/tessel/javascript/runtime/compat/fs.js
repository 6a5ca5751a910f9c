'use strict';

const fs = require('fs');
const { replaceFunction } = require('./define');

/** Functions whose callback a program could leave out. */
const WITH_OPTIONAL_CALLBACK = [
  'appendFile',
  'chmod',
  'chown',
  'fchmod',
  'fchown',
  'fdatasync',
  'fsync',
  'ftruncate',
  'futimes',
  'lchown',
  'link',
  'mkdir',
  'rename',
  'rmdir',
  'symlink',
  'truncate',
  'unlink',
  'utimes',
  'write',
  'writeFile',
];

/** Functions that wrote any value as its text. Their second argument is the data. */
const WITH_ANY_DATA = ['appendFile', 'appendFileSync', 'writeFile', 'writeFileSync'];

function installFs() {
  for (const name of WITH_OPTIONAL_CALLBACK) {
    replaceFunction(fs, name, (original) => withOptionalCallback(name, original));
  }
  for (const name of WITH_ANY_DATA) replaceFunction(fs, name, withAnyData);
}

/** Without a callback, an error is a warning and the program continues, as in Node 0.10. */
function withOptionalCallback(name, original) {
  return function (...values) {
    if (typeof values.at(-1) === 'function') return original.apply(this, values);
    while (values.length > 0 && values.at(-1) === undefined) values.pop();
    return original.call(this, ...values, (error) => {
      if (error) process.emitWarning(`fs.${name} without a callback: ${error.message}`);
    });
  };
}

function withAnyData(original) {
  return function (path, data, ...others) {
    return original.call(this, path, isWritable(data) ? data : String(data), ...others);
  };
}

function isWritable(data) {
  if (typeof data !== 'object' || data === null) return typeof data === 'string';
  return ArrayBuffer.isView(data) || Symbol.iterator in data || Symbol.asyncIterator in data;
}

module.exports = { installFs };
