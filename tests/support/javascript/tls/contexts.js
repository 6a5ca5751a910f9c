'use strict';

// Contexts that the program changes by methods of Node's inside, as modules for authorities do.

const tls = require('tls');
const { ca, follow, host, ports, read } = require('./at');

const changes = {
  addCACert: (context) => context.addCACert(ca),
  'addCACert, of another authority': (context) => context.addCACert(read('other-ca.pem')),
  setMinProto: (context) => {
    context.addCACert(ca);
    context.setMaxProto(0x303);
  },
  setCert: (context) => {
    context.addCACert(ca);
    context.setCert(read('client.pem'));
    context.setKey(read('client.key'));
  },
};

(async () => {
  for (const [label, change] of Object.entries(changes)) {
    const secureContext = tls.createSecureContext();
    change(secureContext.context);
    const port = label === 'setCert' ? ports.asking : ports.greet;
    const socket = tls.connect({ host, port, servername: 'localhost', secureContext });
    socket.on('secureConnect', () => console.log(label, socket.getProtocol()));
    socket.once('data', () => socket.end());
    await follow(label, socket, ['connect', 'ready']);
  }
})();
