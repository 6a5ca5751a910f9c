'use strict';

/** get_with_options.js URL JSON: prints what the https page holds, asked for with these options. */

const https = require('https');

const [url, options] = process.argv.slice(2);
https.get(url, JSON.parse(options), (response) => {
  response.setEncoding('utf8');
  response.on('data', (text) => process.stdout.write(text));
});
