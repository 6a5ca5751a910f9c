'use strict';

const { Readable } = require('stream');
const { replaceFunction } = require('./define');

/**
 * Lets `push(undefined)` end a stream of bytes, as `push(null)` does: `this.push(list.shift())` did
 * so in Node 0.10. Today's Node waits for ever then.
 */
function installStreams() {
  replaceFunction(Readable.prototype, 'push', (push) => function (chunk, encoding) {
    const isEnd = chunk === undefined && !this.readableObjectMode;
    return push.call(this, isEnd ? null : chunk, encoding);
  });
}

module.exports = { installStreams };
