'use strict';

// setTimeout of sockets: idle and active ones, by option, changed and switched off.

const net = require('net');
const { follow, host, later, ports } = require('./at');

(async () => {
  const idle = net.connect(ports.silent, host);
  idle.setTimeout(100, () => {
    console.log('idle', 'callback', idle.timeout);
    idle.destroy();
  });
  await follow('idle', idle);

  const option = net.connect({ port: ports.silent, host, timeout: 80 });
  option.on('timeout', () => option.destroy());
  await follow('option', option);

  const active = net.connect(ports.echo, host);
  active.setTimeout(600);
  const closing = follow('active', active);
  for (let count = 0; count < 10; count += 1) {
    await later(100);
    active.write('.');
  }
  active.setTimeout(0);
  await later(700);
  console.log('active', active.bytesRead, active.timeout);
  active.end();
  await closing;

  const again = net.connect(ports.silent, host);
  let times = 0;
  again.setTimeout(5000);
  again.setTimeout(60);
  again.on('timeout', () => {
    times += 1;
    if (times === 1) again.write('x');
    else again.destroy();
  });
  await follow('again', again);

  const server = net.createServer((socket) => {
    socket.setTimeout(60, () => socket.end('timed out'));
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => { server.on('listening', resolve); });
  await follow('accepted', net.connect(server.address().port, '127.0.0.1'));
  server.close();
})();
