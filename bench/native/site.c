/* The target site. The first nine bytes of a connection say what it does:

       +--------+-----------------+
       | letter | count: uint64   |    big-endian
       +--------+-----------------+

   'D'  sends that many bytes, then ends its side
   'U'  receives that many bytes, then sends one and ends its side
   'E'  sends all received bytes back, until the peer ends
   'N'  reads nothing more

   It needs very little CPU time, so that the contenders get it: it sends with sendfile, and drops
   received bytes without copying them.

   usage: site ADDRESSES

   It listens on ADDRESSES addresses, from 127.0.0.1 on, at one free port, and prints the port. Each
   address has its own ephemeral ports: 200,000 connections need several addresses. */

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

struct client {
    int fd;
    bool listening;
    int ordered; /* received bytes of the order */
    uint8_t order[ORDER];
    uint64_t left;
};

static int loop;
static int content; /* a file in memory, of CHUNK bytes */
static uint8_t scratch[ECHO_BYTES];

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static void watch(struct client *client, uint32_t events, int operation)
{
    struct epoll_event event = {.events = events, .data.ptr = client};
    if (epoll_ctl(loop, operation, client->fd, &event) < 0)
        fail("epoll_ctl");
}

static void drop(struct client *client)
{
    close(client->fd);
    free(client);
}

static void accept_all(struct client *listener)
{
    int fd;
    while ((fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        int yes = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
        struct client *client = calloc(1, sizeof *client);
        client->fd = fd;
        watch(client, EPOLLIN, EPOLL_CTL_ADD);
    }
}

/* Returns false if the connection is closed. */
static bool take_order(struct client *client)
{
    ssize_t got = read(client->fd, client->order + client->ordered, ORDER - client->ordered);
    if (got < 0 && errno == EAGAIN)
        return true;
    if (got <= 0) {
        drop(client);
        return false;
    }
    client->ordered += got;
    if (client->ordered < ORDER)
        return true;
    uint64_t count;
    memcpy(&count, client->order + 1, sizeof count);
    client->left = be64toh(count);
    if (client->order[0] == 'D')
        watch(client, EPOLLOUT, EPOLL_CTL_MOD);
    if (client->order[0] == 'N')
        watch(client, 0, EPOLL_CTL_MOD);
    return true;
}

static void supply(struct client *client)
{
    while (client->left > 0) {
        off_t start = 0;
        ssize_t sent = sendfile(client->fd, content, &start,
                                client->left < CHUNK ? client->left : CHUNK);
        if (sent < 0 && errno == EAGAIN)
            return;
        if (sent <= 0) {
            drop(client);
            return;
        }
        client->left -= sent;
    }
    shutdown(client->fd, SHUT_WR);
    client->order[0] = 'E'; /* wait for the peer's end */
    watch(client, EPOLLIN, EPOLL_CTL_MOD);
}

static void consume(struct client *client)
{
    while (client->left > 0) {
        ssize_t got = recv(client->fd, NULL, client->left < CHUNK ? client->left : CHUNK, MSG_TRUNC);
        if (got < 0 && errno == EAGAIN)
            return;
        if (got <= 0) {
            drop(client);
            return;
        }
        client->left -= got;
    }
    if (write(client->fd, "k", 1) != 1) {
        drop(client);
        return;
    }
    shutdown(client->fd, SHUT_WR);
    client->order[0] = 'E';
}

static void echo(struct client *client)
{
    ssize_t got = read(client->fd, scratch, sizeof scratch);
    if (got < 0 && errno == EAGAIN)
        return;
    /* echoes are small: a client that does not read them is not ours */
    if (got <= 0 || write(client->fd, scratch, got) != got)
        drop(client);
}

static void serve(struct client *client, uint32_t events)
{
    if (client->listening) {
        accept_all(client);
        return;
    }
    if (client->ordered < ORDER && (!take_order(client) || client->ordered < ORDER))
        return;
    switch (client->order[0]) {
    case 'D': supply(client); break;
    case 'U': consume(client); break;
    case 'E': echo(client); break;
    default:
        if (events & (EPOLLHUP | EPOLLERR))
            drop(client);
    }
}

static uint16_t listen_on(uint32_t address, uint16_t port)
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons(port),
                               .sin_addr.s_addr = htonl(address)};
    socklen_t size = sizeof name;
    struct client *listener = calloc(1, sizeof *listener);
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
    content = memfd_create("content", 0);
    if (loop < 0 || content < 0 || ftruncate(content, CHUNK) < 0)
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
