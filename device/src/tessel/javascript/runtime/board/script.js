'use strict';

const { BoardError } = require('./errors');
const { GrammarError, KINDS, subjectOf } = require('./grammar');

/** Faults that are shown of one file. More of them rarely help. */
const MAX_SHOWN_FAULTS = 10;

/** The longest time that one of Node's timers can wait. */
const MAX_TIME_S = (2 ** 31 - 1) / 1000;

/**
 * Reads an input script: lines `TIME SUBJECT VERB [VALUE]`, empty lines, and comments from # on.
 *
 * @param {string} text the script
 * @param {string} name the file's name, for faults
 * @returns {Array<{timeMs, name, kind, port, address, verb, value, text}>} in the order of time
 * @throws {BoardError} with all faults
 */
function parseScript(text, name) {
  const entries = [];
  const faults = [];
  text.split(/\r?\n/).forEach((line, index) => {
    try {
      const entry = parseLine(line, entries.at(-1)?.timeMs ?? 0);
      if (entry !== null) entries.push(entry);
    } catch (error) {
      if (!(error instanceof GrammarError)) throw error;
      faults.push(`${name}:${index + 1}: ${error.message}`);
    }
  });
  if (faults.length > MAX_SHOWN_FAULTS) {
    const left = faults.length - MAX_SHOWN_FAULTS;
    faults.splice(MAX_SHOWN_FAULTS, left, `${name}: ${left} more lines are wrong`);
  }
  if (faults.length > 0) throw new BoardError(faults);
  return entries;
}

function parseLine(line, previousMs) {
  const tokens = tokensOf(line);
  if (tokens.length === 0) return null;
  const [time, name, verb, ...values] = tokens.map((token) => token.text);
  const timeMs = timeOf(time, previousMs);
  if (name === undefined) throw new GrammarError('', 'a subject after the time, such as button');
  const subject = subjectOf(name);
  const verbs = KINDS[subject.kind];
  if (verb === undefined || !Object.hasOwn(verbs, verb)) {
    throw new GrammarError(verb ?? '', `${Object.keys(verbs).join(', ')} after ${name}`);
  }
  const rest = line.slice(tokens[2].end).trim();
  const value = verbs[verb](values, rest);
  return { ...subject, timeMs, name, verb, value, text: [verb, ...values].join(' ') };
}

/** Splits a line at spaces, except inside of double quotes, and drops a comment. */
function tokensOf(line) {
  const tokens = [];
  for (const match of line.matchAll(/"(?:[^"\\]|\\.)*"|\S+/g)) {
    if (match[0].startsWith('#')) break;
    tokens.push({ text: match[0], end: match.index + match[0].length });
  }
  return tokens;
}

/** Returns milliseconds: `1.5` since the start, `+0.5` since the line before. */
function timeOf(text, previousMs) {
  const match = /^(\+?)(\d+(?:\.\d+)?)$/.exec(text);
  const seconds = match ? Number(match[2]) : NaN;
  const timeMs = seconds * 1000 + (match?.[1] ? previousMs : 0);
  if (!(timeMs <= MAX_TIME_S * 1000)) {
    throw new GrammarError(text, 'seconds since the start such as 1.5, or +0.5 after the line before');
  }
  if (timeMs < previousMs) {
    throw new GrammarError(text, `${previousMs / 1000} or later: times may not go back`);
  }
  return timeMs;
}

module.exports = { parseScript };
