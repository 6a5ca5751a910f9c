#include "tls.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <mbedtls/ctr_drbg.h>
#include <mbedtls/entropy.h>
#include <mbedtls/error.h>
#include <mbedtls/net_sockets.h>
#include <mbedtls/ssl.h>
#include <mbedtls/version.h>
#include <mbedtls/x509_crt.h>

#if MBEDTLS_VERSION_MAJOR >= 3 && defined(MBEDTLS_PSA_CRYPTO_C)
#include <psa/crypto.h>
#endif

struct tls_connection {
    mbedtls_net_context net;
    mbedtls_entropy_context entropy;
    mbedtls_ctr_drbg_context random;
    mbedtls_x509_crt authorities;
    mbedtls_ssl_config config;
    mbedtls_ssl_context ssl;
    size_t unfinished; /* bytes of the record that mbedTLS could not send yet; 0: none */
};

static long long now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (long long)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void explain(int code, const char *what, char *why, size_t why_size)
{
    char text[120] = "";
    mbedtls_strerror(code, text, sizeof text);
    snprintf(why, why_size, "%s: %s", what, text);
}

static int wait_for(int fd, short events, int timeout_ms)
{
    struct pollfd each = {fd, events, 0};
    return poll(&each, 1, timeout_ms);
}

/* Connect without blocking for longer than the timeout. Returns the descriptor, or -1. */
static int dial(const char *host, const char *port, int timeout_ms, char *why, size_t why_size)
{
    struct addrinfo hints = {0}, *found, *each;
    int fd = -1, failed = 0, no_delay = 1, wrong;
    socklen_t failed_size = sizeof failed;
    signal(SIGPIPE, SIG_IGN); /* a write to a connection that was reset returns an error instead */
    hints.ai_socktype = SOCK_STREAM;
    wrong = getaddrinfo(host, port, &hints, &found);
    if (wrong) {
        snprintf(why, why_size, "look up %s: %s", host, gai_strerror(wrong));
        return -1;
    }
    for (each = found; each && fd < 0; each = each->ai_next) {
        fd = socket(each->ai_family, each->ai_socktype, each->ai_protocol);
        if (fd < 0) {
            snprintf(why, why_size, "open a socket: %s", strerror(errno));
            continue;
        }
        fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
        if (connect(fd, each->ai_addr, each->ai_addrlen) && errno != EINPROGRESS)
            failed = errno;
        else if (wait_for(fd, POLLOUT, timeout_ms) <= 0)
            failed = ETIMEDOUT;
        else
            getsockopt(fd, SOL_SOCKET, SO_ERROR, &failed, &failed_size);
        if (failed) {
            snprintf(why, why_size, "connect to %s port %s: %s", host, port, strerror(failed));
            close(fd);
            fd = -1;
        }
    }
    freeaddrinfo(found);
    if (fd >= 0) /* each write is a whole message: waiting for more would only delay it */
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &no_delay, sizeof no_delay);
    return fd;
}

static int configure(tls_connection *tls, const char *host)
{
    int wrong = mbedtls_ctr_drbg_seed(&tls->random, mbedtls_entropy_func, &tls->entropy, NULL, 0);
#if MBEDTLS_VERSION_MAJOR >= 3 && defined(MBEDTLS_PSA_CRYPTO_C)
    if (!wrong && psa_crypto_init() != PSA_SUCCESS) /* TLS 1.3 of mbedTLS 3 needs it */
        wrong = MBEDTLS_ERR_SSL_INTERNAL_ERROR;
#endif
    if (!wrong)
        wrong = mbedtls_ssl_config_defaults(&tls->config, MBEDTLS_SSL_IS_CLIENT,
                                            MBEDTLS_SSL_TRANSPORT_STREAM,
                                            MBEDTLS_SSL_PRESET_DEFAULT);
    if (wrong)
        return wrong;
    mbedtls_ssl_conf_authmode(&tls->config, MBEDTLS_SSL_VERIFY_REQUIRED);
    mbedtls_ssl_conf_ca_chain(&tls->config, &tls->authorities, NULL);
    mbedtls_ssl_conf_rng(&tls->config, mbedtls_ctr_drbg_random, &tls->random);
#if MBEDTLS_VERSION_MAJOR < 3
    mbedtls_ssl_conf_min_version(&tls->config, MBEDTLS_SSL_MAJOR_VERSION_3,
                                 MBEDTLS_SSL_MINOR_VERSION_3); /* TLS 1.2 */
#endif
    wrong = mbedtls_ssl_setup(&tls->ssl, &tls->config);
    if (!wrong)
        wrong = mbedtls_ssl_set_hostname(&tls->ssl, host);
    mbedtls_ssl_set_bio(&tls->ssl, &tls->net, mbedtls_net_send, mbedtls_net_recv, NULL);
    return wrong;
}

