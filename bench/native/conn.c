/* Connections, and the event loop. */

#define _GNU_SOURCE
#include "load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    EVENTS = 256,
    INBOX = 1 << 18,
    READ_AHEAD = 1 << 17, /* OpenSSL reads several records per system call */
    UNSENT = 1 << 17,     /* limit in the socket, so that small messages do not queue behind more */
    PIECES_PER_TURN = 16, /* pieces written before received bytes are read */
    SEALED = 5 << 14,     /* size of the TLS records of one piece */
};

static int loop;
static SSL_CTX *context;
static uint8_t inbox[INBOX];
static BIO_METHOD *gathering;
static uint8_t sealed[SEALED]; /* records that OpenSSL has written in this call */
static size_t sealed_length;

void die(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    exit(1);
}

int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

void buffer_add(struct buffer *buffer, const void *data, size_t length)
{
    if (buffer->length + length > buffer->room) {
        buffer->room = 2 * (buffer->length + length);
        buffer->at = realloc(buffer->at, buffer->room);
    }
    memcpy(buffer->at + buffer->length, data, length);
    buffer->length += length;
}

/* Sends the records; the rest that the socket does not accept is kept in conn->unsent. */
static void send_sealed(struct conn *conn)
{
    if (!sealed_length)
        return;
    ssize_t sent = send(conn->fd, sealed, sealed_length, MSG_NOSIGNAL);
    if (sent < 0)
        sent = 0; /* the reader notices a lost connection */
    buffer_add(&conn->unsent, sealed + sent, sealed_length - sent);
    sealed_length = 0;
}

/* Returns false if the socket does not accept all of it. */
static bool send_unsent(struct conn *conn)
{
    struct buffer *unsent = &conn->unsent;
    if (unsent->length) {
        ssize_t sent = send(conn->fd, unsent->at, unsent->length, MSG_NOSIGNAL);
        if (sent <= 0)
            return false;
        unsent->length -= sent;
        memmove(unsent->at, unsent->at + sent, unsent->length);
    }
    return !unsent->length;
}

/* Collects the records of a piece: OpenSSL alone would make a system call for each of the four. */
static int gather(BIO *bio, const char *data, int length)
{
    struct conn *conn = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (sealed_length + length > SEALED)
        send_sealed(conn);
    if (conn->unsent.length && !send_unsent(conn)) {
        BIO_set_retry_write(bio);
        return -1;
    }
    memcpy(sealed + sealed_length, data, length);
    sealed_length += length;
    return length;
}

static long gather_control(BIO *bio, int what, long number, void *pointer)
{
    (void)number, (void)pointer;
    if (what == BIO_CTRL_FLUSH) /* after messages of the handshake, and after an alert */
        send_sealed(BIO_get_data(bio));
    return what == BIO_CTRL_FLUSH;
}

void loop_begin(void)
{
    loop = epoll_create1(0);
    gathering = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "gathering");
    BIO_meth_set_write(gathering, gather);
    BIO_meth_set_ctrl(gathering, gather_control);
    context = SSL_CTX_new(TLS_client_method());
    /* the certificate is not checked; the handshake costs the server the same */
    SSL_CTX_set_verify(context, SSL_VERIFY_NONE, NULL);
    SSL_CTX_set_read_ahead(context, 1);
    SSL_CTX_set_default_read_buffer_len(context, READ_AHEAD);
    SSL_CTX_set_mode(context, SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
    /* a forwarder may close without close_notify */
    SSL_CTX_set_options(context, SSL_OP_IGNORE_UNEXPECTED_EOF);
}

static void watch(struct conn *conn, uint32_t events, int operation)
{
    struct epoll_event event = {.events = events, .data.ptr = conn};
    if (epoll_ctl(loop, operation, conn->fd, &event) < 0)
        die("epoll_ctl: %s", strerror(errno));
    conn->interest = events;
}

static void watch_writing(struct conn *conn, bool writing)
{
    uint32_t events = (conn->interest & ~EPOLLOUT) | (writing ? EPOLLOUT : 0);
    if (events != conn->interest)
        watch(conn, events, EPOLL_CTL_MOD);
}

void conn_stop_reading(struct conn *conn)
{
    watch(conn, conn->interest & ~EPOLLIN, EPOLL_CTL_MOD);
}

/* Connects in blocking mode: on loopback, the kernel completes a connection at once. */
struct conn *conn_open(uint16_t port, bool tls)
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons(port),
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct conn *conn = calloc(1, sizeof *conn);
    conn->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (conn->fd < 0 || connect(conn->fd, (struct sockaddr *)&name, sizeof name) < 0)
        die("port %u: %s", port, strerror(errno));
    int yes = 1;
    setsockopt(conn->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    int unsent = UNSENT;
    setsockopt(conn->fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof unsent);
    fcntl(conn->fd, F_SETFL, O_NONBLOCK);
    watch(conn, EPOLLIN | EPOLLOUT, EPOLL_CTL_ADD);
    conn->state = CONNECTING;
    if (tls) {
        conn->state = SECURING;
        conn->ssl = SSL_new(context);
        BIO *writing = BIO_new(gathering);
        BIO_set_data(writing, conn);
        BIO_set_init(writing, 1);
        SSL_set_bio(conn->ssl, BIO_new_socket(conn->fd, BIO_NOCLOSE), writing);
        SSL_set_tlsext_host_name(conn->ssl, "localhost");
        SSL_set_connect_state(conn->ssl);
    }
    return conn;
}

