'use strict';

// Connections that are reset by the target, or by the program.

const net = require('net');
const { follow, host, ports } = require('./at');

(async () => {
  const reset = net.connect(ports.reset, host, () => reset.write('x'));
  await follow('reset', reset);

  const own = net.connect(ports.echo, host, () => console.log('own', own.resetAndDestroy() === own));
  await follow('own', own);

  const connecting = net.connect(ports.echo, host);
  connecting.resetAndDestroy();
  await follow('connecting', connecting);

  const never = new net.Socket();
  const closing = follow('never', never);
  never.resetAndDestroy();
  await closing;

  const server = net.createServer((socket) => {
    socket.write('accepted');
    socket.on('error', (error) => {
      console.log('server', error.code, error.syscall);
      server.close(() => console.log('server', 'closed'));
    });
  }).listen(0, '127.0.0.1', () => {
    const client = net.connect(server.address().port, '127.0.0.1');
    client.on('data', () => client.resetAndDestroy());
    client.on('close', (hadError) => console.log('client', 'close', hadError));
  });
})();
