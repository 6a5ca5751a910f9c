'use strict';

// What a program may ask before, during and after a TLS connection.

const tls = require('tls');
const at = require('./at');

const { ca, follow, host, ports, read } = at;

const client = { cert: read('client.pem'), key: read('client.key') };
const short = (certificate) => certificate && Object.keys(certificate).length && [
  certificate.subject, certificate.issuer, certificate.subjectaltname, certificate.serialNumber,
  certificate.fingerprint256, certificate.valid_from, certificate.ca, certificate.raw.length,
  certificate.pubkey && certificate.pubkey.length, certificate.bits, Object.keys(certificate).sort().join(),
];

function facts(label, socket) {
  const peer = short(socket.getPeerCertificate());
  const chain = [];
  for (let each = socket.getPeerCertificate(true); each && each.subject; each = each.issuerCertificate) {
    chain.push(each.subject.CN || each.subject.OU || each.subject.O);
    if (each === each.issuerCertificate) break;
  }
  const x509 = socket.getPeerX509Certificate(); // last: after it, Node 22 has no getPeerCertificate
  console.log(label, JSON.stringify({
    encrypted: socket.encrypted,
    authorized: socket.authorized,
    authorizationError: socket.authorizationError,
    alpn: socket.alpnProtocol,
    servername: socket.servername,
    protocol: socket.getProtocol(),
    cipher: socket.getCipher(),
    ephemeral: socket.getEphemeralKeyInfo(),
    reused: socket.isSessionReused(),
    peer,
    chain,
    x509: x509 && [x509.subject, x509.fingerprint256],
    own: short(socket.getCertificate()),
    ownX509: socket.getX509Certificate() && socket.getX509Certificate().subject,
    remote: at.addresses && [socket.remoteAddress, socket.remoteFamily, typeof socket.localPort],
  }, null, 1));
}

(async () => {
  const common = { ca, host, servername: 'localhost' };
  for (const [label, options] of Object.entries({
    plain: { port: ports.greet },
    chained: { port: ports.chained },
    asking: { port: ports.asking, ...client },
    alpn: { port: ports.alpn, ALPNProtocols: ['x/1', 'http/1.1'] },
    'alpn on the wire': { port: ports.alpn, ALPNProtocols: Buffer.from('\x02h2') },
    'no alpn': { port: ports.greet, ALPNProtocols: ['h2'] },
    unverified: { port: ports.greet, ca: [], rejectUnauthorized: false },
    'wrong name, unverified': { port: ports.wrongName, rejectUnauthorized: false },
    'TLS 1.2': { port: ports.greet, maxVersion: 'TLSv1.2', ciphers: 'ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES128-GCM-SHA256' },
    'old name': { port: ports.greet, secureProtocol: 'TLSv1_2_method', ciphers: 'ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES128-GCM-SHA256' },
  })) {
    const socket = tls.connect({ ...common, ...options }, () => {
      facts(label, socket);
    });
    socket.once('data', () => socket.end());
    console.log(label, 'before', socket.connecting, socket.encrypted, socket.authorized, socket.alpnProtocol);
    await follow(label, socket);
    console.log(label, 'after', socket.getPeerCertificate(), socket.getCipher(), socket.getProtocol(), socket.authorized);
  }
})();
