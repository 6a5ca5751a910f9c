'use strict';

// Every form of the arguments of tls.connect.

const tls = require('tls');
const { ca, follow, host, ports } = require('./at');

const options = { ca, servername: 'localhost' };
const port = ports.greet;

(async () => {
  const forms = {
    'port, host, options, callback': (done) => tls.connect(port, host, options, done),
    'port, options, callback': (done) => tls.connect(port, { ...options, host }, done),
    'options, callback': (done) => tls.connect({ ...options, host, port }, done),
    'port as text': (done) => tls.connect(String(port), host, options, done),
    'port, host, options': (done) => tls.connect(port, host, options).once('secureConnect', done),
    'URL-like options': (done) => tls.connect({ ...options, hostname: 'ignored', host, port: `${port}` }, done),
  };
  for (const [label, form] of Object.entries(forms)) {
    const socket = form(function called() {
      console.log(label, 'this', this === socket, socket instanceof tls.TLSSocket);
      socket.end('bye');
    });
    await follow(label, socket);
  }
  for (const wrong of [
    () => tls.connect({ port: 70000, host }),
    () => tls.connect({ port, host, ca: 5 }),
    () => tls.connect({ port, host, checkServerIdentity: 5 }),
    () => tls.connect({ port, host, minVersion: 'TLSv9' }),
    () => tls.connect({ port, host, secureProtocol: 'TLS_method', minVersion: 'TLSv1.2' }),
    () => tls.connect({ port, host, secureProtocol: 'SSLv3_method' }),
    () => tls.connect({ port, host, ciphers: 'nonsense' }),
    () => tls.connect({ port, host, cert: 'nonsense', key: 'nonsense' }),
    () => tls.connect({ port, host, pfx: Buffer.from('nonsense') }),
    () => tls.connect({ port, host, ALPNProtocols: ['x'.repeat(256)] }),
    () => tls.connect({ port, host, minDHSize: 0 }),
  ]) {
    try {
      wrong().on('error', () => {}).destroy();
      console.log('no error', String(wrong));
    } catch (error) {
      console.log(error.name, error.code, error.message.split(". ")[0]);
    }
  }
})();
