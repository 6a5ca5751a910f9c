'use strict';
/** mqtt of today (5.x): subscribes, publishes, receives, by TCP and by TLS. */

const assert = require('assert');
const mqtt = require('mqtt');
const at = require('../at');

/** Returns the message that came back on a topic of the broker. */
async function returned(url, text) {
  const client = await mqtt.connectAsync(url, { connectTimeout: 10000, reconnectPeriod: 0 });
  const message = new Promise((resolve) => {
    client.once('message', (topic, payload) => resolve(`${topic} ${payload}`));
  });
  await client.subscribeAsync('today/+', { qos: 1 });
  await client.publishAsync('today/lamp', text, { qos: 1 });
  const received = await message;
  await client.endAsync();
  return received;
}

async function main() {
  assert.strictEqual(await returned(at('mqtt'), 'on'), 'today/lamp on');
  assert.strictEqual(await returned(at('mqtts'), 'off'), 'today/lamp off');
  console.log('mqtt: received by TCP and by TLS');
}

main();
