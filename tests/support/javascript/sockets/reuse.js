'use strict';

// One socket for several connections, and classes made of net.Socket.

const net = require('net');
const util = require('util');
const { follow, host, ports } = require('./at');

(async () => {
  const socket = new net.Socket();
  for (let count = 0; count < 3; count += 1) {
    const closing = new Promise((resolve) => { socket.once('close', resolve); });
    let received = '';
    const take = (bytes) => { received += bytes; };
    socket.on('data', take);
    socket.connect(ports.echo, host, () => socket.end(`again ${count}`));
    await closing;
    socket.off('data', take);
    console.log('reuse', received, socket.bytesRead, socket.bytesWritten, socket.destroyed, socket.readyState);
  }

  const failing = new net.Socket();
  const refused = new Promise((resolve) => { failing.once('close', resolve); });
  failing.once('error', (error) => console.log('failing', error.code));
  failing.connect(ports.closed, host);
  await refused;
  const closing = follow('after a failure', failing);
  failing.connect(ports.greet, host);
  await closing;

  function Old(options) {
    if (!(this instanceof Old)) return new Old(options);
    net.Socket.call(this, options);
    this.kind = 'old';
  }
  util.inherits(Old, net.Socket);
  Old.prototype.greet = function greet() { return this.connect(ports.greet, host); };
  const old = Old({ allowHalfOpen: false });
  console.log(old instanceof net.Socket, old instanceof net.Stream, old.kind);
  await follow('old', old.greet());

  class Young extends net.Socket {
    connect(...args) {
      console.log('young', 'connects');
      return super.connect(...args);
    }
  }
  const young = new Young();
  console.log(young instanceof net.Socket, new net.Socket() instanceof Young);
  young.connect(ports.greet, host);
  await follow('young', young);
})();
