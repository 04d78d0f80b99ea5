/* SPDX-License-Identifier: Apache-2.0 */
/*
 * smtpload: puts SMTP load on a receiver on this machine (one thread, epoll) and prints one JSON object.
 *
 *   smtpload [-s sessions] [-m messages] [-l octets] [-r recipients] [-1pPtH] ADDRESS PORT
 *
 *   -s N  simultaneous connections           -m N  messages in all (with -H: handshakes)
 *   -l N  octets of the body                 -r N  mail goes to user0, user1 ... of N recipients in turn
 *   -1    one message a connection, EHLO to QUIT each time; without it connections are reused
 *   -p    MAIL, RCPT and DATA in one write (RFC 2920)
 *   -P    as -p, and the next group travels behind the final dot of the message before it
 *   -t    STARTTLS on every connection       -H    only handshakes: EHLO, STARTTLS, EHLO, QUIT
 *
 * The latency is measured from the final dot handed to the kernel to its 250 read. Exit status: 0 when every message
 * was accepted, 1 when something else happened, 2 for wrong arguments.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "mail.h"

#define MOST_AWAITED 32
#define MOST_ERRORS 1000
#define STALL_SECONDS 20.0

/* What the next reply answers. */
enum step { GREETING, EHLO, STARTTLS, MAIL, RCPT, DATA, FINAL_DOT, QUIT };

struct connection {
    int fd, under_tls, handshaking, next_group_sent;
    uint32_t watched;
    SSL *ssl;
    enum step awaited[MOST_AWAITED]; /* a queue: replies come in the order of the commands */
    int first_awaited, end_awaited;
    char in[8192];
    size_t in_length;
    struct {
        char *octets;
        size_t room, length, sent;
    } commands;             /* sent first, */
    struct piece mail_data; /* then this, */
    struct piece behind;    /* then what is pipelined behind the final dot */
    long recipient;         /* of the message that is on its way */
    double dot_sent_at;
};

static struct {
    int sessions, one_message, pipelined, deeply_pipelined, tls, only_handshakes;
    long messages, body_octets, recipients;
    struct sockaddr_in address;
} wanted = {.sessions = 10, .messages = 1000, .body_octets = 1024, .recipients = 1};

static struct {
    long started, finished, errors, connections;
    int active; /* connections that still have work */
    float *latencies;
} run;

static int epoll_fd;
static SSL_CTX *tls_context;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void await_reply(struct connection *c, enum step step)
{
    c->awaited[c->end_awaited++] = step;
}

static void put(struct connection *c, const char *octets, size_t length)
{
    if (c->commands.sent == c->commands.length) c->commands.sent = c->commands.length = 0;
    if (c->commands.length + length > c->commands.room) {
        c->commands.room = (c->commands.length + length) * 2;
        c->commands.octets = realloc(c->commands.octets, c->commands.room);
        if (!c->commands.octets) give_up("memory");
    }
    memcpy(c->commands.octets + c->commands.length, octets, length);
    c->commands.length += length;
}

static void command(struct connection *c, const char *line, enum step step)
{
    put(c, line, strlen(line));
    await_reply(c, step);
}

static void watch(struct connection *c, uint32_t events)
{
    if (c->watched == events) return;
    struct epoll_event event = {.events = events, .data.ptr = c};
    epoll_ctl(epoll_fd, EPOLL_CTL_MOD, c->fd, &event);
    c->watched = events;
}

/* Octets that went out, -1 when the socket takes none now. */
static ssize_t send_some(struct connection *c, const char *octets, size_t length)
{
    if (!c->under_tls) return send(c->fd, octets, length, MSG_NOSIGNAL);
    ERR_clear_error();
    int sent = SSL_write(c->ssl, octets, length > 16384 ? 16384 : (int)length);
    return sent > 0 ? sent : -1;
}

