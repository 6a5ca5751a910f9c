'use strict';
/** express: a server on the device, whose one page is fetched from another server. Ends after it. */

const express = require('express');
const http = require('http');
const at = require('../at');

const app = express();

app.get('/relay/:count', (request, response) => {
  http.get(at('http', `/bytes?count=${request.params.count}`), (page) => {
    response.set('x-from', 'express');
    page.pipe(response);
  });
});

const server = app.listen(0, () => console.log(`listening ${server.address().port}`));

app.get('/end', (request, response) => {
  response.set('connection', 'close');
  response.json({ ended: true });
  server.close(() => console.log('express: served and ended'));
});
