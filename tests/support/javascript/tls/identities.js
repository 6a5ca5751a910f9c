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
    'after parameters': { cert, key: read('client-ec.key') },
    'of old times': { cert, key: read('client-legacy.key'), passphrase: Buffer.from('secret') },
    'chain and key in one file': { cert: Buffer.concat([cert, key]), key: Buffer.concat([cert, key]) },
    pfx: { pfx: read('client.pfx'), passphrase: 'secret' },
    'pfx in a list': { pfx: [{ buf: read('client.pfx'), passphrase: 'secret' }] },
    context: { ca: undefined, secureContext: tls.createSecureContext({ ca, cert, key }) },
    'context of 1.2': { secureContext: tls.createSecureContext({ ca, cert, key, maxVersion: 'TLSv1.2' }) },
    'certificate without key': { cert, port: ports.greet },
    'key without certificate': { key, port: ports.greet },
    'empty options': { cert: '', key: '', pfx: '', ciphers: '', passphrase: '', ALPNProtocols: [], port: ports.greet },
    'options that are null': { cert: null, key: null, pfx: null, ciphers: null, ALPNProtocols: null, port: ports.greet },
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
