'use strict';

/** Does what docs/javascript-modules.md says is refused; prints the error's code of each call as JSON. */

const childProcess = require('child_process');
const cluster = require('cluster');
const dgram = require('dgram');
const dns = require('dns');
const net = require('net');
const { Worker } = require('worker_threads');

const NAME = 'example.com';
const IN_WORKER = `
  const { parentPort } = require('worker_threads');
  require('net').connect(9, '127.0.0.1').on('error', ({ code }) => parentPort.postMessage(code));
`;

/** Node's promise of a look-up, which is of a known name. */
function ask(kind) {
  return () => dns.promises[kind](NAME);
}

const calls = {
  'child_process.spawn': () => childProcess.spawn('true'),
  'child_process.exec': () => childProcess.exec('true'),
  'child_process.fork': () => childProcess.fork(__filename),
  'child_process.execSync': () => childProcess.execSync('true'),
  'cluster.fork': () => cluster.fork(),
  'process.execve': () => (process.execve || childProcess.execSync)('/bin/true', ['true'], {}), // since Node 22.15
  'net.connect in a worker thread': () => new Promise((_, reject) => {
    new Worker(IN_WORKER, { eval: true }).on('message', (code) => reject(Object.assign(new Error(), { code })));
  }),
  'net.connect to a path': () => net.connect('/tmp/socket'),
  'server.listen at a path': () => net.createServer().listen('/tmp/socket'),
  'dns.reverse': () => dns.promises.reverse('127.0.0.1'),
  'dns.lookupService': () => dns.promises.lookupService('127.0.0.1', 80),
  'dns.setServers': () => dns.setServers(['127.0.0.1']),
};
Object.assign(calls, {
  'dgram.createSocket for udp6': () => dgram.createSocket('udp6'),
  'socket.bind to a descriptor': () => dgram.createSocket('udp4').bind({ fd: 3 }),
  'socket.addSourceSpecificMembership': () =>
    dgram.createSocket('udp4').addSourceSpecificMembership('192.0.2.1', '239.1.2.3'),
  'socket.dropSourceSpecificMembership': () =>
    dgram.createSocket('udp4').dropSourceSpecificMembership('192.0.2.1', '239.1.2.3'),
});
for (const name of ['getRecvBufferSize', 'getSendBufferSize', 'setRecvBufferSize', 'setSendBufferSize']) {
  calls[`socket.${name}`] = () => dgram.createSocket('udp4')[name](5000);
}
for (const kind of ['Any', 'Cname', 'Mx', 'Ns', 'Ptr', 'Soa', 'Srv', 'Txt']) {
  calls[`dns.resolve${kind}`] = ask(`resolve${kind}`);
}

async function codeOf(call) {
  try {
    await call();
    return null;
  } catch (error) {
    return error.code;
  }
}

async function main() {
  const codes = {};
  for (const [name, call] of Object.entries(calls)) codes[name] = await codeOf(call);
  console.log(JSON.stringify(codes));
}

main();
