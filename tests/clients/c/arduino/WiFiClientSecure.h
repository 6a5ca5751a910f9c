#pragma once
#include "WiFi.h"

struct WiFiClientSecure {
  void setCACert(const char *);
  int connect(const char *, uint16_t);
  uint8_t connected();
  int available();
  int read(uint8_t *, size_t);
  size_t write(const uint8_t *, size_t);
  void stop();
};
