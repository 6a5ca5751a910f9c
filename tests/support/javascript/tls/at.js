'use strict';

/** What the programs beside this file share: certificates, ports, and a log of a socket's events. */

const fs = require('fs');
const path = require('path');

const { FOLDER: folder, PORTS: ports, HOST: host = 'localhost' } = process.env;

exports.read = (name) => fs.readFileSync(path.join(folder, name));
exports.ports = JSON.parse(ports);
exports.host = host;
exports.ca = exports.read('ca.pem');

/** The parts of an error that programs look at. */
exports.shown = (error) => error && [error.code, error.reason, error.host, error.library,
  error.cert && error.cert.subject.O, error.cert ? '' : error.message.slice(0, 80)];

/** Print each event of a socket, with the bytes that arrived in one piece at the end. */
exports.follow = (label, socket) => new Promise((resolve) => {
  const say = (...words) => console.log(label, ...words);
  let received = '';
  for (const name of ['connect', 'ready', 'secureConnect', 'timeout']) {
    socket.on(name, () => say(name, socket.connecting, socket.secureConnecting, socket.authorized));
  }
  socket.on('data', (chunk) => { received += chunk; });
  socket.on('end', () => say('end', received.trim()));
  socket.on('error', (error) => say('error', ...exports.shown(error)));
  socket.on('close', (hadError) => {
    say('close', hadError);
    resolve();
  });
});
