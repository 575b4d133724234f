/* Callbacks: in order, each once, on a thread of their own, and free to submit, cancel and free whatever they like. */
#include "check.h"

static atomic_int calls, released;
static _Atomic uint64_t next_expected;
static jr_client *client;

/* The gate that a callback waits at until the test opens it. */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int is_open;
static atomic_int at_gate;

static void open_gate(int open) {
    pthread_mutex_lock(&mutex);
    is_open = open;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&mutex);
}

static void wait_at_gate(const jr_completion *completion) {
    jr_reply_free(completion->reply);
    atomic_fetch_add(&at_gate, 1);
    pthread_mutex_lock(&mutex);
    while (!is_open)
        pthread_cond_wait(&changed, &mutex);
    pthread_mutex_unlock(&mutex);
    atomic_fetch_sub(&at_gate, 1);
}

static void count_call(const jr_completion *completion) {
    CHECK(is_one_outcome(completion->flags));
    jr_reply_free(completion->reply);
    atomic_fetch_add(&calls, 1);
}

static void in_order(const jr_completion *completion) {
    static pthread_t thread;
    if (completion->user_data == 0)
        thread = pthread_self();
    CHECK(pthread_equal(thread, pthread_self()));
    CHECK_INT(completion->user_data, atomic_load(&next_expected));
    CHECK_INT(completion->status, JR_OK);
    CHECK_REPLY(completion->reply, JR_STATUS, "PONG");
    jr_reply_free(completion->reply);
    atomic_fetch_add(&next_expected, 1);
}

static void come_in_order_and_once(void) {
    enum { COUNT = 20000 };
    for (uint64_t i = 0; i < COUNT; i++)
        CHECK_INT(submit(client, request_to(NULL, in_order, i), NULL, "PING"), JR_OK);
    WAIT_UNTIL(atomic_load(&next_expected) == COUNT);
    perform(client, "PING");
    CHECK_INT(atomic_load(&next_expected), COUNT);
}

/* Counts down by submitting itself again, until 0. */
static void submit_again(const jr_completion *completion) {
    jr_reply_free(completion->reply);
    if (completion->user_data > 0) {
        CHECK_INT(submit(client, request_to(NULL, submit_again, completion->user_data - 1), NULL, "PING"), JR_OK);
    } else {
        atomic_fetch_add(&calls, 1);
    }
}

static jr_queue *from_inside;

static void refuse_to_wait(const jr_completion *completion) {
    const jr_command ping = COMMAND("PING");
    jr_request request = request_of(&ping, 1);
    jr_completion taken;
    jr_reply *reply = NULL;
    jr_reply_free(completion->reply);
    CHECK_INT(jr_execute(client, &request, &reply), JR_ERR_DEADLOCK);
    CHECK_INT(reply->integer, JR_ERR_DEADLOCK);
    CHECK_INT(reply->flags & 7, JR_OUTCOME_NOT_RUN);
    jr_reply_free(reply);
    CHECK_INT(jr_execute(client, &request, NULL), JR_ERR_DEADLOCK);
    CHECK(jr_error_text()[0] != '\0');
    reply = jr_run(client, "PING");
    CHECK_INT(reply->integer, JR_ERR_DEADLOCK);
    jr_reply_free(reply);
    CHECK_INT(jr_client_close(client, 0), JR_ERR_DEADLOCK);
    CHECK_INT(jr_queue_take(from_inside, &taken, 1, -1), JR_ERR_DEADLOCK);
    CHECK_INT(jr_queue_take(from_inside, &taken, 1, 1), JR_ERR_DEADLOCK);
    CHECK_INT(jr_queue_take(from_inside, &taken, 1, 0), 0);
    jr_queue_wake(from_inside);
    atomic_fetch_add(&calls, 1);
}

static void submit_and_cancel(const jr_completion *completion) {
    uint64_t id = 0;
    jr_reply_free(completion->reply);
    CHECK_INT(jr_cancel(client, completion->request), JR_ERR_NOT_FOUND); /* itself is over */
    CHECK_INT(submit(client, request_to(NULL, count_call, 0), &id, "PING"), JR_OK);
    jr_status status = jr_cancel(client, id);
    CHECK(status == JR_OK || status == JR_ERR_NOT_FOUND);
    jr_queue_free(from_inside);
    from_inside = NULL;
}