static int shake_hands(tls_connection *tls, int timeout_ms)
{
    long long end = now_ms() + timeout_ms;
    for (;;) {
        int state = mbedtls_ssl_handshake(&tls->ssl);
        if (state != MBEDTLS_ERR_SSL_WANT_READ && state != MBEDTLS_ERR_SSL_WANT_WRITE)
            return state;
        if (now_ms() >= end)
            return MBEDTLS_ERR_SSL_TIMEOUT;
        tls_wait(tls, state == MBEDTLS_ERR_SSL_WANT_WRITE, -1, (int)(end - now_ms()));
    }
}

tls_connection *tls_connect(const char *host, const char *port, const char *ca_file, int timeout_ms,
                            char *why, size_t why_size)
{
    tls_connection *tls = calloc(1, sizeof *tls);
    const char *step = "allocate memory";
    int wrong = MBEDTLS_ERR_SSL_ALLOC_FAILED;
    if (!tls) {
        explain(wrong, step, why, why_size);
        return NULL;
    }
    mbedtls_entropy_init(&tls->entropy);
    mbedtls_ctr_drbg_init(&tls->random);
    mbedtls_x509_crt_init(&tls->authorities);
    mbedtls_ssl_config_init(&tls->config);
    mbedtls_ssl_init(&tls->ssl);
    tls->net.fd = dial(host, port, timeout_ms, why, why_size);
    if (tls->net.fd >= 0) {
        wrong = mbedtls_x509_crt_parse_file(&tls->authorities, ca_file);
        if (wrong > 0) /* so many certificates of the file could not be read */
            wrong = MBEDTLS_ERR_X509_INVALID_FORMAT;
        step = ca_file;
        if (!wrong) {
            step = "prepare TLS";
            wrong = configure(tls, host);
        }
        if (!wrong) {
            step = "TLS handshake with the proxy";
            wrong = shake_hands(tls, timeout_ms);
        }
        if (!wrong)
            return tls;
        explain(wrong, step, why, why_size);
    }
    tls_close(tls);
    return NULL;
}

int tls_wait(tls_connection *tls, int to_write, int other_fd, int timeout_ms)
{
    struct pollfd each[2] = {{tls->net.fd, POLLIN, 0}, {other_fd, POLLIN, 0}};
    if (!to_write && mbedtls_ssl_get_bytes_avail(&tls->ssl))
        return 1;
    if (to_write)
        each[0].events |= POLLOUT;
    return poll(each, other_fd < 0 ? 1 : 2, timeout_ms) != 0;
}

static int result_of(int state)
{
    if (state > 0)
        return state;
    if (state == MBEDTLS_ERR_SSL_WANT_READ || state == MBEDTLS_ERR_SSL_WANT_WRITE)
        return 0;
#ifdef MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET
    if (state == MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET)
        return 0;
#endif
    return -1;
}

int tls_read(tls_connection *tls, uint8_t *bytes, size_t size)
{
    return result_of(mbedtls_ssl_read(&tls->ssl, bytes, size));
}

int tls_write(tls_connection *tls, const uint8_t *bytes, size_t size)
{
    int written;
    /* mbedTLS has encrypted these bytes already, and would return the size of the second call */
    if (tls->unfinished && tls->unfinished < size)
        size = tls->unfinished;
    written = result_of(mbedtls_ssl_write(&tls->ssl, bytes, size));
    tls->unfinished = written ? 0 : size;
    return written;
}

void tls_close(tls_connection *tls)
{
    if (!tls)
        return;
    if (tls->net.fd >= 0) {
        mbedtls_ssl_close_notify(&tls->ssl);
        mbedtls_net_free(&tls->net);
    }
    mbedtls_ssl_free(&tls->ssl);
    mbedtls_ssl_config_free(&tls->config);
    mbedtls_x509_crt_free(&tls->authorities);
    mbedtls_ctr_drbg_free(&tls->random);
    mbedtls_entropy_free(&tls->entropy);
    free(tls);
}