void conn_close(struct conn *conn)
{
    if (conn->state == LOST)
        return;
    conn->state = LOST; /* freed at the end of serve() */
    if (conn->ssl) {
        SSL_shutdown(conn->ssl);
        SSL_free(conn->ssl);
        conn->ssl = NULL;
    }
    close(conn->fd);
}

static void conn_free(struct conn *conn)
{
    if (conn->tunnel)
        tunnel_free(conn->tunnel);
    free(conn->out.at);
    free(conn->leaving.at);
    free(conn->unsent.at);
    free(conn->bulk);
    free(conn);
}

static bool would_block(struct conn *conn, int result)
{
    int why = SSL_get_error(conn->ssl, result);
    return why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE;
}

/* Returns the number of bytes read; 0 at the end; -1 if there are none now. */
static ssize_t take(struct conn *conn)
{
    if (conn->ssl) { /* the caller reads until -1: epoll does not see bytes in OpenSSL's buffers */
        int got = SSL_read(conn->ssl, inbox, INBOX);
        return got > 0 ? got : would_block(conn, got) ? -1 : 0;
    }
    /* plain bytes are only counted: MSG_TRUNC saves the copy */
    int count_only = conn->state == UP ? MSG_TRUNC : 0;
    ssize_t got = recv(conn->fd, inbox, INBOX, count_only);
    return got >= 0 ? got : errno == EAGAIN ? -1 : 0;
}

static void read_all(struct conn *conn)
{
    ssize_t got;
    while (conn->state != LOST && (got = take(conn)) >= 0) {
        if (got == 0) {
            conn_ended(conn);
            return;
        }
        conn_received(conn, inbox, got);
        if (conn->state != LOST && conn->out.length)
            conn_flush(conn);
        if (conn->state != LOST && !(conn->interest & EPOLLIN))
            return; /* it stalls */
    }
}

/* Finds bytes to write; returns false if there are none. */
static bool have_rest(struct conn *conn)
{
    if (conn->rest_length)
        return true;
    if (conn->out.length) {
        struct buffer empty = conn->leaving;
        conn->leaving = conn->out;
        conn->out = empty;
        conn->out.length = 0;
        conn->rest = conn->leaving.at;
        conn->rest_length = conn->leaving.length;
        return true;
    }
    conn->rest_length = conn_next_bulk(conn);
    conn->rest = conn->bulk;
    return conn->rest_length > 0;
}

static ssize_t put(struct conn *conn)
{
    if (conn->ssl) {
        if (!send_unsent(conn))
            return -1;
        int taken = SSL_write(conn->ssl, conn->rest, conn->rest_length);
        send_sealed(conn);
        return taken;
    }
    return send(conn->fd, conn->rest, conn->rest_length, MSG_NOSIGNAL);
}

void conn_flush(struct conn *conn)
{
    if (conn->state == SECURING || conn->state == LOST)
        return;
    for (int turn = 0; turn < PIECES_PER_TURN; turn++) {
        if (!have_rest(conn)) {
            watch_writing(conn, !send_unsent(conn));
            return;
        }
        ssize_t sent = put(conn);
        if (sent <= 0)
            break; /* the reader notices a lost connection */
        conn->rest += sent;
        conn->rest_length -= sent;
    }
    watch_writing(conn, true);
}

static void secure(struct conn *conn)
{
    int result = SSL_do_handshake(conn->ssl);
    if (result == 1) {
        conn->state = UP;
        conn_is_up(conn);
    } else if (!would_block(conn, result)) {
        ERR_print_errors_fp(stderr);
        die("the TLS handshake failed");
    } else {
        watch_writing(conn, SSL_want_write(conn->ssl));
    }
}

static void serve(struct conn *conn, uint32_t events)
{
    if (conn->state == CONNECTING) {
        conn->state = UP;
        conn_is_up(conn);
    } else if (conn->state == SECURING)
        secure(conn);
    if (conn->state != SECURING && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
        read_all(conn);
    if (conn->state != SECURING && conn->state != LOST)
        conn_flush(conn);
    if (conn->state == LOST)
        conn_free(conn);
}

bool run_until(bool (*done)(void), double seconds)
{
    int64_t deadline = now_ns() + (int64_t)(seconds * 1e9);
    struct epoll_event events[EVENTS];
    while (!done()) {
        int64_t left_ms = (deadline - now_ns()) / 1000000;
        if (left_ms <= 0)
            return false;
        int count = epoll_wait(loop, events, EVENTS, left_ms);
        for (int index = 0; index < count; index++)
            serve(events[index].data.ptr, events[index].events);
    }
    return true;
}
