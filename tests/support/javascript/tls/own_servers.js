'use strict';

// TLS and HTTPS servers of the program: names, client certificates, protocols, and errors.

const { once } = require('events');
const https = require('https');
const tls = require('tls');
const { ca, follow, read } = require('./at');

const own = { key: read('server.key'), cert: read('server.pem') };
const client = { cert: read('client.pem'), key: read('client.key') };
const listening = (server) => new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server.address().port)));

(async () => {
  const served = []; // what the server saw, printed after what the client saw
  const server = tls.createServer({ ...own, ca, requestCert: true, rejectUnauthorized: false,
    ALPNProtocols: ['x/2', 'x/1'],
    SNICallback(name, done) {
      served.push(['SNI', name]);
      done(null, name === 'other.example' ? tls.createSecureContext({ key: read('other.key'), cert: read('other.pem') }) : null);
    } }, (socket) => {
    const peer = socket.getPeerCertificate();
    served.push(['server', socket.servername, socket.alpnProtocol, socket.authorized, socket.authorizationError,
      peer.subject && peer.subject.O, socket.remoteAddress, typeof socket.remotePort, socket.localPort === server.address().port,
      socket instanceof tls.TLSSocket, socket.getProtocol()]);
    socket.setNoDelay(true).setKeepAlive(true);
    socket.on('error', (error) => served.push(['error', error.code]));
    socket.on('close', () => server.emit('served'));
    socket.end('hello');
  });
  server.on('tlsClientError', (error, socket) => {
    served.push(['tlsClientError', error.code, socket instanceof tls.TLSSocket]);
    server.emit('served');
  });
  const port = await listening(server);
  for (const [label, options] of Object.entries({
    plain: {},
    client,
    protocols: { ALPNProtocols: ['x/1'] },
    'too old': { maxVersion: 'TLSv1.1', minVersion: 'TLSv1', ciphers: 'DEFAULT@SECLEVEL=0' },
    other: { servername: 'other.example', ca: [ca, read('other-ca.pem')] },
  })) {
    const done = once(server, 'served');
    const socket = tls.connect({ host: '127.0.0.1', port, ca, servername: 'localhost', ...options });
    await Promise.all([follow(label, socket), done]);
    for (const words of served.splice(0)) console.log(...words);
  }
  await new Promise((resolve) => server.close(resolve));

  const site = https.createServer(own, (request, response) => {
    console.log(request.method, request.url, request.socket.encrypted, request.socket.remoteAddress);
    response.end('page');
  });
  const sitePort = await listening(site);
  for (const path of ['/1', '/2']) {
    await new Promise((resolve) => {
      https.get({ host: '127.0.0.1', port: sitePort, path, ca }, (response) => {
        response.on('data', (page) => console.log(String(page)));
        response.on('end', resolve);
      });
    });
  }
  https.globalAgent.destroy();
  await new Promise((resolve) => site.close(resolve));
  console.log('closed');
})();
