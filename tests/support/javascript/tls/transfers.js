'use strict';

// Bytes in both directions, half-closed connections, and a peer that ends without close_notify.

const tls = require('tls');
const { ca, follow, host, ports } = require('./at');

const NBYTES = 10_000_000;
const common = { ca, host, servername: 'localhost' };

(async () => {
  const down = tls.connect({ ...common, port: ports.transfer }, () => down.write(`down ${NBYTES}\n`));
  let received = 0;
  for await (const chunk of down) received += chunk.length;
  console.log('down', received);

  const up = tls.connect({ ...common, port: ports.transfer, allowHalfOpen: true }, () => up.write('up\n'));
  setTimeout(() => up.end(Buffer.alloc(NBYTES)), 100);
  await follow('up', up);

  const fin = tls.connect({ ...common, port: ports.fin });
  await follow('FIN', fin);

  const early = tls.connect({ ...common, port: ports.greet });
  early.end('written before');
  await follow('early', early);
})();