/* True when nothing of the piece is left. */
static int send_piece(struct connection *c, struct piece *p)
{
    while (p->sent < p->length) {
        ssize_t sent = send_some(c, p->octets + p->sent, p->length - p->sent);
        if (sent < 0) return 0;
        p->sent += (size_t)sent;
    }
    return 1;
}

static void flush(struct connection *c)
{
    struct piece commands = {c->commands.octets, c->commands.length, c->commands.sent};
    int all = send_piece(c, &commands);
    c->commands.sent = commands.sent;
    if (all && c->mail_data.octets) {
        all = send_piece(c, &c->mail_data);
        if (all) {
            c->mail_data.octets = NULL;
            c->dot_sent_at = now();
        }
    }
    if (all && c->behind.octets) {
        all = send_piece(c, &c->behind);
        if (all) c->behind.octets = NULL;
    }
    watch(c, all ? EPOLLIN : EPOLLIN | EPOLLOUT);
}

static void await_group(struct connection *c)
{
    await_reply(c, MAIL);
    await_reply(c, RCPT);
    await_reply(c, DATA);
}

static void rcpt(struct connection *c)
{
    struct piece line = rcpt_line(c->recipient);
    put(c, line.octets, line.length);
    await_reply(c, RCPT);
}

static void next_message(struct connection *c)
{
    if (run.started >= wanted.messages) {
        command(c, "QUIT\r\n", QUIT);
        return;
    }
    c->recipient = run.started++ % wanted.recipients;
    if (wanted.pipelined) {
        await_group(c);
        put(c, groups[c->recipient].octets, groups[c->recipient].length);
    } else {
        command(c, mail_line, MAIL);
    }
}

static void send_mail_data(struct connection *c)
{
    await_reply(c, FINAL_DOT);
    c->mail_data = message;
    c->next_group_sent = 0;
    if (!wanted.deeply_pipelined) return;
    if (wanted.one_message) {
        await_reply(c, QUIT);
        c->behind = (struct piece){"QUIT\r\n", 6, 0};
        c->next_group_sent = 1;
    } else if (run.started < wanted.messages) {
        c->recipient = run.started++ % wanted.recipients;
        await_group(c);
        c->behind = groups[c->recipient];
        c->next_group_sent = 1;
    }
}

static int unexpected(const char *what)
{
    if (run.errors++ < 5) fprintf(stderr, "unexpected: %.100s\n", what);
    return 1;
}

static void begin_tls(struct connection *c)
{
    c->ssl = SSL_new(tls_context);
    if (!c->ssl) give_up("TLS");
    SSL_set_fd(c->ssl, c->fd);
    SSL_set_connect_state(c->ssl);
    c->handshaking = 1;
}

static void after_ehlo(struct connection *c)
{
    if (wanted.tls && !c->under_tls) {
        command(c, "STARTTLS\r\n", STARTTLS);
    } else if (wanted.only_handshakes) {
        run.finished++;
        command(c, "QUIT\r\n", QUIT);
    } else {
        next_message(c);
    }
}

static void after_message(struct connection *c)
{
    run.latencies[run.finished++] = (float)(now() - c->dot_sent_at);
    if (c->next_group_sent) return;
    if (wanted.one_message)
        command(c, "QUIT\r\n", QUIT);
    else
        next_message(c);
}

/* Acts on the last line of a reply; true when the connection is to be closed. */
static int take_reply(struct connection *c, const char *line)
{
    if (c->first_awaited == c->end_awaited) return unexpected(line);
    enum step step = c->awaited[c->first_awaited++];
    if (c->first_awaited == c->end_awaited) c->first_awaited = c->end_awaited = 0;
    if (step == QUIT) return 1;
    if (line[0] != (step == DATA ? '3' : '2')) return unexpected(line);
    switch (step) {
    case GREETING: command(c, "EHLO load.client.example\r\n", EHLO); return 0;
    case EHLO: after_ehlo(c); return 0;
    case STARTTLS: begin_tls(c); return 0;
    case MAIL:
        if (!wanted.pipelined) rcpt(c);
        return 0;
    case RCPT:
        if (!wanted.pipelined) command(c, data_line, DATA);
        return 0;
    case DATA: send_mail_data(c); return 0;
    case FINAL_DOT: after_message(c); return 0;
    case QUIT: break;
    }
    return 1;
}

