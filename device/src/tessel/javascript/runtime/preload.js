'use strict';

/**
 * Loaded by Node before a program for the board: replaces what opens connections.
 *
 * The device is the parent process. It answers everything here over the channel, whose descriptor
 * is in TESSEL_CHANNEL_FD. The lifeline, in TESSEL_LIFELINE_FD, ends when the device ends.
 *
 * Node also loads this file in each worker thread of a program.
 */

const { isMainThread } = require('worker_threads');

// Terminals, and TLS over other streams, extend the class of sockets that they find when loaded.
require('tty');
require('tls');

function installInMainThread() {
  const life = require('./process/life');
  const descriptors = life.takeDescriptors();
  life.watchDevice(descriptors.lifeline);
  require('./process/guards').install();
  const { Channel } = require('./channel/channel');
  const channel = new Channel(descriptors.channel);
  life.reportSignals(channel);
  require('./net').install(channel);
  require('./tls').install(channel);
  require('./dns').install(channel);
  require('./dgram').install(channel);
  require('./modules').install(channel);
}

function installInWorker() {
  require('./process/life').hideOptions();
  require('./process/guards_worker').install();
}

if (isMainThread) installInMainThread();
else installInWorker();
require('module').syncBuiltinESMExports();
