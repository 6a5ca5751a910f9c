'use strict';

// The errors of attempts that fail, with their members.

const http = require('http');
const net = require('net');
const { follow, host, ports, shown } = require('./at');

(async () => {
  await follow('refused', net.connect(ports.closed, host));
  const unknown = net.connect(80, 'does-not-exist.invalid');
  unknown.on('lookup', (error, address, family, name) => console.log('lookup', shown(error), address, name));
  await follow('unknown', unknown);
  await new Promise((resolve) => {
    http.get({ host: 'does-not-exist.invalid' }).on('error', (error) => console.log('http', shown(error))).on('close', resolve);
  });
  const late = net.connect(ports.closed, host);
  late.end('x');
  await follow('late', late);
})();