static void may_use_the_library(void) {
    jr_completion taken;
    from_inside = jr_queue_new();
    atomic_store(&calls, 0);
    for (int i = 0; i < 10; i++)
        CHECK_INT(submit(client, request_to(NULL, submit_again, 200), NULL, "PING"), JR_OK);
    WAIT_UNTIL(atomic_load(&calls) == 10);

    CHECK_INT(submit(client, request_to(NULL, refuse_to_wait, 0), NULL, "PING"), JR_OK);
    CHECK_INT(jr_queue_take(from_inside, &taken, 1, PATIENCE), 0); /* woken from inside */
    WAIT_UNTIL(atomic_load(&calls) == 11);
    for (int i = 0; i < 20; i++)
        CHECK_INT(submit(client, request_to(from_inside, NULL, 0), NULL, "PING"), JR_OK);
    CHECK_INT(submit(client, request_to(NULL, submit_and_cancel, 0), NULL, "PING"), JR_OK);
    WAIT_UNTIL(atomic_load(&calls) == 12);
}

static void free_client(const jr_completion *completion) {
    jr_reply_free(completion->reply);
    jr_client_free((jr_client *)(uintptr_t)completion->user_data);
    atomic_fetch_add(&released, 1);
}

/* The last handle goes inside of a callback with requests behind it: each of them is completed all the same. */
static void may_free_the_client(void) {
    enum { ROUNDS = 100, BEHIND = 50 };
    atomic_store(&calls, 0);
    for (int round = 0; round < ROUNDS; round++) {
        jr_client *last = connect_client();
        if (round % 2)
            perform(last, "PING");
        uint64_t handle = (uint64_t)(uintptr_t)last;
        /* The client may be gone as soon as the callback is submitted: so all go in one call. */
        const jr_command ping = COMMAND("PING");
        jr_request requests[BEHIND + 1];
        for (int i = 0; i <= BEHIND; i++) {
            requests[i] = request_to(NULL, i == BEHIND / 2 ? free_client : count_call, handle);
            requests[i].commands = &ping;
            requests[i].count = 1;
        }
        jr_client *view = NULL;
        CHECK_INT(jr_client_database(last, 1, &view), JR_OK);
        CHECK_INT(jr_submit_many(view, requests, BEHIND + 1, NULL), BEHIND + 1);
        jr_client_free(view);
    }
    WAIT_UNTIL(atomic_load(&released) == ROUNDS && atomic_load(&calls) == ROUNDS * BEHIND);
}

/* How often whoever takes, and so the callback thread, began to write and read. */
static int64_t queue_turns(const jr_client *of) {
    jr_reply *stats = NULL;
    CHECK_INT(jr_client_stats(of, &stats), JR_OK);
    const jr_reply *links = jr_reply_find(stats, "links");
    int64_t turns = 0;
    for (size_t i = 0; i < links->length; i++)
        turns += jr_reply_find(&links->items[i], "queue_turns")->integer;
    jr_reply_free(stats);
    return turns;
}

/* While one callback sleeps, queues are served and deadlines of others pass. */
static void delay_nobody_else(void) {
    jr_queue *queue = jr_queue_new();
    struct silent_server silent = listen_silently();
    jr_client *unanswered = client_of(silent.url);
    atomic_store(&calls, 0);
    open_gate(0);
    CHECK_INT(submit(client, request_to(NULL, wait_at_gate, 0), NULL, "PING"), JR_OK);
    WAIT_UNTIL(atomic_load(&at_gate) == 1);
    CHECK_INT(submit(client, request_to(NULL, count_call, 0), NULL, "PING"), JR_OK);
    for (int i = 0; i < 100; i++) {
        CHECK_INT(submit(client, request_to(queue, NULL, 0), NULL, "PING"), JR_OK);
        jr_completion completion = take_one(queue);
        CHECK_INT(completion.status, JR_OK);
        jr_reply_free(completion.reply);
    }
    jr_request target = request_to(queue, NULL, 0);
    target.timeout_ms = 5;
    CHECK_INT(submit(unanswered, target, NULL, "PING"), JR_OK);
    jr_completion completion = take_one(queue);
    CHECK_INT(completion.status, JR_ERR_TIMEOUT);
    jr_reply_free(completion.reply);
    CHECK_INT(atomic_load(&calls), 0); /* behind the one that sleeps */
    open_gate(1);
    WAIT_UNTIL(atomic_load(&calls) == 1);
    jr_client_free(unanswered);
    close(silent.descriptor);
    jr_queue_free(queue);
}

