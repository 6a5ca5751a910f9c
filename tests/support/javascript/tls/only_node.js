'use strict';

// An option that only Node's own TLS has.

const tls = require('tls');
const { ca, host, ports } = require('./at');

const socket = tls.connect({ ca, host, port: ports.greet, ecdhCurve: 'P-256' }, () => {
  console.log(socket.getEphemeralKeyInfo().name);
  socket.end();
});
