'use strict';

/** What the programs beside this file share: certificates, ports, and a log of a socket's events. */

const fs = require('fs');
const path = require('path');

const { FOLDER: folder, PORTS: ports, HOST: host = 'localhost', ADDRESSES: addresses } = process.env;

exports.read = (name) => fs.readFileSync(path.join(folder, name));
exports.ports = JSON.parse(ports);
exports.host = host;
exports.addresses = addresses !== 'unknown'; // a tunnel does not show those of its ends
exports.ca = exports.read('ca.pem');

/**
 * The parts of an error that programs look at.
 *
 * OpenSSL's words differ between its versions: 3.5 says "ssl/tls alert" for "sslv3 alert".
 */
exports.shown = (error) => {
  const code = error.code && error.code.replace('SSL/TLS', 'SSLV3');
  if (error.library) return [code, error.library];
  if (error.cert) return [code, error.reason, error.host, error.cert.subject.O];
  return [code, error.message];
};

/** Print the events of a socket that are not silent; the bytes that arrived, at the end. */
exports.follow = (label, socket, silent = []) => new Promise((resolve) => {
  const say = (event, ...words) => silent.includes(event) || console.log(label, event, ...words);
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
