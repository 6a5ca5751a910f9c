'use strict';

// The program's own check of the name: nothing is sent to a peer that it refuses.

const tls = require('tls');
const { ca, follow, host, ports } = require('./at');

const common = { ca, host, port: ports.wrongName, servername: 'localhost' };

(async () => {
  const seen = [];
  const written = [];
  for (const [label, options] of Object.entries({
    accepts: { checkServerIdentity: (name, cert) => { seen.push([name, cert.subject.O, Boolean(cert.issuerCertificate)]); } },
    refuses: { checkServerIdentity: () => new Error('not this one') },
    'refuses with a code': { checkServerIdentity: () => Object.assign(new Error('not this one'), { code: 'MINE' }) },
    'refuses, unverified': { checkServerIdentity: () => new Error('not this one'), rejectUnauthorized: false },
    'chain first': { ca: [], checkServerIdentity: () => { throw new Error('asked in vain'); } },
    'by default': { checkServerIdentity: tls.checkServerIdentity },
  })) {
    const socket = tls.connect({ ...common, ...options }, () => socket.end());
    socket.write('early', (error) => written.push(!error));
    await follow(label, socket);
    console.log(label, socket.authorized, socket.authorizationError, JSON.stringify(seen.splice(0)), written.splice(0));
  }
  tls.checkServerIdentity = (name) => { console.log('replaced', name); };
  const socket = tls.connect(common, () => socket.end());
  await follow('replaced', socket);
})();
