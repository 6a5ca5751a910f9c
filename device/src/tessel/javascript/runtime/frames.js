'use strict';

/**
 * The frames of the channel to the device; javascript/frames.py describes them.
 */

const KIND = { JSON: 1, DATA: 2, CREDIT: 3, MESSAGE: 4 };
const MAX_DATA_BYTES = 64 * 1024;
const MAX_JSON_BYTES = 1024 * 1024;
const HEADER_BYTES = 9;
const OVERHEAD = 5; // bytes of kind and object, which the length counts
const MAX_LENGTH = OVERHEAD + 4 + MAX_JSON_BYTES + MAX_DATA_BYTES;

function header(nbytes, kind, id) {
  const head = Buffer.allocUnsafe(HEADER_BYTES);
  head.writeUInt32BE(OVERHEAD + nbytes, 0);
  head[4] = kind;
  head.writeUInt32BE(id, 5);
  return head;
}

/** Return a frame with a call; with bytes if `data` is given. */
function encodeMessage(id, fields, data) {
  const text = Buffer.from(JSON.stringify(fields));
  if (text.length > MAX_JSON_BYTES) {
    throw new RangeError(`a call of ${text.length} bytes to the device; allowed: ${MAX_JSON_BYTES}`);
  }
  if (data === undefined) return Buffer.concat([header(text.length, KIND.JSON, id), text]);
  const length = Buffer.allocUnsafe(4);
  length.writeUInt32BE(text.length);
  const nbytes = 4 + text.length + data.length;
  return Buffer.concat([header(nbytes, KIND.MESSAGE, id), length, text, data]);
}

function encodeCredit(id, nbytes) {
  const frame = Buffer.allocUnsafe(HEADER_BYTES + 4);
  header(4, KIND.CREDIT, id).copy(frame);
  frame.writeUInt32BE(nbytes, HEADER_BYTES);
  return frame;
}

/** Takes the frames out of a stream of bytes and passes them to a receiver. */
class FrameReader {
  /** `receiver` has the methods `message(id, fields, data)`, `data(id, bytes)`, `credit(id, n)`. */
  constructor(receiver) {
    this._receiver = receiver;
    this._parts = []; // of a frame that is not complete
    this._waiting = 0; // their bytes
    this._needed = HEADER_BYTES;
  }

  /** Take the next bytes. Throws an Error if they are no frames. */
  feed(chunk) {
    if (this._waiting > 0) {
      this._parts.push(chunk);
      this._waiting += chunk.length;
      if (this._waiting < this._needed) return;
      chunk = Buffer.concat(this._parts, this._waiting);
    }
    const rest = this._take(chunk);
    this._parts = rest.length > 0 ? [rest] : [];
    this._waiting = rest.length;
  }

  _take(buffer) {
    let start = 0;
    for (;;) {
      this._needed = HEADER_BYTES;
      if (buffer.length - start < HEADER_BYTES) break;
      const length = buffer.readUInt32BE(start);
      if (length < OVERHEAD || length > MAX_LENGTH) {
        throw new Error(`a frame of ${length} bytes; allowed: ${OVERHEAD} to ${MAX_LENGTH}`);
      }
      this._needed = 4 + length;
      if (buffer.length - start < this._needed) break;
      const body = buffer.subarray(start + HEADER_BYTES, start + this._needed);
      const kind = buffer[start + 4];
      const id = buffer.readUInt32BE(start + 5);
      start += this._needed;
      this._pass(kind, id, body);
    }
    return start === 0 ? buffer : buffer.subarray(start);
  }

  _pass(kind, id, body) {
    if (kind === KIND.DATA) {
      this._receiver.data(id, body);
    } else if (kind === KIND.CREDIT && body.length === 4) {
      this._receiver.credit(id, body.readUInt32BE(0));
    } else if (kind === KIND.JSON) {
      this._receiver.message(id, JSON.parse(body), undefined);
    } else if (kind === KIND.MESSAGE && body.length >= 4) {
      const end = 4 + body.readUInt32BE(0);
      this._receiver.message(id, JSON.parse(body.subarray(4, end)), body.subarray(end));
    } else {
      throw new Error(`a frame of kind ${kind} with ${body.length} bytes`);
    }
  }
}

module.exports = {
  FrameReader, KIND, MAX_DATA_BYTES, encodeCredit, encodeMessage, header,
};
