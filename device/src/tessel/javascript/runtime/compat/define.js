'use strict';

/** Adds a member that today's Node does not have. Leaves one that it has as it is. */
function add(target, name, value) {
  if (!(name in target)) define(target, name, value);
}

/** Adds or replaces a member. It is not enumerable, so that loops over members do not change. */
function define(target, name, value) {
  Object.defineProperty(target, name, {
    value,
    writable: true,
    configurable: true,
    enumerable: false,
  });
}

/** Replaces a function, and keeps what hangs on it, such as the variant for util.promisify. */
function replaceFunction(target, name, make) {
  const original = target[name];
  if (typeof original !== 'function') return;
  const replacement = make(original);
  for (const key of Reflect.ownKeys(original)) {
    const isOwn = ['length', 'name', 'prototype', 'arguments', 'caller'].includes(key);
    if (!isOwn) {
      Object.defineProperty(replacement, key, Object.getOwnPropertyDescriptor(original, key));
    }
  }
  Object.defineProperty(replacement, 'name', { value: original.name, configurable: true });
  target[name] = replacement;
}

module.exports = { add, define, replaceFunction };
