/* Threads of the library: none can be started for a while, none hears a signal of the program, and what a dialer brings
 * is closed by exec. */
#include "check.h"
#include <dlfcn.h>
#include <limits.h>
#include <signal.h>
#include <sys/syscall.h>

/* So many threads can be started. */
static atomic_int allowed = INT_MAX, refused;

/* Stands before the one of libc, also for the library: fails like it does when the process may not have another thread.
 */
int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*body)(void *), void *argument) {
    int (*create)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
    if (atomic_fetch_sub(&allowed, 1) <= 0) {
        atomic_fetch_add(&refused, 1);
        return EAGAIN;
    }
    *(void **)&create = dlsym(RTLD_NEXT, "pthread_create");
    return create(thread, attributes, body, argument);
}

static void allow_threads(int count) {
    atomic_store(&refused, 0);
    atomic_store(&allowed, count);
}

static _Atomic int brought = -1;

static int32_t dialer(void *user_data, const char *address, uint32_t timeout_ms) {
    (void)user_data, (void)address, (void)timeout_ms;
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    name.sin_port = htons(server_port());
    int descriptor = socket(AF_INET, SOCK_STREAM, 0);
    CHECK_INT(fcntl(descriptor, F_GETFD), 0);
    CHECK_INT(connect(descriptor, (struct sockaddr *)&name, sizeof name), 0);
    atomic_store(&brought, descriptor);
    return descriptor;
}

/* A client that needs a thread to dial: to resolve a name, or for the program's own dialer. */
static jr_client *dialling_by_thread(int by_dialer) {
    char url[128];
    snprintf(url, sizeof url, "%s://localhost:%d?reconnect_delay=5ms&reconnect_delay_max=20ms", scheme(),
             server_port());
    jr_config *config = config_of(url);
    jr_client *client = NULL;
    if (by_dialer)
        CHECK_INT(jr_config_set_dialer(config, dialer, NULL, NULL), JR_OK);
    CHECK_INT(jr_client_new(config, &client), JR_OK);
    jr_config_free(config);
    return client;
}

static void no_log(void *user_data, int32_t level, const char *message) {
    (void)user_data, (void)level, (void)message;
}

/* With a logger a client has two threads from the start. */
static void no_client_without_its_threads(int has_logger) {
    jr_client *client = NULL;
    jr_config *config = config_of(server_url());
    if (has_logger)
        CHECK_INT(jr_config_set_logger(config, no_log, NULL, NULL), JR_OK);
    for (int count = 0; count <= has_logger; count++) {
        allow_threads(count);
        CHECK_INT(jr_client_new(config, &client), JR_ERR_MEMORY);
        CHECK_HAS(jr_error_text(), "thread");
        CHECK(client == NULL);
        CHECK_INT(atomic_load(&refused), 1);
        WAIT_UNTIL(count_threads() == 1);
    }
    allow_threads(INT_MAX);
    CHECK_INT(jr_client_new(config, &client), JR_OK);
    jr_config_free(config);
    perform(client, "PING");
    close_client(client);
    WAIT_UNTIL(count_threads() == 1);
}

/* A connection is lost while no thread can be started: when one can be, it is made again. */
static void a_moment_without_threads(int by_dialer) {
    jr_client *client = dialling_by_thread(by_dialer);
    perform(client, "PING");
    char connection[32];
    snprintf(connection, sizeof connection, "%" PRId64, run_number(client, "CLIENT", "ID"));
    jr_client *other = connect_client();
    allow_threads(0);
    perform(other, "CLIENT", "KILL", "ID", connection);
    WAIT_UNTIL(atomic_load(&refused) > 2);

    const jr_command ping = COMMAND("PING");
    jr_request request = request_of(&ping, 1);
    jr_reply *reply = NULL;
    request.timeout_ms = 20;
    CHECK_INT(jr_execute(client, &request, &reply), JR_ERR_TIMEOUT);
    CHECK(reply->flags & JR_OUTCOME_NOT_RUN);
    CHECK_HAS(reply->bytes, "could not start a thread");
    jr_reply_free(reply);

    allow_threads(INT_MAX);
    perform(client, "PING");
    close_client(other);
    close_client(client);
}

