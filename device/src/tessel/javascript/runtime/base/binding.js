'use strict';

/** Gives access to the parts of Node that its own modules use, as `process.binding` does. */

/** Return a part of Node. Throws an Error if this Node does not have it. */
function binding(name) {
  const { noDeprecation } = process;
  process.noDeprecation = true; // no warning: the program did not ask for this part
  try {
    return process.binding(name);
  } finally {
    process.noDeprecation = noDeprecation;
  }
}

module.exports = { binding };
