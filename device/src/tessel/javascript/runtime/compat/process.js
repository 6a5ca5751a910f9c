'use strict';

const { EventEmitter } = require('events');
const { add, define, replaceFunction } = require('./define');

/** The code with which Node 0.10 and the board ended for an uncaught error. Today's is 1. */
const UNCAUGHT_ERROR_CODE = 8;
const NODE_CODE = 1;

/** The longest time of one of Node's timers. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

function installProcess({ exitCode8 }) {
  define(globalThis, 'GLOBAL', globalThis);
  define(globalThis, 'root', globalThis);
  add(process, 'EventEmitter', EventEmitter);
  add(process, 'maxTickDepth', Infinity);
  addRef();
  replaceFunction(process, 'exit', (exit) => function (...codes) {
    return exit.apply(process, codes.map(codeOf)); // exit() and exit(undefined) differ
  });
  if (exitCode8) useExitCode8();
}

/** process.ref() keeps the program of the board alive until process.unref(). */
function addRef() {
  let timer = null;
  const { ref: nodeRef, unref: nodeUnref } = process;
  define(process, 'ref', function (...values) {
    if (values.length > 0 && nodeRef) return nodeRef.apply(process, values);
    timer ??= setInterval(() => {}, LONGEST_TIMER_MS);
    return undefined;
  });
  define(process, 'unref', function (...values) {
    if (values.length > 0 && nodeUnref) return nodeUnref.apply(process, values);
    clearInterval(timer);
    timer = null;
    return undefined;
  });
}

/** Today's process.exit accepts an integer only: exit(true) was 1, exit(null) and exit({}) 0. */
function codeOf(code) {
  const isFine = code === undefined || typeof code === 'number' || typeof code === 'string';
  return isFine ? code : Number(code) | 0;
}

function useExitCode8() {
  let isUncaught = false;
  process.on('uncaughtExceptionMonitor', () => {
    const isHandled =
      process.listenerCount('uncaughtException') > 0 ||
      process.hasUncaughtExceptionCaptureCallback();
    isUncaught ||= !isHandled;
  });
  process.on('exit', (code) => {
    if (isUncaught && code === NODE_CODE) process.exitCode = UNCAUGHT_ERROR_CODE;
  });
}

module.exports = { installProcess };
