/* fork: what the child inherits answers JR_ERR_FORKED, the parent is not disturbed, and new clients work in the child.
 */
#include "check.h"

/* The allocator of AddressSanitizer (of gcc 12, for one) does not survive a fork while another thread allocates: the
 * load pauses then, and scripts/test runs this program without it as well. */
#ifdef __SANITIZE_ADDRESS__
#define QUIET 1
#else
#define QUIET 0
#endif

static jr_client *client, *view;
static jr_queue *queue;
static jr_config *config;
static int is_child;

/* What the child leaves of the parent's handles, as rule 10 has it, is no leak. */
int __lsan_is_turned_off(void);
int __lsan_is_turned_off(void) {
    return is_child;
}

static size_t count_kind(const char *kind) {
    size_t count = 0;
    DIR *directory = opendir("/proc/self/fd");
    CHECK(directory != NULL);
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        char target[64] = "";
        if (readlinkat(dirfd(directory), entry->d_name, target, sizeof target - 1) > 0)
            count += strncmp(target, kind, strlen(kind)) == 0;
    }
    closedir(directory);
    return count;
}

static size_t count_sockets(void) {
    return count_kind("socket:");
}

static size_t count_epolls(void) {
    return count_kind("anon_inode:[eventpoll]");
}

/* Numbers beyond are not the library's: valgrind has its own there. */
#define KNOWN 1024

/* Every descriptor of the library is closed by exec. */
static void descriptors_are_closed_by_exec(const char *known) {
    DIR *directory = opendir("/proc/self/fd");
    CHECK(directory != NULL);
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        int descriptor = atoi(entry->d_name);
        if (entry->d_name[0] == '.' || descriptor == dirfd(directory) || descriptor >= KNOWN || known[descriptor])
            continue;
        CHECK(fcntl(descriptor, F_GETFD) & FD_CLOEXEC);
    }
    closedir(directory);
}

static void inherited_handles_answer(void) {
    const jr_command ping = COMMAND("PING");
    jr_request request = request_of(&ping, 1);
    jr_completion completion;
    jr_client *made = NULL;
    jr_reply *reply = NULL;
    for (int i = 0; i < 2; i++) {
        jr_client *handle = i ? view : client;
        CHECK_INT(jr_submit(handle, &request, NULL), JR_ERR_FORKED);
        CHECK_HAS(jr_error_text(), "fork");
        CHECK_INT(jr_submit_many(handle, &request, 1, NULL), JR_ERR_FORKED);
        CHECK_INT(jr_execute(handle, &request, NULL), JR_ERR_FORKED);
        CHECK_INT(jr_cancel(handle, 1), JR_ERR_FORKED);
        CHECK_INT(jr_client_events(handle, &request, NULL), JR_ERR_FORKED);
        CHECK_INT(jr_client_stats(handle, &reply), JR_ERR_FORKED);
        CHECK_INT(jr_client_database(handle, 1, &made), JR_ERR_FORKED);
        CHECK_INT(jr_client_close(handle, JR_TIMEOUT_NONE), JR_ERR_FORKED);
        CHECK_INT((reply = jr_run(handle, "PING"))->integer, JR_ERR_FORKED);
        jr_reply_free(reply);
        reply = NULL;
    }
    CHECK_INT(jr_queue_take(queue, &completion, 1, -1), JR_ERR_FORKED);
    CHECK_INT(jr_queue_fd(queue), JR_ERR_FORKED);
    jr_queue_wake(queue);
}

static void a_new_client_works(void) {
    size_t threads = count_threads();
    jr_queue *own = jr_queue_new();
    jr_client *fresh = NULL;
    CHECK_INT(jr_client_new(config, &fresh), JR_OK); /* options are memory and nothing else */
    perform(fresh, "SET", "fork", "child");
    jr_reply *reply = run(fresh, "GET", "fork");
    CHECK_REPLY(reply, JR_STRING, "child");
    jr_reply_free(reply);
    CHECK_INT(submit(fresh, request_to(queue, NULL, 0), NULL, "PING"), JR_ERR_FORKED);
    for (int i = 0; i < 100; i++)
        CHECK_INT(submit(fresh, request_to(own, NULL, 0), NULL, "PING"), JR_OK);
    for (int i = 0; i < 100; i++)
        jr_reply_free(take_one(own).reply);
    close_client(fresh);
    jr_queue_free(own);
    WAIT_UNTIL(count_threads() == threads); /* the kernel lists a joined thread for a moment longer */
}

