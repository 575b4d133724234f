/* How clients end: freed in any order, closed in time, under fire from other threads, or not at all. */
#include "check.h"

static void views_in_any_order(void) {
    for (int order = 0; order < 6; order++) {
        jr_client *handles[3] = {connect_client(), NULL, NULL};
        CHECK_INT(jr_client_database(handles[0], 1, &handles[1]), JR_OK);
        CHECK_INT(jr_client_database(handles[1], 2, &handles[2]), JR_OK);
        for (int i = 0; i < 3; i++) {
            char text[2] = {(char)('0' + i), '\0'};
            perform(handles[i], "SET", "life:database", text);
        }
        for (int i = 0; i < 3; i++)
            CHECK_INT(run_number(handles[i], "GET", "life:database"), i);
        int first = order / 2, second = (first + 1 + order % 2) % 3, third = 3 - first - second;
        jr_client_free(handles[first]);
        CHECK_INT(run_number(handles[second], "GET", "life:database"), second);
        jr_client_free(handles[second]);
        CHECK_INT(run_number(handles[third], "GET", "life:database"), third);
        jr_client_free(handles[third]);
    }
    /* Closing a view ends that handle only; closing the client ends its views. */
    jr_client *client = connect_client(), *view = NULL;
    CHECK_INT(jr_client_database(client, 1, &view), JR_OK);
    CHECK_INT(jr_client_close(view, 0), JR_OK);
    CHECK_INT(submit(view, request_to(NULL, NULL, 0), NULL, "PING"), JR_ERR_CLOSED);
    CHECK_INT(jr_client_close(view, 0), JR_OK);
    jr_client_free(view);
    perform(client, "PING");
    CHECK_INT(jr_client_database(client, 1, &view), JR_OK);
    CHECK_INT(jr_client_close(client, 1000), JR_OK);
    CHECK_INT(submit(view, request_to(NULL, NULL, 0), NULL, "PING"), JR_ERR_CLOSED);
    jr_client_free(client);
    CHECK_INT(submit(view, request_to(NULL, NULL, 0), NULL, "PING"), JR_ERR_CLOSED);
    jr_client_free(view);
}

static atomic_int called;

static void count_closed(const jr_completion *completion) {
    if (completion->status != JR_ERR_CLOSED && completion->status != JR_OK)
        fail(__FILE__, __LINE__, "status %d: %s", completion->status, completion->reply->bytes);
    jr_reply_free(completion->reply);
    atomic_fetch_add(&called, 1);
}

/* Takes `count` completions with user_data 0 .. count - 1, each once; gives how many were answered. */
static int each_once(jr_queue *queue, uint64_t count) {
    int answered = 0;
    for (uint64_t i = 0; i < count; i++) {
        jr_completion completion = take_one(queue);
        CHECK(completion.user_data < count);
        CHECK(is_one_outcome(completion.flags));
        if (completion.status == JR_OK) {
            answered++;
        } else {
            CHECK_INT(completion.status, JR_ERR_CLOSED);
            CHECK_INT(completion.reply->kind, JR_ERROR);
            CHECK(!(completion.flags & JR_OUTCOME_ANSWERED));
            CHECK_INT(completion.reply->flags & 7, completion.flags);
        }
        jr_reply_free(completion.reply);
    }
    jr_completion none;
    CHECK_INT(jr_queue_take(queue, &none, 1, 0), 0);
    return answered;
}

static void freed_with_requests_under_way(void) {
    enum { COUNT = 100 };
    struct silent_server silent = listen_silently();
    for (int round = 0; round < 100; round++) {
        jr_queue *queue = jr_queue_new();
        jr_client *client = round % 2 ? client_of(silent.url) : connect_client();
        atomic_store(&called, 0);
        if (round % 4 == 0)
            perform(client, "PING");
        for (uint64_t i = 0; i < COUNT; i++) {
            CHECK_INT(submit(client, request_to(queue, NULL, i), NULL, "PING"), JR_OK);
            CHECK_INT(submit(client, request_to(NULL, count_closed, i), NULL, "PING"), JR_OK);
            CHECK_INT(submit(client, request_to(NULL, NULL, i), NULL, "PING"), JR_OK);
        }
        jr_client_free(client);
        int answered = each_once(queue, COUNT);
        if (round % 2)
            CHECK_INT(answered, 0);
        WAIT_UNTIL(atomic_load(&called) == COUNT);
        jr_queue_free(queue);
    }
    close(silent.descriptor);
}

