'use strict';

// Twenty downloads at once, over one tunnel.
//
//     tessel run --env PROXY_HOST=... --env PROXY_TOKEN=... examples/parallel_downloads.js URL
//
// Prints the size and SHA-256 of each, and fails if they differ. Each download has its own socket, but
// all sockets share one connection to the proxy. Without a proxy the fifth socket fails, because the
// simulated chip has only four: ENOENT: Cannot open another socket.

const crypto = require('crypto');
const http = require('http');

const DOWNLOADS = 20;

const url = process.argv[2];
if (process.argv.length !== 3) {
  console.error('usage: tessel run examples/parallel_downloads.js URL');
  process.exit(2);
}
const sums = [];

function download(number) {
  const digest = crypto.createHash('sha256');
  let size = 0;
  http.get(url, (response) => {
    if (response.statusCode !== 200) {
      throw new Error(`download ${number}: ${response.statusCode} ${response.statusMessage}`);
    }
    response.on('data', (bytes) => {
      size += bytes.length;
      digest.update(bytes);
    });
    // `end` comes only if all of it came: a download that was cut is an error instead,
    // and as nobody here listens for errors, one ends the program with exit code 1.
    response.on('end', () => finished(number, `${size} bytes, SHA-256 ${digest.digest('hex')}`));
  });
}

function finished(number, sum) {
  console.log(`download ${String(number).padStart(2)}: ${sum}`);
  sums.push(sum);
  if (sums.length < DOWNLOADS) return;
  if (new Set(sums).size > 1) throw new Error('the downloads differ');
  console.log(`all ${DOWNLOADS} are the same`);
}

for (let number = 1; number <= DOWNLOADS; number += 1) download(number);