static void free_what_was_inherited(int order) {
    if (order % 2)
        jr_queue_free(queue);
    jr_client_free(order % 4 < 2 ? client : view);
    jr_client_free(order % 4 < 2 ? view : client);
    if (order % 2 == 0)
        jr_queue_free(queue);
    jr_config_free(config);
}

static void child(int number) {
    is_child = 1;
    CHECK_INT(count_sockets(), 0);
    if (number % 5 == 4)
        _exit(0); /* one that knows nothing of the library */
    inherited_handles_answer();
    if (number % 3 != 2)
        a_new_client_works();
    if (number % 3 != 1) {
        free_what_was_inherited(number);
        CHECK_INT(count_sockets(), 0);
    }
    if (number % 2)
        exit(0);
    _exit(0);
}

static void join_child(pid_t process) {
    int status;
    CHECK(process > 0);
    CHECK(waitpid(process, &status, 0) == process);
    CHECK(WIFEXITED(status));
    CHECK_INT(WEXITSTATUS(status), 0);
}

static atomic_int stopping, echoes, called;
static int expected;
static pthread_rwlock_t load = PTHREAD_RWLOCK_WRITER_NONRECURSIVE_INITIALIZER_NP;

static int others_sleep(void) {
    int awake = 0;
    DIR *directory = opendir("/proc/self/task");
    CHECK(directory != NULL);
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        char path[300], stat[512] = "";
        snprintf(path, sizeof path, "/proc/self/task/%s/stat", entry->d_name);
        int file = entry->d_name[0] == '.' ? -1 : open(path, O_RDONLY | O_CLOEXEC);
        if (file < 0)
            continue;
        if (read(file, stat, sizeof stat - 1) > 0)
            awake += strstr(stat, ") S") == NULL;
        close(file);
    }
    closedir(directory);
    return awake <= 1; /* this one */
}

/* Stops the load and waits until every other thread sleeps and has nothing to wake up for. */
static void be_quiet(void) {
    struct pollfd poll_for = {jr_queue_fd(queue), POLLIN, 0};
    if (!QUIET)
        return;
    CHECK_INT(pthread_rwlock_wrlock(&load), 0);
    CHECK_INT(poll(&poll_for, 1, PATIENCE), 1);
    WAIT_UNTIL(atomic_load(&called) == expected);
    for (int times = 0; times < 3; times++) {
        pause_briefly();
        WAIT_UNTIL(others_sleep());
    }
}

static void be_loud(void) {
    if (QUIET)
        CHECK_INT(pthread_rwlock_unlock(&load), 0);
}

/* Load on the parent's connections: each answer is that of its own question. */
static void *echo(void *argument) {
    for (int i = 0; !atomic_load(&stopping); i++) {
        char text[64];
        snprintf(text, sizeof text, "echo %p %d", argument, i);
        if (QUIET)
            CHECK_INT(pthread_rwlock_rdlock(&load), 0);
        jr_reply *reply = run(i % 2 ? client : view, "ECHO", text);
        CHECK_REPLY(reply, JR_STRING, text);
        jr_reply_free(reply);
        be_loud();
        atomic_fetch_add(&echoes, 1);
    }
    return NULL;
}

static void count_called(const jr_completion *completion) {
    CHECK_INT(completion->status, JR_OK);
    jr_reply_free(completion->reply);
    atomic_fetch_add((atomic_int *)(uintptr_t)completion->user_data, 1);
}

/* In the child of a fork inside of a callback the thread is the program's own. */
static void fork_inside(const jr_completion *completion) {
    jr_reply_free(completion->reply);
    WAIT_UNTIL(!QUIET || others_sleep());
    pid_t process = fork();
    if (process == 0) {
        is_child = 1;
        a_new_client_works();
        _exit(0);
    }
    join_child(process);
    atomic_fetch_add((atomic_int *)(uintptr_t)completion->user_data, 1);
}

