'use strict';

/** remote.js HOST PORT: connects, by TLS if PROXY_TRUSTED is set; prints the remote address. */

const net = require('net');
const tls = require('tls');

const [host, port] = process.argv.slice(2);
const { connect } = 'PROXY_TRUSTED' in process.env ? tls : net;
const socket = connect({ host, port: Number(port) }, () => {
  console.log(socket.remoteAddress, socket.remotePort);
  socket.destroy();
});
