'use strict';

/** stalled.js HOST PORT BYTES: stops reading one download, ends another, and leaves the first. */

const net = require('net');

const ENDLESS = 200_000_000;
const [host, port, nbytes] = process.argv.slice(2);
let received = 0;

const stalled = net.connect(Number(port), host);
stalled.once('data', () => {
  stalled.pause();
  const other = net.connect(Number(port), host);
  other.on('data', (data) => { received += data.length; });
  other.on('end', leave);
  other.write(`${nbytes}\n`);
});
stalled.on('close', (hadError) => console.log('left', hadError ? 'with an error' : 'quietly'));
stalled.write(`${ENDLESS}\n`);

function leave() {
  console.log('the other got', received);
  stalled.destroy();
}
