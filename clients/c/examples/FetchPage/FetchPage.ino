// Fetches a page through the proxy and prints it: ESP32, or another board with a WiFiClientSecure.
//
// Put your network, your proxy and your token into secrets.h, beside this file:
//
//     #define WIFI_NAME "..."
//     #define WIFI_PASSWORD "..."
//     #define PROXY_HOST "proxy.example"
//     #define PROXY_PORT 7443
//     #define PROXY_TOKEN "..."
//     #define PROXY_CA "-----BEGIN CERTIFICATE-----\n...\n-----END CERTIFICATE-----\n"

#include <WiFi.h>
#include <WiFiClientSecure.h>
#include <streamplex.h>

#include "secrets.h"

static const char *HOST = "example.com";
static const char *REQUEST = "GET / HTTP/1.0\r\nHost: example.com\r\nConnection: close\r\n\r\n";
static const uint32_t WINDOW_BYTES = 4096;
static const unsigned long PING_AFTER_MS = 30000;   // of silence
static const unsigned long GIVE_UP_AFTER_MS = 45000;

static WiFiClientSecure proxy;
static spx_tunnel tunnel;
static spx_stream streams[8];
static uint8_t output[1024];
static unsigned long heardAt;
static bool pinged;

// The proxy does TLS with the site; the board does TLS with the proxy alone.
static void ask() {
  int32_t stream = spx_connect(&tunnel, SPX_TLS, HOST, 443);
  if (stream > 0)
    spx_send(&tunnel, stream, (const uint8_t *)REQUEST, strlen(REQUEST));
}

static void onEvent(void *, const spx_event *event) {
  switch (event->kind) {
    case SPX_ACCEPTED:
      ask();
      break;
    case SPX_DATA:
      Serial.write(event->data, event->size);
      spx_consumed(&tunnel, event->stream, event->size);
      break;
    case SPX_FAILED:
      Serial.printf("%s: %s\n", HOST, event->text);
      break;
    case SPX_REFUSED:
      Serial.printf("the proxy refused the token: %s\n", event->text);
      proxy.stop();
      break;
    case SPX_FAULT:
      Serial.printf("the proxy broke the protocol: %s\n", event->text);
      proxy.stop();
      break;
    case SPX_CLOSED:
      Serial.println("\ndone");
      break;
    default:
      break;
  }
}

static bool connectTunnel() {
  proxy.setCACert(PROXY_CA);
  if (!proxy.connect(PROXY_HOST, PROXY_PORT)) {
    Serial.println("no connection to the proxy");
    return false;
  }
  spx_init(&tunnel, streams, 8, output, sizeof output);
  spx_start(&tunnel, PROXY_TOKEN, NULL, SPX_ALL_FEATURES, WINDOW_BYTES);
  heardAt = millis();
  pinged = false;
  return true;
}

static void sendWaiting() {
  size_t size;
  const uint8_t *bytes = spx_output(&tunnel, &size);
  if (size)
    spx_sent(&tunnel, proxy.write(bytes, size));
}

static void receive() {
  uint8_t bytes[512];
  int size = proxy.available() ? proxy.read(bytes, sizeof bytes) : 0;
  if (size <= 0)
    return;
  heardAt = millis();
  pinged = false;
  spx_receive_all(&tunnel, bytes, size, onEvent, NULL);
}

// A tunnel whose proxy is gone without a word is found by a ping without an answer.
static void watchSilence() {
  unsigned long silence = millis() - heardAt;
  if (silence > GIVE_UP_AFTER_MS)
    proxy.stop();
  else if (silence > PING_AFTER_MS && !pinged)
    pinged = spx_ping(&tunnel) == 0;
}

void setup() {
  Serial.begin(115200);
  WiFi.begin(WIFI_NAME, WIFI_PASSWORD);
  while (WiFi.status() != WL_CONNECTED)
    delay(200);
}

void loop() {
  if (!proxy.connected()) {
    delay(random(5000, 10000));  // not all boards of a site at once
    connectTunnel();
    return;
  }
  receive();
  watchSilence();
  sendWaiting();
}
