'use strict';

// Half-open connections: either side ends first, with and without allowHalfOpen.

const net = require('net');
const { follow, host, later, ports } = require('./at');

(async () => {
  const asks = net.connect(ports.late, host, () => asks.end('question'));
  await follow('asks', asks);

  const early = net.connect(ports.late, host);
  early.end('before connect', () => console.log('early', 'ended'));
  await follow('early', early);

  const open = net.connect({ port: ports.greet, host, allowHalfOpen: true });
  const closing = follow('open', open);
  open.on('end', async () => {
    console.log('open', open.writable, open.readable);
    await later(20);
    open.end(() => console.log('open', 'ended'));
  });
  await closing;

  const shut = net.connect(ports.greet, host);
  const shutting = follow('shut', shut);
  shut.on('end', () => {
    console.log('shut', 'write after end', shut.write('x', (error) => console.log('shut', 'written', error && error.code)));
  });
  await shutting;

  const twice = net.connect(ports.late, host, () => {
    twice.end('once');
    twice.end(() => console.log('twice', 'ended'));
    twice.write('again', (error) => console.log('twice', 'written', error.code));
  });
  await follow('twice', twice);
})();