static void open_connection(struct connection *c)
{
    c->under_tls = c->handshaking = c->next_group_sent = 0;
    c->ssl = NULL;
    c->first_awaited = c->end_awaited = 0;
    c->in_length = 0;
    c->commands.length = c->commands.sent = 0;
    c->mail_data.octets = c->behind.octets = NULL;
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->fd < 0) give_up("socket (raise the limit of open files, `ulimit -n`)");
    int on = 1;
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(c->fd, (struct sockaddr *)&wanted.address, sizeof wanted.address) && errno != EINPROGRESS)
        give_up("connect");
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, c->fd, &event)) give_up("epoll");
    c->watched = EPOLLIN;
    await_reply(c, GREETING);
    run.connections++;
}

/* Close, and connect again while there is something left to do. */
static void close_connection(struct connection *c)
{
    SSL_free(c->ssl);
    close(c->fd);
    long begun = wanted.only_handshakes ? run.connections : run.started;
    if (begun < wanted.messages && run.errors < MOST_ERRORS)
        open_connection(c);
    else
        run.active--;
}

static void continue_handshake(struct connection *c)
{
    ERR_clear_error();
    int result = SSL_do_handshake(c->ssl);
    if (result == 1) {
        c->handshaking = 0;
        c->under_tls = 1;
        command(c, "EHLO load.client.example\r\n", EHLO);
        flush(c);
        return;
    }
    switch (SSL_get_error(c->ssl, result)) {
    case SSL_ERROR_WANT_READ: watch(c, EPOLLIN); break;
    case SSL_ERROR_WANT_WRITE: watch(c, EPOLLIN | EPOLLOUT); break;
    default:
        unexpected("TLS handshake failed");
        close_connection(c);
    }
}

/* Octets read, 0 when there are none now, -1 when the connection has ended. */
static ssize_t read_some(struct connection *c)
{
    char *to = c->in + c->in_length;
    size_t room = sizeof c->in - c->in_length;
    if (c->under_tls) {
        ERR_clear_error();
        int octets = SSL_read(c->ssl, to, (int)room);
        if (octets > 0) return octets;
        return SSL_get_error(c->ssl, octets) == SSL_ERROR_WANT_READ ? 0 : -1;
    }
    ssize_t octets = recv(c->fd, to, room, 0);
    if (octets > 0) return octets;
    return octets < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
}

/* Takes the complete lines; true when the connection is to be closed. */
static int take_lines(struct connection *c)
{
    char *line = c->in, *newline;
    while ((newline = memchr(line, '\n', (size_t)(c->in + c->in_length - line)))) {
        *newline = 0;
        int last_line = newline - line <= 3 || line[3] != '-';
        if (last_line && take_reply(c, line)) return 1;
        line = newline + 1;
        if (c->handshaking) break;
    }
    c->in_length = (size_t)(c->in + c->in_length - line);
    memmove(c->in, line, c->in_length);
    if (c->handshaking && c->in_length) return unexpected("octets in clear behind the reply to STARTTLS");
    return 0;
}

static void on_event(struct connection *c, uint32_t events)
{
    if (c->handshaking) {
        continue_handshake(c);
        return;
    }
    while (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
        ssize_t octets = read_some(c);
        if (octets == 0) break;
        if (octets < 0) {
            if (c->first_awaited < c->end_awaited && c->awaited[c->first_awaited] != QUIT)
                unexpected("connection closed early");
            close_connection(c);
            return;
        }
        c->in_length += (size_t)octets;
        if (take_lines(c)) {
            close_connection(c);
            return;
        }
        if (c->handshaking) {
            continue_handshake(c);
            return;
        }
        if (!c->under_tls) break; /* epoll tells again; under TLS octets may wait inside OpenSSL */
    }
    flush(c);
}

