'use strict';

/** Finds the program's own line on the stack, for the report of what is open. */

const path = require('path');

const RUNTIME = __dirname + path.sep;
const MAX_FRAMES = 30; // http and npm modules put some 20 frames between the program and the socket
const LIBRARIES = `${path.sep}node_modules${path.sep}`;
const { captureStackTrace } = Error; // test runners of the board's time replace it by nothing

/** Return file and line of the program, such as `/home/me/hello.js:8`; null if none is on the stack. */
function here() {
  const places = frames().map((frame) => `${frame.getFileName() || ''}:${frame.getLineNumber()}`);
  const outside = places.filter(isOutside).map((place) => place.replace(/^file:\/\//, ''));
  return outside.find((place) => !place.includes(LIBRARIES)) || outside[0] || null;
}

function isOutside(place) {
  return place.startsWith('file:') || (path.isAbsolute(place) && !place.startsWith(RUNTIME));
}

function frames() {
  const { prepareStackTrace, stackTraceLimit } = Error;
  Error.prepareStackTrace = (_, found) => found;
  Error.stackTraceLimit = MAX_FRAMES;
  try {
    const holder = {};
    captureStackTrace(holder, here);
    return holder.stack;
  } finally {
    Error.prepareStackTrace = prepareStackTrace;
    Error.stackTraceLimit = stackTraceLimit;
  }
}

module.exports = { here };
