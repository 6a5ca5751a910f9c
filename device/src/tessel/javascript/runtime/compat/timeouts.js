'use strict';

const http = require('http');
const net = require('net');
const { replaceFunction } = require('./define');

/** Lets setTimeout of sockets and requests take a number as text, such as from process.env. */
function installTimeouts() {
  for (const type of [net.Socket, http.ClientRequest]) {
    replaceFunction(ownerOf(type.prototype, 'setTimeout'), 'setTimeout', withAnyTime);
  }
}

/** Returns the object of a chain of prototypes that has a member. */
function ownerOf(object, name) {
  return Object.hasOwn(object, name) ? object : ownerOf(Object.getPrototypeOf(object), name);
}

/** In Node 0.10, a value that is not a positive number switched the timeout off. */
function withAnyTime(original) {
  return function (timeMs, callback) {
    const isNumber = typeof timeMs === 'number';
    return original.call(this, isNumber ? timeMs : Math.max(Number(timeMs) || 0, 0), callback);
  };
}

module.exports = { installTimeouts };