static void build_tls_context(void)
{
    tls_context = SSL_CTX_new(TLS_client_method());
    if (!tls_context) give_up("TLS");
    SSL_CTX_set_verify(tls_context, SSL_VERIFY_NONE, NULL);
    SSL_CTX_set_session_cache_mode(tls_context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_mode(tls_context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
}

static int ascending(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static double milliseconds(double share)
{
    if (wanted.only_handshakes || run.finished == 0) return 0;
    return run.latencies[(long)((double)(run.finished - 1) * share)] * 1e3;
}

static void print_result(double seconds)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    double cpu = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                 (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1e-6;
    if (!wanted.only_handshakes) qsort(run.latencies, (size_t)run.finished, sizeof *run.latencies, ascending);
    printf("{\"rate\": %.1f, \"finished\": %ld, \"errors\": %ld, \"seconds\": %.4f, \"connections\": %ld, "
           "\"p50_ms\": %.3f, \"p99_ms\": %.3f, \"max_ms\": %.3f, \"client_cpu_s\": %.3f}\n",
           (double)run.finished / seconds, run.finished, run.errors, seconds, run.connections,
           milliseconds(0.5), milliseconds(0.99), milliseconds(1), cpu);
}

static void go(void)
{
    struct connection *all = allocate((size_t)wanted.sessions * sizeof *all);
    struct epoll_event events[256];
    double begun = now(), moved = begun;
    long seen = 0;
    run.active = wanted.sessions;
    for (int i = 0; i < wanted.sessions; i++) open_connection(&all[i]);
    while (run.active > 0 && run.errors < MOST_ERRORS) {
        int count = epoll_wait(epoll_fd, events, 256, 1000);
        for (int i = 0; i < count; i++) on_event(events[i].data.ptr, events[i].events);
        if (run.finished != seen) {
            seen = run.finished;
            moved = now();
        } else if (now() - moved > STALL_SECONDS) {
            unexpected("no message was finished for 20 s");
            break;
        }
    }
    print_result(now() - begun);
}

static int usage(const char *problem)
{
    fprintf(stderr, "smtpload: %s\nusage: smtpload [-s n] [-m n] [-l n] [-r n] [-1pPtH] ADDRESS PORT\n", problem);
    return 2;
}

int main(int argc, char **argv)
{
    int option;
    while ((option = getopt(argc, argv, "s:m:l:r:1pPtH")) != -1) {
        switch (option) {
        case 's': wanted.sessions = atoi(optarg); break;
        case 'm': wanted.messages = atol(optarg); break;
        case 'l': wanted.body_octets = atol(optarg); break;
        case 'r': wanted.recipients = atol(optarg); break;
        case '1': wanted.one_message = 1; break;
        case 'p': wanted.pipelined = 1; break;
        case 'P': wanted.pipelined = wanted.deeply_pipelined = 1; break;
        case 't': wanted.tls = 1; break;
        case 'H': wanted.only_handshakes = wanted.tls = 1; break;
        default: return usage("unknown option");
        }
    }
    if (argc - optind != 2) return usage("an address and a port are needed");
    if (wanted.sessions < 1 || wanted.messages < 1 || wanted.body_octets < 0 || wanted.recipients < 1)
        return usage("a number is out of range");
    wanted.address.sin_family = AF_INET;
    wanted.address.sin_port = htons((uint16_t)atoi(argv[optind + 1]));
    if (inet_pton(AF_INET, argv[optind], &wanted.address.sin_addr) != 1) return usage("an IPv4 address is needed");
    signal(SIGPIPE, SIG_IGN);
    if (wanted.sessions > wanted.messages) wanted.sessions = (int)wanted.messages;
    run.latencies = allocate(((size_t)wanted.messages + 1) * sizeof *run.latencies);
    build_groups(wanted.recipients);
    build_message(wanted.body_octets);
    if (wanted.tls) build_tls_context();
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    go();
    return run.errors != 0;
}
