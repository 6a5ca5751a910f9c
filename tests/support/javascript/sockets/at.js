'use strict';

/** What the programs beside this file share: ports, and a log of a socket's events. */

const { PORTS, HOST: host = '127.0.0.1' } = process.env;

exports.host = host;
exports.ports = JSON.parse(PORTS);
exports.isLocal = host === '127.0.0.1';

/** The members of an error that programs look at. Addresses and ports differ between runs. */
exports.shown = (error) => {
  if (!error) return error;
  const { code, errno, syscall, address, port, hostname } = error;
  const place = { address, port: port && Object.keys(exports.ports).find((name) => exports.ports[name] === port), hostname };
  return [error.name, code, errno, syscall, JSON.stringify(place), error.message.replace(/:\d+/g, ':PORT')].join(' ');
};

/** Print each event of a socket; received bytes in one piece at the end. Resolves with its close. */
exports.follow = (label, socket, say = console.log) => new Promise((resolve) => {
  let received = '';
  const state = () => `${socket.readyState}${socket.pending ? ' pending' : ''}${socket.connecting ? ' connecting' : ''}`;
  for (const name of ['connect', 'ready', 'timeout', 'finish']) {
    socket.on(name, () => say(label, name, state()));
  }
  socket.on('data', (bytes) => { received += bytes; });
  socket.on('end', () => say(label, 'end', received.length > 100 ? received.length : received, state()));
  socket.on('error', (error) => say(label, 'error', exports.shown(error), state()));
  socket.on('close', (hadError) => {
    say(label, 'close', hadError, state(), socket.destroyed);
    resolve();
  });
});

exports.later = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });
