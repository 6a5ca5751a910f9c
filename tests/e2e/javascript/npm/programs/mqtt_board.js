'use strict';
/** mqtt of the board's time (1.0): subscribes, publishes with two qualities, receives, ends. */

const mqtt = require('mqtt-board');
const at = require('../at');

const client = mqtt.connect(at('mqtt'));
const received = [];

client.on('connect', () => {
  client.subscribe('board/#', { qos: 1 }, () => {
    client.publish('board/led', 'on', { qos: 0 });
    client.publish('board/led', 'off', { qos: 1 });
  });
});
client.on('message', (topic, payload) => {
  received.push(`${topic}=${payload}`);
  if (received.length === 2) client.end();
});
client.on('close', () => console.log(`mqtt 1.0: ${received.sort().join(' ')}`));
