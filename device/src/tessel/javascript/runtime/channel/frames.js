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

/** Bytes that one read of the channel returns at most: the size of the system's buffer. */
const READ_BYTES = 256 * 1024;

/** The device has sent what the channel's rules do not allow. */
class ChannelError extends Error {}

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
  if (data.length > MAX_DATA_BYTES) {
    throw new RangeError(`a call with ${data.length} bytes to the device; allowed: ${MAX_DATA_BYTES}`);
  }
  const length = Buffer.allocUnsafe(4);
  length.writeUInt32BE(text.length);
  const nbytes = 4 + text.length + data.length;
  return Buffer.concat([header(nbytes, KIND.MESSAGE, id), length, text, data]);
}

/** Return the parts of the DATA frames that carry `bytes`, in order: headers and pieces. */
function encodeData(id, bytes) {
  const parts = [];
  for (let start = 0; start < bytes.length; start += MAX_DATA_BYTES) {
    const piece = bytes.length <= MAX_DATA_BYTES ? bytes : bytes.subarray(start, start + MAX_DATA_BYTES);
    parts.push(header(piece.length, KIND.DATA, id), piece);
  }
  return parts;
}

function encodeCredit(id, nbytes) {
  const frame = Buffer.allocUnsafe(HEADER_BYTES + 4);
  header(4, KIND.CREDIT, id).copy(frame);
  frame.writeUInt32BE(nbytes, HEADER_BYTES);
  return frame;
}

/**
 * Takes the frames out of a stream of bytes.
 *
 * The reader has the memory that the channel is read into, so that bytes are not copied to complete
 * a frame. What `next` returns is valid until the next call of `space`.
 */
class FrameReader {
  constructor() {
    this._buffer = Buffer.allocUnsafeSlow(READ_BYTES);
    this._start = 0; // of the frames that are not taken yet
    this._end = 0; // of the bytes that were read
  }

  /** Return the memory for the next bytes. */
  space() {
    const waiting = this._end - this._start;
    if (this._start > 0) {
      this._buffer.copyWithin(0, this._start, this._end);
      [this._start, this._end] = [0, waiting];
    }
    // A frame with much JSON needs a larger buffer, for as long as it is not complete.
    const needed = waiting < 4 ? READ_BYTES : Math.max(READ_BYTES, 4 + this._length());
    if (this._buffer.length !== needed) this._resize(needed);
    return this._buffer.subarray(this._end);
  }

  /** Take `nbytes` bytes that were read into `memory`, which `space` has returned. */
  filled(nbytes, memory) {
    if (memory.buffer === this._buffer.buffer) this._end += nbytes;
    else this._append(memory.subarray(0, nbytes));
  }

  /** Leave the memory that `space` has returned last: the next bytes may be read into it once more. */
  leaveMemory() {
    this._resize(this._buffer.length);
  }

  /** Return the next frame, undefined if it is not complete. Throws a ChannelError for a wrong one. */
  next() {
    const available = this._end - this._start;
    if (available < HEADER_BYTES) return undefined;
    const length = this._length();
    if (length < OVERHEAD || length > MAX_LENGTH) {
      throw new ChannelError(`a frame of ${length} bytes; allowed: ${OVERHEAD} to ${MAX_LENGTH}`);
    }
    if (available < 4 + length) return undefined;
    const start = this._start;
    this._start += 4 + length;
    return decoded(
      this._buffer[start + 4],
      this._buffer.readUInt32BE(start + 5),
      this._buffer.subarray(start + HEADER_BYTES, this._start),
    );
  }

  _length() {
    return this._buffer.readUInt32BE(this._start);
  }

  _append(bytes) {
    if (this._buffer.length - this._end < bytes.length) this._resize(this._end + bytes.length);
    bytes.copy(this._buffer, this._end);
    this._end += bytes.length;
  }

  _resize(nbytes) {
    const buffer = Buffer.allocUnsafeSlow(nbytes);
    this._buffer.copy(buffer, 0, 0, this._end);
    this._buffer = buffer;
  }
}

function decoded(kind, id, body) {
  if (kind === KIND.DATA && body.length <= MAX_DATA_BYTES) return { kind, id, bytes: body };
  if (kind === KIND.CREDIT && body.length === 4) return { kind, id, nbytes: body.readUInt32BE(0) };
  if (kind === KIND.JSON) return { kind, id, fields: fieldsOf(body), data: undefined };
  if (kind !== KIND.MESSAGE || body.length < 4) {
    throw new ChannelError(`a frame of kind ${kind} with ${body.length} bytes`);
  }
  const end = 4 + body.readUInt32BE(0);
  if (end > body.length) throw new ChannelError(`a message whose JSON ends at byte ${end} of ${body.length}`);
  // A copy: a program may keep the bytes, and the reader's memory is used again.
  return { kind, id, fields: fieldsOf(body.subarray(4, end)), data: Buffer.from(body.subarray(end)) };
}

function fieldsOf(text) {
  if (text.length > MAX_JSON_BYTES) {
    throw new ChannelError(`JSON of ${text.length} bytes; allowed: up to ${MAX_JSON_BYTES}`);
  }
  const fields = parsed(text);
  if (typeof fields !== 'object' || fields === null || Array.isArray(fields)) {
    throw new ChannelError(`JSON that is no object: ${text.subarray(0, 40)}`);
  }
  return fields;
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new ChannelError(`a text that is not JSON: ${error.message}`);
  }
}

module.exports = {
  ChannelError, FrameReader, KIND, MAX_DATA_BYTES, MAX_JSON_BYTES, READ_BYTES, encodeCredit, encodeData,
  encodeMessage,
};
