'use strict';

const net = require('net');
const querystring = require('querystring');
const url = require('url');
const { replaceFunction } = require('./define');

/**
 * Gives parsed queries the methods of objects, such as hasOwnProperty, which today's Node leaves
 * out, and servers the count `connections`.
 */
function installQueries() {
  const withMethods = (original) =>
    function (...values) {
      return plain(original.apply(this, values));
    };
  replaceFunction(querystring, 'parse', withMethods);
  querystring.decode = querystring.parse;
  replaceFunction(url.Url.prototype, 'parse', (parse) => function (...values) {
    const result = parse.apply(this, values);
    plain(this.query);
    return result;
  });
  if ('connections' in net.Server.prototype) return;
  Object.defineProperty(net.Server.prototype, 'connections', {
    get() {
      return this._connections;
    },
    configurable: true,
  });
}

function plain(query) {
  const hasNoMethods =
    typeof query === 'object' && query !== null && Object.getPrototypeOf(query) === null;
  return hasNoMethods ? Object.setPrototypeOf(query, Object.prototype) : query;
}

module.exports = { installQueries };
