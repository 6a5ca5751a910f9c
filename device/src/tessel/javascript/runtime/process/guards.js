'use strict';

/**
 * Guards: sockets, look-ups and child processes of this machine raise errors.
 *
 * All of Node's modules use a few classes of its C++ part. Here the methods of these classes that
 * reach the machine's network are replaced, so that no way around the device is left: child processes,
 * `cluster`, c-ares, handles of `process.binding`. The other modules of this runtime replace the usual
 * functions, and call none of these methods.
 */

const worker_threads = require('worker_threads');
const { binding } = require('../base/binding');
const { withCode } = require('../base/errors');
const { PRELOAD } = require('./life');

const { captureStackTrace } = Error; // a program may replace it
const CODE = 'ERR_FEATURE_UNAVAILABLE_ON_PLATFORM'; // Node's own, for what a platform does not have

const SOCKET = 'This way to the network does not go over the device. Use net, tls, http, https, http2, dgram, '
  + 'dns.lookup, fetch or WebSocket';
const PROCESS = 'A device runs one program and no child processes: theirs would be this machine\'s network, not the '
  + 'device\'s. Do the work in this program or in a worker thread, or start the other program outside of the device';

// `open` of TCP and Pipe is not replaced: a standard stream may be a pipe or a socket.
const TCP = ['bind', 'bind6', 'connect', 'connect6', 'listen'];
const UDP = ['bind', 'bind6', 'connect', 'connect6', 'open', 'send', 'send6'];
const PIPE = ['bind', 'connect', 'listen'];

/** Replace the methods. `why`: the text of the errors of sockets and look-ups. */
function install(why = SOCKET) {
  refuse(binding('tcp_wrap').TCP.prototype, TCP, why);
  refuse(binding('udp_wrap').UDP.prototype, UDP, why);
  refuse(binding('pipe_wrap').Pipe.prototype, PIPE, why);
  refuse(binding('process_wrap').Process.prototype, ['spawn'], PROCESS);
  refuse(binding('spawn_sync'), ['spawn'], PROCESS);
  if (process.execve !== undefined) refuse(process, ['execve'], PROCESS); // since Node 22.15
  const cares = binding('cares_wrap');
  refuse(cares, ['getaddrinfo', 'getnameinfo'], why);
  refuse(cares.ChannelWrap.prototype, queryNames(cares.ChannelWrap.prototype), why);
  guardWorkers();
}

/** Return the names of the methods that ask a name server. */
function queryNames(prototype) {
  return Object.getOwnPropertyNames(prototype).filter((name) => /^(query|getHostByAddr)/.test(name));
}

function refuse(owner, names, why) {
  for (const name of names) {
    owner[name] = function refused() {
      throw unavailable(why, refused);
    };
  }
}

/** Let each worker thread load this runtime, because a thread has its own copies of Node's modules. */
function guardWorkers() {
  const NodeWorker = worker_threads.Worker;
  worker_threads.Worker = class Worker extends NodeWorker {
    constructor(filename, options) {
      const given = (options && options.execArgv) || process.execArgv;
      super(filename, { ...options, execArgv: [...given, '--require', PRELOAD] });
    }
  };
}

/** Return an error whose stack begins at the caller of `hidden`. */
function unavailable(why, hidden = unavailable) {
  const error = new Error(why);
  captureStackTrace(error, hidden);
  return withCode(error, CODE);
}

module.exports = { install, unavailable };
