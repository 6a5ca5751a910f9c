'use strict';

/** Servers: `listen` opens a port of the device. Node's own `net.Server` does all else. */

const { errorOf } = require('./errors');
const { here } = require('./place');

const kPlace = Symbol('place'); // the program's line that opened a server

/** An open port, in place of Node's handle of a server. */
class Port {
  constructor(channel, server, accept) {
    this._channel = channel;
    this._server = server;
    this._accept = accept;
    this._address = null;
    this._closed = null;
    this._held = false;
    this.id = channel.add(this);
    this.ref();
  }

  listen(host, port, backlog) {
    this._channel.sendEnvironment();
    this._channel.call(this.id, { op: 'listen', host, port, backlog, at: this._server[kPlace] });
  }

  onEvent(fields, data) {
    this[fields.event](fields, data);
  }

  listening(fields) {
    this._address = fields.address;
    this._server.emit('listening');
  }

  failed(fields) {
    this._end();
    this._server._handle = null;
    this._server.emit('error', errorOf(fields.error));
  }

  lost(fields) {
    this._server.emit('error', errorOf(fields.error));
    this._server.close();
  }

  closed() {
    this._end();
    if (this._closed !== null) this._closed();
  }

  connection(fields) {
    this._channel.sendCredit(this.id, 1);
    this._accept(this._server, fields);
  }

  _end() {
    this._channel.remove(this.id);
    this.unref();
  }

  // Node's interface of a handle.

  getsockname(out) {
    Object.assign(out, this._address || {});
    return 0;
  }

  close(callback) {
    this._closed = callback || null;
    this._channel.call(this.id, { op: 'close' });
  }

  ref() {
    if (this._held) return;
    this._held = true;
    this._channel.hold();
  }

  unref() {
    if (!this._held) return;
    this._held = false;
    this._channel.release();
  }

  hasRef() {
    return this._held;
  }
}

/** Return the function that replaces `net.Server.prototype._listen2`. */
function makeListener(channel, makeSocket) {
  function accept(server, fields) {
    const options = {
      allowHalfOpen: server.allowHalfOpen,
      pauseOnCreate: server.pauseOnConnect,
      readable: true,
      writable: true,
    };
    const socket = makeSocket(options, fields.id, fields);
    if (server.maxConnections && server._connections >= server.maxConnections) {
      const { local, remote } = fields;
      socket.destroy();
      server.emit('drop', {
        localAddress: local.address, localPort: local.port, localFamily: local.family,
        remoteAddress: remote.address, remotePort: remote.port, remoteFamily: remote.family,
      });
      return;
    }
    server._connections += 1;
    socket.server = server;
    socket._server = server;
    if (server.noDelay) socket.setNoDelay(true);
    if (server.keepAlive) socket.setKeepAlive(true, server.keepAliveInitialDelay);
    if (server.pauseOnConnect) socket.pause();
    else socket.read(0);
    server.emit('connection', socket);
  }

  return function listen2(address, port, addressType, backlog, fd) {
    if (port === -1 || port === undefined || fd >= 0) {
      throw new Error('A device has no UNIX sockets and no inherited ports: expected a port');
    }
    this._handle = new Port(channel, this, accept);
    if (this._unref) this.unref();
    this._handle.listen(address || '', port, backlog || 0);
  };
}

/** Return the function that replaces `net.Server.prototype.listen`: it notes the program's line. */
function notingPlace(listen) {
  return function listenFromPlace(...args) {
    this[kPlace] = here();
    return listen.apply(this, args);
  };
}

module.exports = { makeListener, notingPlace };
