'use strict';

// An MQTT client with the npm module mqtt: publish a reading, and print what the broker delivers.
//
//     (cd examples/npm && npm ci)
//     tessel run examples/npm/mqtt.js mqtt://HOST:PORT [TOPIC]
//
// The program subscribes to its own topic, so the broker delivers the reading back to it.

const mqtt = require('mqtt');

const [url, topic = 'device/temperature'] = process.argv.slice(2);
if (url === undefined) {
  console.error('usage: tessel run examples/npm/mqtt.js mqtt://HOST:PORT [TOPIC]');
  process.exit(2);
}

// Without reconnectPeriod: 0, the module tries again for ever.
const client = mqtt.connect(url, { reconnectPeriod: 0 });
client.on('connect', () => {
  client.subscribe(topic, { qos: 1 }, (error) => {
    if (error) throw error;
    client.publish(topic, '21.5', { qos: 1 });
  });
});
client.on('message', (where, reading) => {
  console.log(`${where}: ${reading}`);
  client.end();
});
client.on('error', (error) => { throw error; });