static void closed_with_a_deadline(void) {
    enum { COUNT = 1000 };
    jr_queue *queue = jr_queue_new();
    jr_client *client = connect_client();
    for (uint64_t i = 0; i < COUNT; i++)
        CHECK_INT(submit(client, request_to(queue, NULL, i), NULL, "PING"), JR_OK);
    CHECK_INT(jr_client_close(client, JR_TIMEOUT_NONE), JR_OK);
    CHECK_INT(each_once(queue, COUNT), COUNT); /* all drained */
    CHECK_INT(jr_client_close(client, JR_TIMEOUT_NONE), JR_OK);
    CHECK_INT(jr_client_close(client, 0), JR_OK);
    CHECK_INT(submit(client, request_to(queue, NULL, 0), NULL, "PING"), JR_ERR_CLOSED);
    CHECK_HAS(jr_error_text(), "closed");
    jr_request target = request_to(queue, NULL, 0);
    jr_client *view = NULL;
    CHECK_INT(jr_client_events(client, &target, NULL), JR_ERR_CLOSED);
    CHECK_INT(jr_client_database(client, 5, &view), JR_ERR_CLOSED);
    CHECK_INT(jr_cancel(client, 1), JR_ERR_NOT_FOUND);
    jr_client_free(client);

    /* One that never answers, and one that is stopped. */
    struct silent_server silent = listen_silently();
    jr_client *other = connect_client();
    for (int kind = 0; kind < 2; kind++) {
        client = kind ? connect_client() : client_of(silent.url);
        if (kind) {
            perform(client, "PING");
            CHECK_INT(submit(other, request_to(NULL, NULL, 0), NULL, "DEBUG", "SLEEP", "0.5"), JR_OK);
        }
        for (uint64_t i = 0; i < COUNT; i++)
            CHECK_INT(submit(client, request_to(queue, NULL, i), NULL, "PING"), JR_OK);
        jr_status status = jr_client_close(client, 20);
        CHECK(status == JR_ERR_TIMEOUT || (kind && status == JR_OK));
        int answered = each_once(queue, COUNT);
        CHECK(status == JR_OK ? answered == COUNT : answered < (kind ? COUNT : 1));
        jr_client_free(client);
    }
    close(silent.descriptor);
    close_client(other);
    jr_queue_free(queue);
}

struct race {
    jr_client *client;
    jr_queue *queue;
    atomic_int started, accepted;
};

/* Submits to the queue, to a callback, to nowhere, and waits, until the client is closed. */
static void *submit_until_closed(void *argument) {
    struct race *race = argument;
    atomic_fetch_add(&race->started, 1);
    for (int i = 0;; i++) {
        jr_status status;
        if (i % 8 == 7) {
            const jr_command ping = COMMAND("PING");
            jr_request request = request_of(&ping, 1);
            status = jr_execute(race->client, &request, NULL);
            CHECK(status == JR_OK || status == JR_ERR_CLOSED);
        } else {
            jr_request target = request_to(i % 8 < 5 ? race->queue : NULL, i % 8 == 5 ? count_closed : NULL, 0);
            status = submit(race->client, target, NULL, "PING");
            if (status == JR_OK && i % 8 <= 5)
                atomic_fetch_add(&race->accepted, 1);
        }
        if (status == JR_ERR_CLOSED)
            return NULL;
        CHECK_INT(status, JR_OK);
    }
}

