'use strict';

// Variables of Node that change which certificates are accepted.

const tls = require('tls');
const { ca, follow, host, ports } = require('./at');

const common = { host, port: ports.greet, servername: 'localhost' };

(async () => {
  for (const [label, options] of Object.entries({
    default: {},
    'own authority': { ca },
    'no authority': { ca: [] },
    'wrong name': { port: ports.wrongName },
    verified: { ca: [], rejectUnauthorized: true },
  })) {
    const socket = tls.connect({ ...common, ...options });
    socket.once('data', () => socket.end());
    await follow(label, socket, ['end', 'ready']);
    console.log(label, socket.authorized, socket.authorizationError);
  }
  if (!tls.setDefaultCACertificates) return; // Node 20
  tls.setDefaultCACertificates([ca]);
  const socket = tls.connect(common);
  socket.once('data', () => socket.end());
  await follow('authorities for all', socket, ['end', 'ready']);
})();
