#define WIFI_NAME "n"
#define WIFI_PASSWORD "p"
#define PROXY_HOST "localhost"
#define PROXY_PORT 7443
#define PROXY_TOKEN "t"
#define PROXY_CA "c"
