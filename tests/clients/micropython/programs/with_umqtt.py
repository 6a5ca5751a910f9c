"""A program that publishes and subscribes with `umqtt.simple`."""

import sys

import tunneled  # noqa: F401
from umqtt.simple import MQTTClient

client = MQTTClient("board", sys.argv[1], int(sys.argv[2]), keepalive=30)
client.set_callback(lambda topic, message: print(topic, message))
client.connect()
client.subscribe(b"lamp")
client.publish(b"lamp", b"on", qos=1)
client.wait_msg()
client.check_msg()
client.disconnect()
