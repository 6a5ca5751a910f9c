'use strict';

/**
 * The internal parts of Node that this runtime uses: the class of streams that JavaScript implements,
 * and the symbols by which `net` knows its handles.
 *
 * Node's own `net.Socket` and `net.Server` work over a *handle*. They get ours, so that all else is
 * Node's: arguments, order of events, time-outs, the HTTP parser, TLS over a socket.
 */

const net = require('net');
const { binding } = require('./binding');

const { JSStream } = binding('js_stream');
const {
  WriteWrap, kBytesWritten, kLastWriteWasAsync, streamBaseState,
} = binding('stream_wrap');

/** Return the symbol of an object's property by its description. Throws an Error if there is none. */
function symbolOf(object, description) {
  const found = Object.getOwnPropertySymbols(object).find((one) => one.description === description);
  if (found === undefined) {
    throw new Error(`Node ${process.version} has no ${description}: expected Node 20 or 22`);
  }
  return found;
}

/** Let Node begin to listen with a handle that does nothing, and return the handle. */
function listeningHandle() {
  const handle = { close() {}, listen: () => 0 };
  const server = new net.Server();
  server._handle = handle;
  server._listen2(null, 0, 4, 0);
  server._handle = null; // it does not emit `listening` then
  return handle;
}

const listening = listeningHandle();
const socket = new net.Socket();

module.exports = {
  JSStream,
  WriteWrap,
  /** Called with a status and a handle, as a method of a server's handle: accepts a connection. */
  acceptConnection: listening.onconnection,
  kOwner: symbolOf(listening, 'owner_symbol'), // handle -> its socket or server
  kReinitializeHandle: symbolOf(net.Socket.prototype, 'kReinitializeHandle'),
  kSetKeepAlive: symbolOf(socket, 'kSetKeepAlive'),
  kSetNoDelay: symbolOf(socket, 'kSetNoDelay'),
  kTimeout: symbolOf(socket, 'timeout'),
  symbolOf,
  /** Say how a write went, as Node's own handles do: its bytes, and whether it is done. */
  reportWrite(nbytes, isDone) {
    streamBaseState[kBytesWritten] = nbytes;
    streamBaseState[kLastWriteWasAsync] = isDone ? 0 : 1;
  },
  /** Return whether the last write of a handle waits for its `oncomplete`. */
  lastWriteWaits: () => streamBaseState[kLastWriteWasAsync] !== 0,
};
