/*
 * What the C tests share: checks that say where they failed, short ways to make requests, waiting for conditions.
 * A failed check ends the program at once with status 1. Nothing here measures time: a wait that lasts too long has
 * failed, and how long is too long is generous.
 */
#ifndef CHECK_H
#define CHECK_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <arpa/inet.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <justredis.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Polls of one millisecond before a wait has failed. */
#define PATIENCE 60000

__attribute__((format(printf, 3, 4), noreturn)) static inline void fail(const char *file, int line, const char *format,
                                                                        ...) {
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "%s:%d: ", file, line);
    vfprintf(stderr, format, arguments);
    fprintf(stderr, " (jr_error_text: \"%s\")\n", jr_error_text());
    va_end(arguments);
    fflush(NULL);
    _exit(1);
}

#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            fail(__FILE__, __LINE__, "%s is not true", #condition);                                                    \
    } while (0)

#define CHECK_INT(actual, expected)                                                                                    \
    do {                                                                                                               \
        long long actual_ = (long long)(actual), expected_ = (long long)(expected);                                    \
        if (actual_ != expected_)                                                                                      \
            fail(__FILE__, __LINE__, "%s is %lld, not %lld", #actual, actual_, expected_);                             \
    } while (0)

#define CHECK_TEXT(actual, expected)                                                                                   \
    do {                                                                                                               \
        const char *actual_ = (actual), *expected_ = (expected);                                                       \
        if (actual_ == NULL || strcmp(actual_, expected_) != 0)                                                        \
            fail(__FILE__, __LINE__, "%s is \"%s\", not \"%s\"", #actual, actual_ ? actual_ : "NULL", expected_);      \
    } while (0)

#define CHECK_HAS(actual, part)                                                                                        \
    do {                                                                                                               \
        const char *actual_ = (actual), *part_ = (part);                                                               \
        if (actual_ == NULL || strstr(actual_, part_) == NULL)                                                         \
            fail(__FILE__, __LINE__, "%s is \"%s\", without \"%s\"", #actual, actual_ ? actual_ : "NULL", part_);      \
    } while (0)

/* A reply of one kind whose text is this. */
#define CHECK_REPLY(reply, expected_kind, text)                                                                        \
    do {                                                                                                               \
        const jr_reply *reply_ = (reply);                                                                              \
        CHECK(reply_ != NULL);                                                                                         \
        if (reply_->kind != (expected_kind))                                                                           \
            fail(__FILE__, __LINE__, "%s has kind %u, not %d: %s", #reply, reply_->kind, (int)(expected_kind),         \
                 reply_->bytes ? reply_->bytes : "");                                                                  \
        CHECK_TEXT(reply_->bytes, text);                                                                               \
        CHECK_INT(reply_->length, strlen(text));                                                                       \
    } while (0)

static inline void pause_briefly(void) {
    const struct timespec millisecond = {0, 1000000};
    nanosleep(&millisecond, NULL);
}

/* Polls until the condition holds. */
#define WAIT_UNTIL(condition)                                                                                          \
    do {                                                                                                               \
        for (int polls_ = 0; !(condition); polls_++) {                                                                 \
            if (polls_ > PATIENCE)                                                                                     \
                fail(__FILE__, __LINE__, "waited in vain for %s", #condition);                                         \
            pause_briefly();                                                                                           \
        }                                                                                                              \
    } while (0)

static inline const char *server_url(void) {
    const char *url = getenv("JR_URL");
    if (url == NULL) {
        fprintf(stderr, "JR_URL names no server\n");
        exit(2);
    }
    return url;
}

/* "127.0.0.1:6379", as the library writes it in errors and maps. */
static inline const char *server_address(void) {
    return strstr(server_url(), "://") + strlen("://");
}

static inline uint16_t server_port(void) {
    return (uint16_t)atoi(strrchr(server_url(), ':') + 1);
}

/* "rediss" when the tests run over TLS, else "redis". */
static inline const char *scheme(void) {
    return strncmp(server_url(), "rediss:", strlen("rediss:")) == 0 ? "rediss" : "redis";
}

/* Where the URL asks for TLS, the servers of JR_TLS_CA are trusted. */
static inline jr_config *config_of(const char *url) {
    const char *authority = getenv("JR_TLS_CA");
    jr_config *config = jr_config_new();
    CHECK(config != NULL);
    CHECK_INT(jr_config_set(config, "url", url), JR_OK);
    if (authority != NULL && strncmp(url, "rediss:", strlen("rediss:")) == 0)
        CHECK_INT(jr_config_set(config, "tls_ca", authority), JR_OK);
    return config;
}

static inline jr_client *client_of(const char *url) {
    jr_config *config = config_of(url);
    jr_client *client = NULL;
    CHECK_INT(jr_client_new(config, &client), JR_OK);
    jr_config_free(config);
    return client;
}

static inline jr_client *connect_client(void) {
    return client_of(server_url());
}

/* With the query part of a URL: "protocol=2&max_unread=4". */
static inline jr_client *connect_with(const char *options) {
    char url[512];
    CHECK((size_t)snprintf(url, sizeof url, "%s?%s", server_url(), options) < sizeof url);
    return client_of(url);
}

static inline void close_client(jr_client *client) {
    CHECK_INT(jr_client_close(client, JR_TIMEOUT_NONE), JR_OK);
    jr_client_free(client);
}

/* A command of C strings up to NULL; `room` holds its arguments. */
static inline jr_command command_of(jr_bytes *room, const char *const *words) {
    size_t count = 0;
    for (; words[count]; count++)
        room[count] = jr_text(words[count]);
    return (jr_command){room, count};
}

#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})
#define COMMAND(...) command_of((jr_bytes[16]){{NULL, 0}}, WORDS(__VA_ARGS__))

static inline jr_request request_to(jr_queue *queue, jr_callback callback, uint64_t user_data) {
    return (jr_request){.size = sizeof(jr_request), .queue = queue, .callback = callback, .user_data = user_data};
}

/* A request for these commands that jr_execute may run. */
static inline jr_request request_of(const jr_command *commands, size_t count) {
    return (jr_request){.size = sizeof(jr_request), .commands = commands, .count = count};
}

static inline jr_status submit_words(const jr_client *client, jr_request request, uint64_t *id,
                                     const char *const *words) {
    jr_bytes room[16];
    jr_command command = command_of(room, words);
    request.commands = &command;
    request.count = 1;
    return jr_submit(client, &request, id);
}

/* submit(client, request_to(queue, NULL, 7), &id, "GET", "key") */
#define submit(client, target, id, ...) submit_words((client), (target), (id), WORDS(__VA_ARGS__))

/* Runs a command that must succeed; gives its reply. */
static inline jr_reply *run_words(const char *file, int line, const jr_client *client, const char *const *words,
                                  size_t count) {
    jr_reply *reply = jr_run_strings(client, words, count);
    if (reply == NULL || reply->kind == JR_ERROR)
        fail(file, line, "%s answered: %s", words[0], reply ? reply->bytes : "NULL");
    return reply;
}

#define run(client, ...)                                                                                               \
    run_words(__FILE__, __LINE__, (client), (const char *const[]){__VA_ARGS__},                                        \
              sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *))

/* The same for whom the reply does not matter, or only its number. */
#define perform(client, ...) jr_reply_free(run((client), __VA_ARGS__))

static inline int64_t number_in(jr_reply *reply) {
    int64_t number = 0;
    CHECK_INT(jr_reply_int64(reply, &number), JR_OK);
    jr_reply_free(reply);
    return number;
}

#define run_number(client, ...) number_in(run((client), __VA_ARGS__))

/* The next completion of a queue; one must come. */
static inline jr_completion take_one(jr_queue *queue) {
    jr_completion completion;
    CHECK_INT(jr_queue_take(queue, &completion, 1, PATIENCE), 1);
    CHECK(completion.reply != NULL);
    return completion;
}

static inline int is_one_outcome(uint32_t flags) {
    flags &= JR_OUTCOME_NOT_RUN | JR_OUTCOME_UNKNOWN | JR_OUTCOME_ANSWERED;
    return flags != 0 && (flags & (flags - 1)) == 0;
}

static inline size_t count_entries(const char *path) {
    size_t count = 0;
    DIR *directory = opendir(path);
    CHECK(directory != NULL);
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;)
        count += entry->d_name[0] != '.';
    closedir(directory);
    return count;
}

static inline size_t count_threads(void) {
    return count_entries("/proc/self/task");
}
static inline size_t count_descriptors(void) {
    return count_entries("/proc/self/fd");
}

/* A socket that listens and never says a word: the kernel accepts for it. */
struct silent_server {
    int descriptor;
    char address[32];
    char url[64];
};

static inline struct silent_server listen_silently(void) {
    struct silent_server server;
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof name;
    server.descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(server.descriptor >= 0);
    CHECK_INT(bind(server.descriptor, (struct sockaddr *)&name, length), 0);
    CHECK_INT(listen(server.descriptor, 16), 0);
    CHECK_INT(getsockname(server.descriptor, (struct sockaddr *)&name, &length), 0);
    snprintf(server.address, sizeof server.address, "127.0.0.1:%d", ntohs(name.sin_port));
    snprintf(server.url, sizeof server.url, "%s://%s", scheme(), server.address);
    return server;
}

static inline pthread_t start_thread(void *(*body)(void *), void *argument) {
    pthread_t thread;
    CHECK_INT(pthread_create(&thread, NULL, body, argument), 0);
    return thread;
}

static inline void join_thread(pthread_t thread) {
    CHECK_INT(pthread_join(thread, NULL), 0);
}

#endif
