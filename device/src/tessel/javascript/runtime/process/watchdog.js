'use strict';

/**
 * The thread that ends this process some time after the device has ended.
 *
 * The main thread ends the process when the channel ends. But it does not read the channel while the
 * program computes without a pause, or waits in a call of the system.
 */

const fs = require('fs');
const net = require('net');
const { workerData } = require('worker_threads');

const GRACE_MS = 2000; // for the main thread, which also calls the program's listeners for `exit`
const STDERR = 2;

function kill() {
  try {
    fs.writeSync(STDERR, 'tessel: the device has ended, and this program was busy: it is killed\n');
  } finally {
    process.kill(process.pid, 'SIGKILL'); // also if the line cannot be written
  }
}

const lifeline = new net.Socket({ fd: workerData.lifeline, readable: true, writable: false });
lifeline.on('error', () => {}); // `close` follows
lifeline.on('close', () => setTimeout(kill, GRACE_MS));
lifeline.resume();
