/* The target of all measurements: what it does on a connection is said by its first nine bytes.

       +--------+-----------------+
       | letter | count: uint64   |    big-endian
       +--------+-----------------+

   'D'  sends that many bytes, then ends its side
   'U'  takes that many bytes, then answers one and ends its side
   'E'  sends back what it gets, until the peer ends
   'N'  reads nothing more

   It costs next to nothing, so that the machine's time is left to what is measured: bytes leave by
   sendfile and are dropped on arrival without being copied.

   usage: site ADDRESSES      listens on so many addresses from 127.0.0.1 on, at one free port, which
   it prints. Each address has ephemeral ports of its own: 200,000 connections need several. */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ORDER = 9, CHUNK = 1 << 20, ECHO_BYTES = 65536, EVENTS = 256, BACKLOG = 4096 };

struct visitor {
    int fd;
    bool listening;
    int ordered; /* bytes of the order that are here */
    uint8_t order[ORDER];
    uint64_t left;
};

static int loop;
static int bytes; /* a file in memory, of CHUNK bytes */
static uint8_t scratch[ECHO_BYTES];

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static void watch(struct visitor *visitor, uint32_t events, int operation)
{
    struct epoll_event event = {.events = events, .data.ptr = visitor};
    if (epoll_ctl(loop, operation, visitor->fd, &event) < 0)
        fail("epoll_ctl");
}

static void leave(struct visitor *visitor)
{
    close(visitor->fd);
    free(visitor);
}

static void welcome(struct visitor *listener)
{
    int fd;
    while ((fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        int yes = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
        struct visitor *visitor = calloc(1, sizeof *visitor);
        visitor->fd = fd;
        watch(visitor, EPOLLIN, EPOLL_CTL_ADD);
    }
}

/* False: the visitor has left. */
static bool take_order(struct visitor *visitor)
{
    ssize_t got = read(visitor->fd, visitor->order + visitor->ordered, ORDER - visitor->ordered);
    if (got < 0 && errno == EAGAIN)
        return true;
    if (got <= 0) {
        leave(visitor);
        return false;
    }
    visitor->ordered += got;
    if (visitor->ordered < ORDER)
        return true;
    uint64_t count;
    memcpy(&count, visitor->order + 1, sizeof count);
    visitor->left = be64toh(count);
    if (visitor->order[0] == 'D')
        watch(visitor, EPOLLOUT, EPOLL_CTL_MOD);
    if (visitor->order[0] == 'N')
        watch(visitor, 0, EPOLL_CTL_MOD);
    return true;
}

static void supply(struct visitor *visitor)
{
    while (visitor->left > 0) {
        off_t start = 0;
        ssize_t sent = sendfile(visitor->fd, bytes, &start,
                                visitor->left < CHUNK ? visitor->left : CHUNK);
        if (sent < 0 && errno == EAGAIN)
            return;
        if (sent <= 0) {
            leave(visitor);
            return;
        }
        visitor->left -= sent;
    }
    shutdown(visitor->fd, SHUT_WR);
    visitor->order[0] = 'E'; /* waits for the peer's end */
    watch(visitor, EPOLLIN, EPOLL_CTL_MOD);
}

static void consume(struct visitor *visitor)
{
    while (visitor->left > 0) {
        ssize_t got = recv(visitor->fd, NULL, visitor->left < CHUNK ? visitor->left : CHUNK, MSG_TRUNC);
        if (got < 0 && errno == EAGAIN)
            return;
        if (got <= 0) {
            leave(visitor);
            return;
        }
        visitor->left -= got;
    }
    if (write(visitor->fd, "k", 1) != 1) {
        leave(visitor);
        return;
    }
    shutdown(visitor->fd, SHUT_WR);
    visitor->order[0] = 'E';
}

static void echo(struct visitor *visitor)
{
    ssize_t got = read(visitor->fd, scratch, sizeof scratch);
    if (got < 0 && errno == EAGAIN)
        return;
    /* echoes are small: a peer that does not take them is none of ours */
    if (got <= 0 || write(visitor->fd, scratch, got) != got)
        leave(visitor);
}

static void serve(struct visitor *visitor, uint32_t events)
{
    if (visitor->listening) {
        welcome(visitor);
        return;
    }
    if (visitor->ordered < ORDER && (!take_order(visitor) || visitor->ordered < ORDER))
        return;
    switch (visitor->order[0]) {
    case 'D': supply(visitor); break;
    case 'U': consume(visitor); break;
    case 'E': echo(visitor); break;
    default:
        if (events & (EPOLLHUP | EPOLLERR))
            leave(visitor);
    }
}

static uint16_t listen_on(uint32_t address, uint16_t port)
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons(port),
                               .sin_addr.s_addr = htonl(address)};
    socklen_t size = sizeof name;
    struct visitor *listener = calloc(1, sizeof *listener);
    listener->listening = true;
    listener->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    int yes = 1;
    setsockopt(listener->fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(listener->fd, (struct sockaddr *)&name, size) < 0 || listen(listener->fd, BACKLOG) < 0)
        fail("listen");
    getsockname(listener->fd, (struct sockaddr *)&name, &size);
    watch(listener, EPOLLIN, EPOLL_CTL_ADD);
    return ntohs(name.sin_port);
}

int main(int argc, char **argv)
{
    int addresses = argc > 1 ? atoi(argv[1]) : 1;
    signal(SIGPIPE, SIG_IGN);
    loop = epoll_create1(0);
    bytes = memfd_create("bytes", 0);
    if (loop < 0 || bytes < 0 || ftruncate(bytes, CHUNK) < 0)
        fail("site");
    uint16_t port = 0;
    for (int index = 0; index < addresses; index++)
        port = listen_on(INADDR_LOOPBACK + index, port);
    printf("%u\n", port);
    fflush(stdout);
    struct epoll_event events[EVENTS];
    for (;;) {
        int count = epoll_wait(loop, events, EVENTS, -1);
        for (int index = 0; index < count; index++)
            serve(events[index].data.ptr, events[index].events);
    }
}
