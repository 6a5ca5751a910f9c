'use strict';

// Connections whose TLS a trusted proxy may do, and those whose TLS it may not.

const https = require('https');
const tls = require('tls');
const { host, ports, shown } = require('./at');

const empty = (certificate) => Object.keys(certificate).length === 0;

function facts(socket) {
  return [socket.authorized, socket.authorizationError, socket.encrypted, socket.alpnProtocol, socket.getProtocol(),
    socket.getCipher() && 'a cipher', empty(socket.getPeerCertificate(true)), socket.getPeerX509Certificate() === undefined,
    socket.isSessionReused()].join();
}

const ask = (options) => new Promise((resolve) => {
  https.get({ host, port: ports.https, path: '/', ...options }, (response) => {
    const known = facts(response.socket);
    response.resume().on('end', () => resolve(`${response.statusCode} ${known}`));
  }).on('error', (error) => resolve(shown(error).join()));
});

const connect = (options) => new Promise((resolve) => {
  const socket = tls.connect({ host, port: ports.alpn, ...options }, () => {
    resolve(facts(socket));
    socket.destroy();
  }).on('error', (error) => resolve(shown(error).join()));
});

const CASES = {
  'the proxy': {
    request: () => ask({}),
    'no agent': () => ask({ agent: false }),
    servername: () => ask({ servername: host, rejectUnauthorized: true }),
    connect: () => connect({}),
    'http/1.1': () => connect({ ALPNProtocols: ['http/1.1'] }),
    'its defaults': () => connect({ checkServerIdentity: tls.checkServerIdentity, minVersion: 'TLSv1.2', ciphers: tls.DEFAULT_CIPHERS }),
    context: () => connect({ secureContext: tls.createSecureContext() }),
    fetch: async () => (await fetch(`https://${host}:${ports.https}/`)).status,
  },
  'the device': {
    h2: () => connect({ ALPNProtocols: ['h2'] }),
    'own check': () => connect({ checkServerIdentity: () => undefined }),
    unverified: () => ask({ rejectUnauthorized: false }),
    'another name': () => ask({ servername: 'elsewhere.example' }),
    'a version': () => connect({ maxVersion: 'TLSv1.2' }),
    'the options of a context': () => connect({ secureContext: tls.createSecureContext({ maxVersion: 'TLSv1.2' }) }),
  },
};

(async () => {
  for (const [label, form] of Object.entries(CASES[process.argv[2]])) console.log(`${label}: ${await form()}`);
  https.globalAgent.destroy();
})();
