'use strict';

/** Gives access to the parts of Node that its own modules use, as `process.binding` does. */

/** Return a part of Node. Throws an Error if this Node does not give it away. */
function binding(name) {
  const { noDeprecation } = process;
  process.noDeprecation = true; // the program has not asked for it
  try {
    return process.binding(name);
  } finally {
    process.noDeprecation = noDeprecation;
  }
}

module.exports = { binding };
