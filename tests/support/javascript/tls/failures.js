'use strict';

// Handshakes that fail, and sockets that are destroyed.

const tls = require('tls');
const { ca, follow, host, ports, read } = require('./at');

const common = { ca, host, servername: 'localhost' };

(async () => {
  for (const [label, options] of Object.entries({
    'unknown authority': { port: ports.greet, ca: read('other-ca.pem') },
    'no authority': { port: ports.greet, ca: [] },
    'ca is no PEM': { port: ports.greet, ca: 'nonsense' },
    'wrong name': { port: ports.wrongName },
    'wrong servername': { port: ports.greet, servername: 'elsewhere.example' },
    'no TLS': { port: ports.text },
    'hangs up': { port: ports.hangsUp },
    'too old': { port: ports.tls12, minVersion: 'TLSv1.3' },
    'no client certificate': { port: ports.asking, maxVersion: 'TLSv1.2' },
    'no client certificate, 1.3': { port: ports.asking },
    'refused': { port: 1 },
  })) {
    const socket = tls.connect({ ...common, ...options });
    const failed = new Promise((resolve) => socket.on('error', (error) => {
      if (label === 'hangs up') console.log(error.host === host, error.port === ports.hangsUp, error.path, error.localAddress);
      resolve();
    }));
    // Node emits `end` at failures that it notices by the end of the bytes, and then no error in `close`.
    await Promise.all([failed, follow(label, socket, ['end', 'close'])]);
    console.log(label, socket.authorized, socket.authorizationError, socket.destroyed);
  }

  for (const [label, when] of Object.entries({ 'at once': 'now', 'while it shakes hands': 'connect' })) {
    const socket = tls.connect({ ...common, port: ports.silent });
    if (when === 'now') socket.destroy();
    else socket.once('connect', () => socket.destroy());
    await follow(label, socket);
  }
  const socket = tls.connect({ ...common, port: ports.silent, timeout: 100 });
  socket.once('timeout', () => socket.destroy(new Error('gave up')));
  await follow('timeout', socket);
})();
