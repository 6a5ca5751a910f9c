'use strict';

/** idle.js URL PAUSE_MS: gets a page, is idle for a while, and gets it again. */

const http = require('http');

const [url, pauseMs] = process.argv.slice(2);

function get(then) {
  // agent: false, or the pooled socket would keep the tunnel in use
  http.get(url, { agent: false }, (response) => {
    response.setEncoding('utf8');
    response.on('data', (text) => process.stdout.write(text));
    response.on('end', then);
  });
}

get(() => setTimeout(() => get(() => {}), Number(pauseMs)));
