// The sample of the original pull request: ask a site for the address that it sees.
//
//     tessel run --env PROXY_HOST=proxy.example.com examples/ipcalf.js [URL]
//
// Through the tunnel, the site sees the proxy's address; directly, the device's own. To try it without
// a proxy, unset the token. It is written as for a board, and runs there as well.
//
//     tessel run --env TM_API_KEY= examples/ipcalf.js [URL]

// The settings are read at the first connection, so a program may set them itself.
// Put your own API key here, or in the environment, which overrides it.
if (!('TM_API_KEY' in process.env)) process.env.TM_API_KEY = 'YOUR-API-KEY';

// Without a listener for `error`, an error ends the program with its text and exit code 1.
require('http').get(process.argv[2] || 'http://ipcalf.com/?format=text', function (response) {
  response.setEncoding('utf8'); // chunks are text instead of bytes
  response.on('data', function (text) { process.stdout.write(text); });
});
