'use strict';

// Node's TLS over a socket or a stream that the program passes, and STARTTLS.

const net = require('net');
const stream = require('stream');
const tls = require('tls');
const util = require('util');
const { addresses, ca, follow, host, ports } = require('./at');

const common = { ca, servername: 'localhost' };

(async () => {
  const connected = await new Promise((resolve) => {
    const socket = net.connect(ports.greet, host, () => resolve(socket));
  });
  const first = tls.connect({ ...common, socket: connected }, () => first.end('over a connected one'));
  await follow('connected', first);
  console.log(first instanceof tls.TLSSocket, connected instanceof tls.TLSSocket, connected.destroyed);

  const second = tls.connect({ ...common, socket: net.connect(ports.greet, host) }, () => {
    console.log(addresses && [second.remotePort === ports.greet, second.remoteAddress], second.getProtocol());
    second.end('over a connecting one');
  });
  await follow('connecting', second);

  const below = net.connect(ports.greet, host);
  const duplex = new stream.Duplex({
    read() { below.resume(); },
    write(chunk, _encoding, done) { below.write(chunk, done); },
    final(done) { below.end(done); },
    destroy(error, done) {
      below.destroy();
      done(error);
    },
  });
  below.on('data', (chunk) => { if (!duplex.push(chunk)) below.pause(); });
  below.on('end', () => duplex.push(null));
  const third = tls.connect({ ...common, socket: duplex }, () => third.write('over a stream'));
  third.on('data', (bytes) => { if (String(bytes).endsWith('over a stream')) third.destroy(); });
  await follow('duplex', third);

  const plain = net.connect(ports.startTls, host);
  await new Promise((resolve) => plain.once('data', (line) => { console.log(String(line).trim()); resolve(); }));
  plain.write('STARTTLS\r\n');
  await new Promise((resolve) => plain.once('data', (line) => { console.log(String(line).trim()); resolve(); }));
  const upgraded = tls.connect({ ...common, socket: plain }, () => upgraded.end('upgraded'));
  await follow('STARTTLS', upgraded);

  const other = net.connect(ports.greet, host);
  const made = new tls.TLSSocket(other, { ca: [ca], servername: 'localhost' });
  console.log(made instanceof tls.TLSSocket, made instanceof net.Socket);
  made.on('error', () => {});
  made.destroy();
  other.destroy();

  class Mine extends tls.TLSSocket {
    get mine() { return true; }
  }
  function Older(socket, options) { tls.TLSSocket.call(this, socket, options); }
  util.inherits(Older, tls.TLSSocket);
  for (const Class of [Mine, Older]) {
    const socket = new Class(net.connect(ports.greet, host), { ca: [ca], rejectUnauthorized: false });
    console.log(socket instanceof Class, socket instanceof tls.TLSSocket, socket.mine, socket.encrypted);
    socket.on('error', () => {}).destroy();
    socket._parent.destroy();
  }

  const outer = await new Promise((resolve) => {
    const socket = tls.connect({ ...common, host, port: ports.relay }, () => resolve(socket));
  });
  const inner = tls.connect({ ...common, socket: outer }, () => inner.end('TLS within TLS'));
  await follow('within', inner);
})();
