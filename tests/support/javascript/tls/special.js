'use strict';

// Options that are rare: of Node's own TLS, of look-ups, of streams.

const { constants } = require('crypto');
const tls = require('tls');
const { ca, follow, host, ports } = require('./at');

const common = { ca, host, port: ports.greet, servername: 'localhost' };

(async () => {
  for (const [label, options] of Object.entries({
    'ecdhCurve: auto': { ecdhCurve: 'auto' },
    ecdhCurve: { ecdhCurve: 'P-256' },
    secureOptions: { secureOptions: constants.SSL_OP_NO_TLSv1_3 },
    sigalgs: { sigalgs: 'ECDSA+SHA256:RSA-PSS+SHA256' },
    requestOCSP: { requestOCSP: true },
    minDHSize: { minDHSize: 4096 },
    'wrong curve': { ecdhCurve: 'nonsense' },
    'null as name': { servername: null },
    'one that only Node has, of another name': { ecdhCurve: 'P-256', port: ports.wrongName },
    'a context of such an option': { secureContext: tls.createSecureContext({ ca, ecdhCurve: 'P-256' }) },
  })) {
    try {
      const socket = tls.connect({ ...common, ...options }, () => {
        console.log(label, socket.getProtocol(), socket.getEphemeralKeyInfo().name, socket instanceof tls.TLSSocket);
      });
      socket.on('OCSPResponse', (response) => console.log(label, 'OCSPResponse', response));
      socket.once('data', () => socket.end());
      socket.on('lookup', (error, _address, _family, name) => console.log(label, 'lookup', error, name));
      await follow(label, socket);
    } catch (error) {
      console.log(label, error.code);
    }
  }

  const lookup = (name, { all }, done) => (all ? done(null, [{ address: '127.0.0.1', family: 4 }]) : done(null, '127.0.0.1', 4));
  for (const [label, options] of Object.entries({
    'own look-up': { host: 'localhost', port: ports.chained, servername: undefined, lookup },
    'own look-up, another name': { host: 'elsewhere.example', port: ports.chained, servername: undefined, lookup },
  })) {
    const socket = tls.connect({ ...common, ...options });
    socket.once('data', () => socket.end());
    await follow(label, socket, ['end']);
  }

  let text = '';
  const buffer = Buffer.alloc(50);
  const read = tls.connect({ ...common, onread: { buffer, callback: (count) => { text += buffer.subarray(0, count); } } });
  setTimeout(() => read.end(), 100);
  await follow('onread', read);
  console.log(text);

  const aborting = new AbortController();
  const aborted = tls.connect({ ...common, port: ports.silent, signal: aborting.signal });
  aborted.once('connect', () => aborting.abort());
  await follow('signal', aborted);
})();