/* The same before the first connection: what waits is told why at once, and the next that comes finds a connection. */
static void a_first_moment_without_threads(int by_dialer) {
    jr_client *other = connect_client();
    perform(other, "PING");
    allow_threads(0);
    jr_client *client = dialling_by_thread(by_dialer);
    WAIT_UNTIL(atomic_load(&refused) > 2);
    jr_reply *reply = jr_run(client, "PING");
    CHECK_INT(reply->kind, JR_ERROR);
    CHECK_INT(reply->integer, JR_ERR_CONNECT);
    CHECK_HAS(reply->bytes, "could not start a thread");
    jr_reply_free(reply);
    allow_threads(INT_MAX);
    int64_t connected = 0;
    WAIT_UNTIL((reply = jr_run(client, "PING"), connected = reply->kind == JR_STATUS, jr_reply_free(reply), connected));
    close_client(client);
    close_client(other);
}

static atomic_int handled, elsewhere;
static pid_t main_thread;

static void handle(int number) {
    (void)number;
    atomic_fetch_add(&handled, 1);
    if ((pid_t)syscall(SYS_gettid) != main_thread)
        atomic_fetch_add(&elsewhere, 1);
}

static atomic_int called;

static void on_completion(const jr_completion *completion) {
    sigset_t mask;
    CHECK_INT(pthread_sigmask(SIG_SETMASK, NULL, &mask), 0);
    CHECK_INT(sigismember(&mask, SIGTERM), 1);
    /* What a fault raises must reach its handler. */
    CHECK_INT(sigismember(&mask, SIGSEGV), 0);
    jr_reply_free(completion->reply);
    atomic_fetch_add(&called, 1);
}

/* While the program blocks its signals, those for the process wait for it, however many threads the library has. */
static void signals_are_for_the_program(void) {
    const int numbers[] = {SIGUSR1, SIGTERM, SIGALRM, SIGCHLD, SIGRTMIN};
    enum { COUNT = sizeof numbers / sizeof *numbers };
    struct sigaction action = {.sa_handler = handle}, before[COUNT];
    sigset_t blocked, old, pending;
    main_thread = (pid_t)syscall(SYS_gettid);
    jr_client *client = dialling_by_thread(1);
    perform(client, "PING");
    CHECK_INT(submit(client, request_to(NULL, on_completion, 0), NULL, "PING"), JR_OK);
    WAIT_UNTIL(atomic_load(&called) == 1);
    CHECK(count_threads() >= 3);

    sigemptyset(&blocked);
    for (int i = 0; i < COUNT; i++) {
        sigaddset(&blocked, numbers[i]);
        CHECK_INT(sigaction(numbers[i], &action, &before[i]), 0);
    }
    CHECK_INT(pthread_sigmask(SIG_BLOCK, &blocked, &old), 0);
    for (int i = 0; i < COUNT; i++)
        CHECK_INT(kill(getpid(), numbers[i]), 0);
    /* Both threads of the library run meanwhile. */
    CHECK_INT(submit(client, request_to(NULL, on_completion, 0), NULL, "PING"), JR_OK);
    WAIT_UNTIL(atomic_load(&called) == 2);
    CHECK_INT(sigpending(&pending), 0);
    for (int i = 0; i < COUNT; i++)
        CHECK_INT(sigismember(&pending, numbers[i]), 1);
    CHECK_INT(pthread_sigmask(SIG_SETMASK, &old, NULL), 0);
    WAIT_UNTIL(atomic_load(&handled) == COUNT);
    CHECK_INT(atomic_load(&elsewhere), 0);
    for (int i = 0; i < COUNT; i++)
        CHECK_INT(sigaction(numbers[i], &before[i], NULL), 0);
    close_client(client);
}

/* A program that the process starts must not hold a connection open. */
static void exec_closes_what_a_dialer_brought(void) {
    jr_client *client = dialling_by_thread(1);
    perform(client, "PING");
    CHECK(fcntl(atomic_load(&brought), F_GETFD) & FD_CLOEXEC);
    close_client(client);
}

int main(void) {
    for (int has_logger = 0; has_logger < 2; has_logger++)
        no_client_without_its_threads(has_logger);
    for (int by_dialer = 0; by_dialer < 2; by_dialer++) {
        a_moment_without_threads(by_dialer);
        a_first_moment_without_threads(by_dialer);
    }
    signals_are_for_the_program();
    exec_closes_what_a_dialer_brought();
    return 0;
}
