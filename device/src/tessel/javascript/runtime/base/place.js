'use strict';

/** Finds places on the stack, such as the program's own line for the report of what is open. */

const path = require('path');

const RUNTIME = path.dirname(__dirname) + path.sep;
const MAX_FRAMES = 30; // http and npm modules put some 20 frames between the program and the socket
const LIBRARIES = `${path.sep}node_modules${path.sep}`;
const { captureStackTrace } = Error; // test runners of the board's time replace it by nothing

/** Return file and line of the program, such as `/home/me/hello.js:8`; null if none is on the stack. */
function here() {
  const places = frames(here).map((frame) => `${frame.getFileName() || ''}:${frame.getLineNumber()}`);
  const outside = places.filter(isOutside).map((place) => place.replace(/^file:\/\//, ''));
  return outside.find((place) => !place.includes(LIBRARIES)) || outside[0] || null;
}

function isOutside(place) {
  return place.startsWith('file:') || (path.isAbsolute(place) && !place.startsWith(RUNTIME));
}

/** Return the file of the function that has called `callee`, such as `node:net`. */
function callerOf(callee) {
  const [frame] = frames(callee);
  return frame === undefined ? '' : frame.getFileName() || '';
}

/** Return the frames of the stack below the function `hidden`. */
function frames(hidden) {
  const { prepareStackTrace, stackTraceLimit } = Error;
  Error.prepareStackTrace = (_, found) => found;
  Error.stackTraceLimit = MAX_FRAMES;
  try {
    const holder = {};
    captureStackTrace(holder, hidden);
    return holder.stack;
  } finally {
    Error.prepareStackTrace = prepareStackTrace;
    Error.stackTraceLimit = stackTraceLimit;
  }
}

module.exports = { callerOf, here };
