/* Fetches a page through the proxy and prints it.
 *
 *     PROXY_HOST=proxy.example PROXY_PORT=7443 PROXY_TOKEN=... PROXY_CA=ca.pem ./fetch example.com /
 *
 * PROXY_CA is the file with the certificate of the proxy's authority. A third argument is the site's
 * port (443).
 * The proxy does TLS with the site (SPX_TLS), so that this program needs TLS only for the tunnel. */
#include "streamplex.h"
#include "tls.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TIMEOUT_MS 20000
#define WINDOW_BYTES 4096
#define OUTPUT_BYTES 1024
#define READ_BYTES 1024

typedef struct fetch {
    spx_tunnel tunnel;
    spx_stream streams[1];
    uint8_t output[OUTPUT_BYTES];
    tls_connection *tls;
    const char *host, *path;
    uint16_t port, stream;
    int done;
    int exit_code;
} fetch;

static void give_up(fetch *run, const char *what, const char *why)
{
    fprintf(stderr, "%s: %s\n", what, why);
    run->exit_code = 1;
    run->done = 1;
}

/* The operator's text may be empty; the reason is always known. */
static void refused(fetch *run, const spx_event *event)
{
    static const char *const REASONS[] = {
        "it is wrong", "it was revoked", "it could not be checked", "it could not be confirmed",
        "too many tunnels are open", "too many attempts", "the operator ended the tunnel",
        "the operator refuses it",
    };
    char why[SPX_TEXT_BYTES + 40];
    snprintf(why, sizeof why, "%s%s%s", REASONS[event->reason], *event->text ? ". " : "", event->text);
    give_up(run, "the proxy refused the token", why);
}

/* The whole request fits into the output buffer, and the proxy holds it until it is connected. */
static void ask(fetch *run)
{
    char request[512];
    int size = snprintf(request, sizeof request,
                        "GET %s HTTP/1.0\r\nHost: %s\r\nConnection: close\r\n\r\n", run->path, run->host);
    int32_t stream = spx_connect(&run->tunnel, SPX_TLS, run->host, run->port);
    if (stream < 0 || size >= (int)sizeof request) {
        give_up(run, "open a connection", "the host is empty or too long, or the path is too long");
        return;
    }
    run->stream = (uint16_t)stream;
    if (spx_send(&run->tunnel, run->stream, (const uint8_t *)request, (size_t)size) != size)
        give_up(run, "send the request", "the buffer is too small");
}

static void on_event(void *context, const spx_event *event)
{
    fetch *run = context;
    switch (event->kind) {
    case SPX_ACCEPTED:
        ask(run);
        break;
    case SPX_REFUSED:
        refused(run, event);
        break;
    case SPX_FAULT:
        give_up(run, "the proxy broke the protocol", event->text);
        break;
    case SPX_DATA:
        fwrite(event->data, 1, event->size, stdout);
        spx_consumed(&run->tunnel, event->stream, event->size);
        break;
    case SPX_FAILED:
        give_up(run, run->host, event->text);
        break;
    case SPX_CLOSED:
        run->done = 1;
        break;
    default:
        break;
    }
}

/* Returns 1 if bytes have to wait until the connection can be written. */
static int send_waiting(fetch *run)
{
    size_t size;
    const uint8_t *bytes = spx_output(&run->tunnel, &size);
    int sent = size ? tls_write(run->tls, bytes, size) : 0;
    if (sent > 0)
        spx_sent(&run->tunnel, (size_t)sent);
    else if (sent < 0)
        give_up(run, "the proxy", "closed the tunnel");
    return size && sent == 0;
}

static void serve(fetch *run)
{
    uint8_t bytes[READ_BYTES];
    while (!run->done) {
        int has_to_write = send_waiting(run);
        int size;
        if (run->done)
            break;
        size = tls_read(run->tls, bytes, sizeof bytes);
        if (size > 0)
            spx_receive_all(&run->tunnel, bytes, (size_t)size, on_event, run);
        else if (size < 0)
            give_up(run, "the proxy", "closed the tunnel");
        else if (!tls_wait(run->tls, has_to_write, -1, TIMEOUT_MS))
            give_up(run, "the proxy", "sent nothing for 20 s");
    }
}

static const char *setting(const char *name)
{
    const char *value = getenv(name);
    if (!value || !*value) {
        fprintf(stderr, "%s is not set; see the head of fetch.c\n", name);
        exit(2);
    }
    return value;
}

static uint16_t port_of(const char *text)
{
    char *end;
    long port = strtol(text, &end, 10);
    if (*end || port < 1 || port > 65535) {
        fprintf(stderr, "PORT %s: expected 1 to 65535\n", text);
        exit(2);
    }
    return (uint16_t)port;
}

int main(int count, char **arguments)
{
    static fetch run;
    char why[160];
    if (count < 3 || count > 4) {
        fprintf(stderr, "usage: %s HOST PATH [PORT]\n", arguments[0]);
        return 2;
    }
    run.host = arguments[1];
    run.path = arguments[2];
    run.port = port_of(count == 4 ? arguments[3] : "443");
    run.tls = tls_connect(setting("PROXY_HOST"), setting("PROXY_PORT"), setting("PROXY_CA"), TIMEOUT_MS,
                          why, sizeof why);
    if (!run.tls) {
        fprintf(stderr, "%s\n", why);
        return 1;
    }
    spx_init(&run.tunnel, run.streams, 1, run.output, sizeof run.output);
    if (spx_start(&run.tunnel, setting("PROXY_TOKEN"), NULL, SPX_ALL_FEATURES, WINDOW_BYTES))
        give_up(&run, "PROXY_TOKEN", "longer than the output buffer");
    serve(&run);
    tls_close(run.tls);
    return run.exit_code;
}