static void under_load(void) {
    enum { FORKS = 50, THREADS = 4 };
    pthread_t threads[THREADS];
    for (uintptr_t i = 0; i < THREADS; i++)
        threads[i] = start_thread(echo, (void *)i);
    for (int i = 0; i < FORKS; i++) {
        int before = atomic_load(&echoes);
        for (int n = 0; n < 20; n++, expected++)
            CHECK_INT(submit(client, request_to(NULL, count_called, (uintptr_t)&called), NULL, "PING"), JR_OK);
        CHECK_INT(submit(client, request_to(queue, NULL, 0), NULL, "PING"), JR_OK);
        be_quiet();
        pid_t process = fork();
        if (process == 0)
            child(i);
        be_loud();
        jr_reply_free(take_one(queue).reply);
        join_child(process);
        WAIT_UNTIL(atomic_load(&echoes) > before);
    }
    CHECK_INT(submit(client, request_to(queue, NULL, 0), NULL, "PING"), JR_OK);
    be_quiet();
    CHECK_INT(submit(client, request_to(NULL, fork_inside, (uintptr_t)&called), NULL, "PING"), JR_OK);
    WAIT_UNTIL(atomic_load(&called) == expected + 1);
    be_loud();
    jr_reply_free(take_one(queue).reply);
    atomic_store(&stopping, 1);
    for (int i = 0; i < THREADS; i++)
        join_thread(threads[i]);
}

/* What the callback thread waits with is gone in the child, also when nobody frees a handle there. */
static void the_callback_thread_leaves_nothing(void) {
    size_t in_child[2], in_parent[2];
    for (int i = 0; i < 2; i++) {
        if (i)
            /* Until the thread writes and reads itself. */
            for (int tries = 0; tries < 1000 && count_epolls() == in_parent[0]; tries++) {
                int wanted = atomic_load(&called) + 100;
                for (int n = 0; n < 100; n++)
                    CHECK_INT(submit(client, request_to(NULL, count_called, (uintptr_t)&called), NULL, "PING"), JR_OK);
                WAIT_UNTIL(atomic_load(&called) == wanted);
            }
        in_parent[i] = count_epolls();
        WAIT_UNTIL(!QUIET || others_sleep());
        pid_t process = fork();
        if (process == 0)
            _exit((int)count_epolls());
        int status;
        CHECK(process > 0 && waitpid(process, &status, 0) == process && WIFEXITED(status));
        in_child[i] = (size_t)WEXITSTATUS(status);
    }
    CHECK_INT(in_parent[1], in_parent[0] + 1);
    CHECK_INT(in_child[1], in_child[0]);
    expected = atomic_load(&called);
}

/* A child of a child is a child of its own. */
static void grandchild(void) {
    pid_t process = fork();
    if (process == 0) {
        is_child = 1;
        jr_client *fresh = connect_client();
        perform(fresh, "PING");
        WAIT_UNTIL(!QUIET || others_sleep());
        pid_t inner = fork();
        if (inner == 0) {
            const jr_command ping = COMMAND("PING");
            jr_request request = request_of(&ping, 1);
            CHECK_INT(jr_submit(fresh, &request, NULL), JR_ERR_FORKED);
            CHECK_INT(jr_submit(client, &request, NULL), JR_ERR_FORKED);
            a_new_client_works();
            jr_client_free(fresh);
            _exit(0);
        }
        join_child(inner);
        perform(fresh, "PING");
        close_client(fresh);
        _exit(0);
    }
    join_child(process);
}

int main(void) {
    static char known[KNOWN];
    for (int i = 0; i < KNOWN; i++)
        known[i] = fcntl(i, F_GETFD) != -1;
    config = config_of(server_url());
    CHECK_INT(jr_client_new(config, &client), JR_OK);
    CHECK_INT(jr_client_database(client, 1, &view), JR_OK);
    queue = jr_queue_new();
    CHECK(jr_queue_fd(queue) >= 0);
    perform(client, "PING");
    perform(view, "PING");
    descriptors_are_closed_by_exec(known);
    the_callback_thread_leaves_nothing();
    under_load();
    grandchild();

    /* Through all of that the parent has kept the connections that it had. */
    jr_reply *stats = NULL;
    CHECK_INT(jr_client_stats(client, &stats), JR_OK);
    const jr_reply *links = jr_reply_find(stats, "links");
    CHECK_INT(links->length, 2);
    for (size_t i = 0; i < links->length; i++)
        CHECK_INT(jr_reply_find(&links->items[i], "connections")->integer, 1);
    jr_reply_free(stats);
    jr_client_free(view);
    close_client(client);
    jr_queue_free(queue);
    jr_config_free(config);
    return 0;
}
