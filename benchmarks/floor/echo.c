// The floor of the echo rows: what a server costs that has no loop and no Python.
//
//     floor echo|close|datagram [--unix PATH]
//
// One thread, one epoll set, one receive and one send an event. "close" answers once and closes. It says READY as the other
// servers do, and is ended by a signal.
#define _GNU_SOURCE // accept4
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { ROOM = 256 * 1024, MOST = 20000, EVENTS = 512, BACKLOG = 2048 };

// What a socket had no room for; while there is some its connection is not read.
static struct rest {
    char *bytes;
    size_t length, sent;
} rests[MOST];

static char buffer[ROOM];
static int set;

static void stop(const char *what) {
    perror(what);
    exit(1);
}

static void watch(int fd, int operation, unsigned events) {
    struct epoll_event event = {.events = events, .data.fd = fd};
    if (epoll_ctl(set, operation, fd, &event) < 0)
        stop("epoll_ctl");
}

static void hang_up(int fd) {
    free(rests[fd].bytes);
    rests[fd] = (struct rest){0};
    close(fd);
}

// Keep what the socket did not take.
static void keep(int fd, size_t length) {
    struct rest *rest = &rests[fd];
    *rest = (struct rest){.bytes = malloc(length), .length = length};
    if (!rest->bytes)
        stop("malloc");
    memcpy(rest->bytes, buffer, length);
    watch(fd, EPOLL_CTL_MOD, EPOLLOUT);
}

static void send_rest(int fd) {
    struct rest *rest = &rests[fd];
    ssize_t n = send(fd, rest->bytes + rest->sent, rest->length - rest->sent, MSG_NOSIGNAL);
    if (n < 0) {
        if (errno != EAGAIN && errno != EINTR)
            hang_up(fd);
        return;
    }
    rest->sent += (size_t)n;
    if (rest->sent == rest->length) {
        free(rest->bytes);
        *rest = (struct rest){0};
        watch(fd, EPOLL_CTL_MOD, EPOLLIN);
    }
}

static void echo(int fd, int once) {
    ssize_t n = recv(fd, buffer, sizeof buffer, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        hang_up(fd);
        return;
    }
    ssize_t sent = send(fd, buffer, (size_t)n, MSG_NOSIGNAL);
    if (sent < 0 && errno == EAGAIN)
        sent = 0;
    if (once || sent < 0) {
        hang_up(fd);
        return;
    }
    if (sent < n) {
        memmove(buffer, buffer + sent, (size_t)(n - sent));
        keep(fd, (size_t)(n - sent));
    }
}

static void answer_datagram(int fd) {
    struct sockaddr_in from;
    socklen_t length = sizeof from;
    ssize_t n = recvfrom(fd, buffer, sizeof buffer, 0, (struct sockaddr *)&from, &length);
    if (n >= 0 && sendto(fd, buffer, (size_t)n, 0, (struct sockaddr *)&from, length) < 0 && errno != EAGAIN)
        stop("sendto");
}

static void accept_all(int listener, int tcp) {
    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC), on = 1;
        if (fd < 0)
            return;
        if (fd >= MOST) {
            close(fd);
            continue;
        }
        if (tcp)
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        watch(fd, EPOLL_CTL_ADD, EPOLLIN);
    }
}

static int listening(int type, const char *path) {
    int fd = socket(path ? AF_UNIX : AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    if (path)
        snprintf(un.sun_path, sizeof un.sun_path, "%s", path);
    const struct sockaddr *address = path ? (struct sockaddr *)&un : (struct sockaddr *)&in;
    if (fd < 0 || bind(fd, address, path ? sizeof un : sizeof in) < 0)
        stop("bind");
    if (type == SOCK_STREAM && listen(fd, BACKLOG) < 0)
        stop("listen");
    socklen_t length = sizeof in;
    if (path)
        printf("READY {\"addr\": \"unix:%s\"}\n", path);
    else if (getsockname(fd, (struct sockaddr *)&in, &length) == 0)
        printf("READY {\"addr\": \"127.0.0.1:%d\"}\n", ntohs(in.sin_port));
    return fd;
}

int main(int argc, char **argv) {
    const char *kind = argc > 1 ? argv[1] : "echo";
    const char *path = argc > 3 && !strcmp(argv[2], "--unix") ? argv[3] : NULL;
    int datagrams = !strcmp(kind, "datagram"), once = !strcmp(kind, "close");
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    set = epoll_create1(EPOLL_CLOEXEC);
    int listener = listening(datagrams ? SOCK_DGRAM : SOCK_STREAM, path);
    watch(listener, EPOLL_CTL_ADD, EPOLLIN);
    fflush(stdout);
    static struct epoll_event events[EVENTS];
    for (;;) {
        int n = epoll_wait(set, events, EVENTS, -1);
        if (n < 0 && errno != EINTR)
            stop("epoll_wait");
        for (int i = 0; i < n; i++) {
            int fd = events[i].data.fd;
            if (fd == listener && datagrams)
                answer_datagram(fd);
            else if (fd == listener)
                accept_all(fd, !path);
            else if (rests[fd].bytes)
                send_rest(fd);
            else
                echo(fd, once);
        }
    }
}
