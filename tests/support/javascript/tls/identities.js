'use strict';

// Client certificates in all forms, and contexts.

const tls = require('tls');
const { ca, follow, host, ports, read } = require('./at');

const common = { ca, host, port: ports.asking, servername: 'localhost' };
const [cert, key] = [read('client.pem'), read('client.key')];

(async () => {
  for (const [label, options] of Object.entries({
    text: { cert: String(cert), key: String(key) },
    lists: { cert: [cert], key: [key] },
    'key with its passphrase': { cert, key: [{ pem: read('client-encrypted.key'), passphrase: 'secret' }] },
    passphrase: { cert, key: read('client-encrypted.key'), passphrase: 'secret' },
    pfx: { pfx: read('client.pfx'), passphrase: 'secret' },
    'pfx in a list': { pfx: [{ buf: read('client.pfx'), passphrase: 'secret' }] },
    context: { ca: undefined, secureContext: tls.createSecureContext({ ca, cert, key }) },
    'context of 1.2': { secureContext: tls.createSecureContext({ ca, cert, key, maxVersion: 'TLSv1.2' }) },
    'wrong passphrase': { cert, key: read('client-encrypted.key'), passphrase: 'wrong' },
    'no passphrase': { cert, key: read('client-encrypted.key') },
    'key of another': { cert, key: read('server.key') },
  })) {
    try {
      const socket = tls.connect({ ...common, ...options });
      socket.once('data', () => socket.end());
      await follow(label, socket);
    } catch (error) {
      console.log(label, error.code);
    }
  }
})();
