'use strict';

/** Ends this process with the device, and hides the runtime's variables and options from the program. */

const path = require('path');
const { Worker } = require('worker_threads');
const { warnOnce } = require('../base/warnings');

const PRELOAD = path.join(__dirname, '..', 'preload.js');
const AUTHORITIES = '--use-openssl-ca'; // process.py adds it
const SIGNALS = ['SIGINT', 'SIGTERM'];

/** Return the descriptors that the device has passed on, and remove their variables. */
function takeDescriptors() {
  const channel = takeNumber('TESSEL_CHANNEL_FD');
  const lifeline = takeNumber('TESSEL_LIFELINE_FD');
  hideOptions();
  return { channel, lifeline };
}

function takeNumber(name) {
  const number = Number(process.env[name]);
  delete process.env[name];
  return number;
}

/** Remove the options that have loaded this file from those that the program sees. */
function hideOptions() {
  const options = process.execArgv.filter((each) => each !== '--' && each !== AUTHORITIES);
  const at = options.indexOf(PRELOAD);
  if (at > 0) options.splice(at - 1, 2);
  process.execArgv = options;
}

/**
 * End this process when the device has ended, also while the program computes without a pause.
 *
 * A thread of its own waits for the end of the lifeline. It does not keep the process alive.
 */
function watchDevice(lifeline) {
  const watchdog = new Worker(path.join(__dirname, 'watchdog.js'), {
    name: 'tessel',
    env: {},
    execArgv: [],
    workerData: { lifeline },
    stdout: true, // else Node joins the thread's streams to the program's, and so opens those
    stderr: true,
  });
  watchdog.on('error', (error) => {
    warnOnce(`this process would not notice the end of the device while it is busy: ${error.message}`);
  });
  watchdog.unref();
}

/**
 * Report signals that the program listens for to the device: it then leaves the end to the program.
 *
 * The device passes a signal on if this process seems not to have got it, and says so before. On a
 * busy machine this process may have got it, too. The program then hears of it once. It never has to
 * hear of a second one: two signals to the device end both processes.
 */
function reportSignals(channel) {
  const { emit } = process;
  const emitted = new Set();
  const passedOn = new Set();
  channel.addAccepted(0, { onEvent: ({ name }) => passedOn.add(name) });
  Object.defineProperty(process, 'emit', {
    configurable: true,
    writable: true,
    value: function emitAndReport(name, ...args) {
      if (SIGNALS.includes(name)) {
        if (emitted.has(name) && passedOn.delete(name)) return true;
        emitted.add(name);
        channel.call(0, { op: 'signal', name });
      }
      return emit.call(this, name, ...args);
    },
  });
}

module.exports = {
  PRELOAD, hideOptions, reportSignals, takeDescriptors, watchDevice,
};