static void callbacks_read_for_themselves(void) {
    int64_t before = queue_turns(client);
    atomic_store(&calls, 0);
    for (int attempts = 0; queue_turns(client) == before && attempts < 1000; attempts++) {
        int wanted = atomic_load(&calls) + 1;
        CHECK_INT(submit(client, request_to(NULL, submit_again, 100), NULL, "PING"), JR_OK);
        WAIT_UNTIL(atomic_load(&calls) == wanted);
    }
#ifdef __linux__
    CHECK(queue_turns(client) > before);
#endif
}

static void *call_again_and_again(void *unused) {
    for (int i = 0; i < 100; i++)
        perform(client, "PING");
    return unused;
}

/* The callback thread has the connection to itself and does not come back: what is submitted meanwhile is written and
 * read all the same, whoever submits it. */
static void delay_nobody_on_their_connection(void) {
    jr_client *other = connect_client();
    pthread_t threads[3];
    perform(other, "SET", "callbacks", "0");
    for (int round = 0; round < 20; round++) {
        callbacks_read_for_themselves();
        atomic_store(&calls, 0);
        open_gate(0);
        CHECK_INT(submit(client, request_to(NULL, wait_at_gate, 0), NULL, "PING"), JR_OK);
        WAIT_UNTIL(atomic_load(&at_gate) == 1);
        for (int i = 0; i < 10; i++)
            CHECK_INT(submit(client, request_to(NULL, count_call, 0), NULL, "INCR", "callbacks"), JR_OK);
        if (round % 2) {
            for (int i = 0; i < 3; i++)
                threads[i] = start_thread(call_again_and_again, NULL);
            for (int i = 0; i < 3; i++)
                join_thread(threads[i]);
        }
        WAIT_UNTIL(run_number(other, "GET", "callbacks") == 10 * (round + 1));
        CHECK_INT(atomic_load(&calls), 0); /* behind the one that sleeps */
        open_gate(1);
        WAIT_UNTIL(atomic_load(&calls) == 10);
    }
    close_client(other);
}

/* What waits for callbacks is bounded: see max_unread. */
static void are_bounded(void) {
    enum { MOST = 10 };
    jr_client *bounded = connect_with("max_unread=10");
    atomic_store(&calls, 0);
    open_gate(0);
    CHECK_INT(submit(bounded, request_to(NULL, wait_at_gate, 0), NULL, "PING"), JR_OK);
    WAIT_UNTIL(atomic_load(&at_gate) == 1);
    for (int i = 0; i < MOST; i++)
        CHECK_INT(submit(bounded, request_to(NULL, count_call, 0), NULL, "PING"), JR_OK);
    CHECK_INT(submit(bounded, request_to(NULL, count_call, 0), NULL, "PING"), JR_ERR_FULL);
    CHECK_HAS(jr_error_text(), "max_unread");
    perform(bounded, "PING");
    open_gate(1);
    WAIT_UNTIL(atomic_load(&calls) == MOST);
    CHECK_INT(submit(bounded, request_to(NULL, count_call, 0), NULL, "PING"), JR_OK);
    close_client(bounded);
    CHECK_INT(atomic_load(&calls), MOST + 1);
}

static atomic_int is_closed;

static void before_the_end(const jr_completion *completion) {
    CHECK(!atomic_load(&is_closed));
    pause_briefly();
    CHECK(!atomic_load(&is_closed));
    jr_reply_free(completion->reply);
    atomic_fetch_add(&calls, 1);
}

/* close waits for the callback that runs and those behind it; after it none comes. */
static void end_with_close(void) {
    for (int round = 0; round < 20; round++) {
        jr_client *short_lived = connect_client();
        atomic_store(&calls, 0);
        atomic_store(&is_closed, 0);
        for (int i = 0; i < 10; i++)
            CHECK_INT(submit(short_lived, request_to(NULL, before_the_end, 0), NULL, "PING"), JR_OK);
        jr_status status = jr_client_close(short_lived, round % 2 ? JR_TIMEOUT_NONE : 0);
        CHECK(status == JR_OK || (round % 2 == 0 && status == JR_ERR_TIMEOUT));
        CHECK_INT(atomic_load(&calls), 10);
        atomic_store(&is_closed, 1);
        CHECK_INT(submit(short_lived, request_to(NULL, before_the_end, 0), NULL, "PING"), JR_ERR_CLOSED);
        jr_client_free(short_lived);
    }
}

int main(void) {
    client = connect_client();
    come_in_order_and_once();
    may_use_the_library();
    may_free_the_client();
    delay_nobody_else();
    delay_nobody_on_their_connection();
    are_bounded();
    end_with_close();
    close_client(client);
    return 0;
}