/* `way` 0 and 1: close, at once or drained; 2: two closers. */
static void closed_under_fire(int rounds, int submitters) {
    for (int round = 0; round < rounds; round++) {
        struct race race = {connect_client(), jr_queue_new(), 0, 0};
        pthread_t threads[20];
        atomic_store(&called, 0);
        for (int i = 0; i < submitters; i++)
            threads[i] = start_thread(submit_until_closed, &race);
        while (atomic_load(&race.started) < 1 + round % submitters)
            sched_yield();
        if (round % 4 == 0)
            pause_briefly();
        jr_status status = jr_client_close(race.client, round % 2 ? JR_TIMEOUT_NONE : 0);
        CHECK(status == JR_OK || (round % 2 == 0 && status == JR_ERR_TIMEOUT));
        int called_by_close = atomic_load(&called);
        for (int i = 0; i < submitters; i++)
            join_thread(threads[i]);
        CHECK_INT(atomic_load(&called), called_by_close);
        jr_client_free(race.client);
        jr_completion completion;
        int completed = called_by_close;
        for (; jr_queue_take(race.queue, &completion, 1, 0) == 1; completed++) {
            CHECK(completion.status == JR_OK || completion.status == JR_ERR_CLOSED);
            CHECK(is_one_outcome(completion.flags));
            jr_reply_free(completion.reply);
        }
        CHECK_INT(completed, atomic_load(&race.accepted));
        jr_queue_free(race.queue);
    }
}

static void *close_it(void *client) {
    CHECK_INT(jr_client_close(client, JR_TIMEOUT_NONE), JR_OK);
    return NULL;
}

static void *nothing(void *argument) {
    return argument;
}

/* After close threads and descriptors are what they were before the client: none is left behind. */
static void leaves_nothing(void) {
    join_thread(start_thread(nothing, NULL)); /* a sanitizer may start a thread of its own beside the first one */
    size_t threads = count_threads(), descriptors = count_descriptors();
    for (int round = 0; round < 50; round++) {
        jr_client *client = connect_client(), *view = NULL;
        jr_queue *queue = jr_queue_new();
        atomic_store(&called, 0);
        CHECK(jr_queue_fd(queue) >= 0);
        CHECK_INT(jr_client_database(client, 3, &view), JR_OK);
        CHECK_INT(submit(client, request_to(NULL, count_closed, 0), NULL, "PING"), JR_OK);
        CHECK_INT(submit(view, request_to(queue, NULL, 0), NULL, "PING"), JR_OK);
        if (round % 2) {
            pthread_t other = start_thread(close_it, client);
            close_it(client);
            /* The other closer itself may still be there. */
            WAIT_UNTIL(count_threads() <= threads + 1);
            join_thread(other);
        } else {
            close_it(client);
        }
        WAIT_UNTIL(count_threads() == threads); /* the kernel lists a joined thread for a moment longer */
        CHECK_INT(atomic_load(&called), 1);
        jr_reply_free(take_one(queue).reply);
        jr_client_free(client);
        jr_client_free(view);
        jr_queue_free(queue);
        CHECK_INT(count_descriptors(), descriptors);
    }
    /* Without close they go as well, only later. */
    for (int round = 0; round < 50; round++) {
        jr_client *client = connect_client();
        CHECK_INT(submit(client, request_to(NULL, count_closed, 0), NULL, "PING"), JR_OK);
        jr_client_free(client);
    }
    WAIT_UNTIL(count_threads() == threads && count_descriptors() == descriptors);
}

/* In a process of its own: ends with everything still at work. */
static int exit_without_close(void) {
    static jr_client *client, *unanswered;
    static jr_queue *queue;
    struct silent_server silent = listen_silently();
    client = connect_client();
    unanswered = client_of(silent.url);
    queue = jr_queue_new();
    for (int i = 0; i < 1000; i++) {
        CHECK_INT(submit(client, request_to(queue, NULL, 0), NULL, "PING"), JR_OK);
        CHECK_INT(submit(client, request_to(NULL, count_closed, 0), NULL, "PING"), JR_OK);
        CHECK_INT(submit(unanswered, request_to(queue, NULL, 0), NULL, "PING"), JR_OK);
    }
    exit(7);
}

static void survives_exit(const char *program) {
    for (int round = 0; round < 10; round++) {
        pid_t child = fork();
        int status;
        if (child == 0) {
            execl(program, program, "exit", (char *)NULL);
            _exit(1);
        }
        CHECK(waitpid(child, &status, 0) == child);
        CHECK(WIFEXITED(status));
        CHECK_INT(WEXITSTATUS(status), 7);
    }
}

int main(int count, char **arguments) {
    if (count == 2 && strcmp(arguments[1], "exit") == 0)
        return exit_without_close();
    leaves_nothing();
    views_in_any_order();
    freed_with_requests_under_way();
    closed_with_a_deadline();
    closed_under_fire(200, 8);
    closed_under_fire(40, 20);
    survives_exit(arguments[0]);
    return 0;
}
