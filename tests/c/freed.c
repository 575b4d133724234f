/* Whoever gets the completion of a request may free client and queue though the call that brought it about has not
 * returned yet. That call is held up behind each system call by which it wakes somebody, until they are freed;
 * AddressSanitizer fills what is freed, so that whoever uses it afterwards finds garbage. */
#include "check.h"

#include <dlfcn.h>
#include <sys/syscall.h>

const char *__asan_default_options(void);
const char *__asan_default_options(void) {
    return "max_free_fill_size=1048576:free_fill_byte=253";
}

enum { ROUNDS = 40, HELD_UP = 20, MANY = 100, LAST = 1 };

static _Thread_local int inside;
static atomic_int freed;

/* Gives others time; but they may need more than that, because this thread may hold a lock that they wait for. */
static void hold_up(void) {
    for (int i = 0; inside && !atomic_load(&freed) && i < HELD_UP; i++)
        pause_briefly();
}

/* The library calls these two in the place of those of libc: with the first it wakes its I/O thread, with the second a
 * thread that waits for a lock or a condition. */
long syscall(long number, ...) {
    static long (*_Atomic next)(long, ...);
    if (atomic_load(&next) == NULL) {
        union {
            void *object;
            long (*function)(long, ...);
        } found = {dlsym(RTLD_NEXT, "syscall")};
        atomic_store(&next, found.function);
    }
    long arguments[6];
    va_list list;
    va_start(list, number);
    for (int i = 0; i < 6; i++)
        arguments[i] = va_arg(list, long);
    va_end(list);
    long result =
        atomic_load(&next)(number, arguments[0], arguments[1], arguments[2], arguments[3], arguments[4], arguments[5]);
    int error = errno;
    if (number == SYS_futex)
        hold_up();
    errno = error;
    return result;
}

ssize_t write(int descriptor, const void *data, size_t size) {
    ssize_t written = syscall(SYS_write, descriptor, data, size);
    if (size == sizeof(uint64_t))
        hold_up();
    return written;
}

static struct {
    jr_client *client;
    jr_queue *queue;
} used;

static void free_all(void) {
    jr_queue_free(used.queue);
    jr_client_free(used.client);
    atomic_store(&freed, 1);
}

static void free_at_first(const jr_completion *completion) {
    jr_reply_free(completion->reply);
    if (!atomic_load(&freed))
        free_all();
}

/* Takes until it gets the last completion, or one when there is no other; then it frees. */
static void *take_and_free(void *argument) {
    (void)argument;
    for (;;) {
        jr_completion completion;
        int64_t count = jr_queue_take(used.queue, &completion, 1, 1);
        CHECK(count >= 0);
        if (count == 0)
            continue;
        jr_reply_free(completion.reply);
        if (completion.user_data == LAST)
            break;
    }
    free_all();
    return NULL;
}

static jr_request ping(uint64_t user_data) {
    static const jr_bytes word = {"PING", 4};
    static const jr_command command = {&word, 1};
    jr_request request = request_of(&command, 1);
    request.user_data = user_data;
    request.timeout_ms = 1000; /* earlier than what the timer waits for: it is woken, too */
    request.queue = used.queue;
    request.callback = used.queue ? NULL : free_at_first;
    return request;
}

static void connect_anew(int with_queue) {
    atomic_store(&freed, 0);
    used.client = connect_client();
    used.queue = with_queue ? jr_queue_new() : NULL;
    perform(used.client, "PING");
}

static void submits_one(int with_queue) {
    connect_anew(with_queue);
    jr_request request = ping(LAST);
    uint64_t id = 0;
    pthread_t taker;
    if (with_queue)
        taker = start_thread(take_and_free, NULL);
    inside = 1;
    CHECK_INT(jr_submit(used.client, &request, &id), JR_OK);
    inside = 0;
    CHECK(id != 0);
    WAIT_UNTIL(atomic_load(&freed));
    if (with_queue)
        join_thread(taker);
}

/* Some of them may come when the client is gone already. */
static void submits_many(int with_queue) {
    connect_anew(with_queue);
    jr_request requests[MANY];
    for (int i = 0; i < MANY; i++)
        requests[i] = ping(LAST);
    pthread_t taker;
    if (with_queue)
        taker = start_thread(take_and_free, NULL);
    inside = 1;
    int64_t accepted = jr_submit_many(used.client, requests, MANY, NULL);
    inside = 0;
    CHECK(accepted > 0 && accepted <= MANY);
    WAIT_UNTIL(atomic_load(&freed));
    if (with_queue)
        join_thread(taker);
}

static atomic_int over;

/* Whoever lets go of the client's lock has to wake this thread. */
static void *want_the_lock(void *view) {
    while (!atomic_load(&over))
        CHECK_INT(jr_cancel(view, 0), JR_ERR_NOT_FOUND);
    return NULL;
}

/* The taker writes and reads for itself, and is about to be told that there is something to write. */
static void tells_takers(void) {
    connect_anew(1);
    jr_client *view = NULL;
    CHECK_INT(jr_client_database(used.client, 0, &view), JR_OK);
    atomic_store(&over, 0);
    pthread_t threads[] = {start_thread(take_and_free, NULL), start_thread(want_the_lock, view),
                           start_thread(want_the_lock, view)};
    for (int i = 0; i < 12; i++) {
        jr_request request = ping(0);
        CHECK_INT(jr_submit(used.client, &request, NULL), JR_OK);
        pause_briefly();
    }
    jr_request request = ping(LAST);
    inside = 1;
    CHECK_INT(jr_submit(used.client, &request, NULL), JR_OK);
    inside = 0;
    WAIT_UNTIL(atomic_load(&freed));
    atomic_store(&over, 1);
    for (int i = 0; i < 3; i++)
        join_thread(threads[i]);
    jr_client_free(view);
}

static void cancels(const char *silent_url) {
    atomic_store(&freed, 0);
    used.client = client_of(silent_url);
    used.queue = NULL;
    jr_request request = ping(LAST);
    uint64_t id = 0;
    CHECK_INT(jr_submit(used.client, &request, &id), JR_OK);
    inside = 1;
    CHECK_INT(jr_cancel(used.client, id), JR_OK);
    inside = 0;
    WAIT_UNTIL(atomic_load(&freed));
}

static void *take_nothing_and_free(void *argument) {
    jr_completion completion;
    (void)argument;
    CHECK_INT(jr_queue_take(used.queue, &completion, 1, -1), 0);
    free_all();
    return NULL;
}

static void wakes(void) {
    connect_anew(1);
    pthread_t taker = start_thread(take_nothing_and_free, NULL);
    inside = 1;
    jr_queue_wake(used.queue);
    inside = 0;
    join_thread(taker);
}

int main(void) {
    alarm(100); /* a lock in freed memory may be waited for without end */
    struct silent_server silent = listen_silently();
    for (int i = 0; i < ROUNDS; i++) {
        for (int with_queue = 0; with_queue < 2; with_queue++) {
            submits_one(with_queue);
            submits_many(with_queue);
        }
        tells_takers();
        cancels(silent.url);
        wakes();
    }
    close(silent.descriptor);
    return 0;
}
