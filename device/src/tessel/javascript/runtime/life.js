'use strict';

/** What ties the life of this process to that of the device, and hides the ties from the program. */

const path = require('path');
const { Worker } = require('worker_threads');

const PRELOAD = path.join(__dirname, 'preload.js');
const SIGNALS = ['SIGINT', 'SIGTERM'];

/** Return the descriptors that the device has passed on, and remove all trace of them. */
function takeDescriptors() {
  const channel = takeNumber('TESSEL_CHANNEL_FD');
  const lifeline = takeNumber('TESSEL_LIFELINE_FD');
  process.execArgv = optionsOfTheUser(process.execArgv);
  return { channel, lifeline };
}

function takeNumber(name) {
  const number = Number(process.env[name]);
  delete process.env[name];
  return number;
}

/** Return Node's options without those that have loaded this file. */
function optionsOfTheUser(options) {
  const at = options.indexOf(PRELOAD);
  if (at < 1) return options;
  return [...options.slice(0, at - 1), ...options.slice(at + 1)].filter((each) => each !== '--');
}

/**
 * End this process when the device has ended, also while the program computes without a pause.
 *
 * A thread of its own waits for the end of the lifeline. It does not keep the process alive.
 */
function watchDevice(lifeline) {
  new Worker(path.join(__dirname, 'watchdog.js'), {
    name: 'tessel', env: {}, execArgv: [], workerData: { lifeline },
  }).unref();
}

/** Tell the device of signals that the program listens for: it then leaves the end to the program. */
function reportSignals(channel) {
  const { emit } = process;
  Object.defineProperty(process, 'emit', {
    configurable: true,
    writable: true,
    value: function emitAndReport(name, ...args) {
      if (SIGNALS.includes(name)) channel.call(0, { op: 'signal', name });
      return emit.call(this, name, ...args);
    },
  });
}

module.exports = { PRELOAD, reportSignals, takeDescriptors, watchDevice };
