/* Who moves the bytes: the thread that waits for its answer, whoever takes from a queue, the callback thread, or the
 * I/O thread. Whichever it is, requests are answered, time out, are cancelled and end with their client in the same
 * way. */
#include "check.h"

enum driver { CALLER, QUEUE, CALLBACK, BACKGROUND };

static const char *const names[] = {"caller", "queue", "callback", "background"};

/* One client, used in one way. */
static struct bench {
    enum driver driver;
    jr_client *client;
    jr_queue *queue;
    /* Where two queues are used in turn, none has the connection to itself. */
    jr_queue *other;
    pthread_mutex_t lock;
    pthread_cond_t called;
    int has_come;
    jr_completion completion;
} bench = {.lock = PTHREAD_MUTEX_INITIALIZER, .called = PTHREAD_COND_INITIALIZER};

static int64_t link_number(const char *key) {
    jr_reply *stats = NULL;
    CHECK_INT(jr_client_stats(bench.client, &stats), JR_OK);
    int64_t number = jr_reply_find(jr_reply_find(stats, "links")->items, key)->integer;
    jr_reply_free(stats);
    return number;
}

static void come(const jr_completion *completion) {
    pthread_mutex_lock(&bench.lock);
    CHECK(!bench.has_come);
    bench.completion = *completion;
    bench.has_come = 1;
    pthread_cond_signal(&bench.called);
    pthread_mutex_unlock(&bench.lock);
}

static jr_completion completion_of_callback(void) {
    pthread_mutex_lock(&bench.lock);
    while (!bench.has_come)
        pthread_cond_wait(&bench.called, &bench.lock);
    bench.has_come = 0;
    jr_completion completion = bench.completion;
    pthread_mutex_unlock(&bench.lock);
    return completion;
}

struct job {
    const char *words[4];
    uint32_t timeout;
    /* Of the request; 0 before it is submitted, and always of a caller, who has none. */
    _Atomic uint64_t id;
    jr_status status;
    jr_reply *reply;
};

static jr_queue *next_queue(void) {
    if (bench.driver == BACKGROUND) {
        jr_queue *queue = bench.queue;
        bench.queue = bench.other;
        bench.other = queue;
    }
    return bench.queue;
}

/* One request, to its end, in the way of the client. */
static void *perform_job(void *argument) {
    struct job *job = argument;
    jr_bytes room[4];
    const jr_command command = command_of(room, job->words);
    jr_request request = request_of(&command, 1);
    request.timeout_ms = job->timeout;
    uint64_t id = 0;
    jr_completion completion;
    switch (bench.driver) {
    case CALLER:
        job->status = jr_execute(bench.client, &request, &job->reply);
        return NULL;
    case QUEUE:
    case BACKGROUND:
        request.queue = next_queue();
        CHECK_INT(jr_submit(bench.client, &request, &id), JR_OK);
        atomic_store(&job->id, id);
        completion = take_one(request.queue);
        break;
    default:
        request.callback = come;
        CHECK_INT(jr_submit(bench.client, &request, &id), JR_OK);
        atomic_store(&job->id, id);
        completion = completion_of_callback();
    }
    CHECK(completion.request == id && is_one_outcome(completion.flags));
    job->status = completion.status;
    job->reply = completion.reply;
    return NULL;
}

static void answers(const char *text) {
    struct job job = {.words = {"ECHO", text}};
    perform_job(&job);
    CHECK_INT(job.status, JR_OK);
    CHECK_REPLY(job.reply, JR_STRING, text);
    jr_reply_free(job.reply);
}

/* A client whose bytes are moved by this driver. */
static void begin(enum driver driver) {
    bench.driver = driver;
    bench.client = connect_client();
    bench.queue = jr_queue_new();
    bench.other = jr_queue_new();
    const char *key = driver == CALLER ? "lone_calls" : "queue_turns";
    if (driver == BACKGROUND)
        answers("first");
    else
        WAIT_UNTIL((answers("again"), link_number(key) > 0));
}

static void end(void) {
    jr_client_free(bench.client);
    jr_queue_free(bench.queue);
    jr_queue_free(bench.other);
    bench.other = NULL;
}

static void completes(void) {
    char text[32];
    for (int i = 0; i < 2000; i++) {
        snprintf(text, sizeof text, "number %d", i);
        answers(text);
    }
    if (bench.driver == QUEUE || bench.driver == CALLBACK)
        CHECK_INT(link_number("lone_calls"), 0);
    if (bench.driver == CALLER)
        CHECK(link_number("lone_calls") >= 2000);
    if (bench.driver == BACKGROUND)
        CHECK_INT(link_number("lone_calls") + link_number("queue_turns"), 0);
}

/* Starts a write that the server, told by `control`, does not run yet; waits until it is sent. */
static pthread_t start_paused(const jr_client *control, struct job *job) {
    perform(control, "CLIENT", "PAUSE", "600000", "WRITE");
    int64_t sent = link_number("bytes_sent");
    pthread_t thread = start_thread(perform_job, job);
    WAIT_UNTIL(link_number("bytes_sent") > sent);
    return thread;
}

static void go_on(const jr_client *control, struct job *job, jr_status status, uint32_t outcome, const char *sentence) {
    CHECK_INT(job->status, status);
    CHECK_INT(job->reply->kind, JR_ERROR);
    CHECK_INT(job->reply->integer, status);
    CHECK_INT(job->reply->flags & 7, outcome);
    CHECK_HAS(job->reply->bytes, sentence);
    jr_reply_free(job->reply);
    perform(control, "CLIENT", "UNPAUSE");
}

/* A deadline ends its own request; its reply, which comes later, is nobody else's. */
static void times_out(const jr_client *control) {
    struct job job = {.words = {"INCR", "drivers"}, .timeout = 30};
    join_thread(start_paused(control, &job));
    go_on(control, &job, JR_ERR_TIMEOUT, JR_OUTCOME_UNKNOWN, "no answer within 30 ms");
    for (int i = 0; i < 20; i++)
        answers("after a timeout");
    CHECK_INT(link_number("connections"), 1);
}

/* The same for a cancelled one. A caller has no name for its request: there one that joined it is cancelled. */
static void is_cancelled(const jr_client *control) {
    struct job job = {.words = {"INCR", "drivers"}, .timeout = JR_TIMEOUT_NONE};
    pthread_t thread = start_paused(control, &job);
    uint64_t id = atomic_load(&job.id);
    if (bench.driver == CALLER) {
        CHECK_INT(submit(bench.client, request_to(bench.queue, NULL, 0), &id, "INCR", "joined"), JR_OK);
        CHECK_INT(jr_cancel(bench.client, id), JR_OK);
        jr_completion completion = take_one(bench.queue);
        CHECK_INT(completion.status, JR_ERR_CANCELED);
        CHECK(completion.request == id);
        jr_reply_free(completion.reply);
        perform(control, "CLIENT", "UNPAUSE");
        join_thread(thread);
        CHECK_INT(job.status, JR_OK);
        CHECK_INT(job.reply->kind, JR_INTEGER);
        jr_reply_free(job.reply);
    } else {
        CHECK_INT(jr_cancel(bench.client, id), JR_OK);
        join_thread(thread);
        go_on(control, &job, JR_ERR_CANCELED, JR_OUTCOME_UNKNOWN, "cancelled after it was sent");
    }
    for (int i = 0; i < 20; i++)
        answers("after a cancellation");
    CHECK_INT(link_number("connections"), 1);
}

/* Requests of several threads join and leave whoever moves the bytes. */
static void *answer_many(void *text) {
    for (int i = 0; i < 500; i++)
        perform(bench.client, "ECHO", text);
    return NULL;
}

static void is_joined(void) {
    pthread_t others[] = {start_thread(answer_many, "one"), start_thread(answer_many, "two")};
    for (int i = 0; i < 500; i++)
        answers("between others");
    join_thread(others[0]);
    join_thread(others[1]);
}

/* Whoever takes from the queue stays away after it wrote: the answers are read all the same. */
static void is_absent(void) {
    bench.driver = QUEUE;
    bench.client = connect_with("dead_after=600000");
    bench.queue = jr_queue_new();
    int64_t turns = 0;
    for (int absences = 0; absences < 5;) {
        WAIT_UNTIL((answers("present"), link_number("queue_turns") > turns));
        for (uint64_t i = 0; i < 3; i++)
            CHECK_INT(submit(bench.client, request_to(bench.queue, NULL, i), NULL, "PING"), JR_OK);
        jr_completion completions[3];
        int64_t count = jr_queue_take(bench.queue, completions, 3, 0);
        WAIT_UNTIL(link_number("waiting_requests") == 0);
        /* A fast server has answered before: then nobody had to take the turn over. */
        if (count < 3) {
            turns = link_number("queue_turns");
            absences++;
        }
        while (count < 3)
            completions[count++] = take_one(bench.queue);
        for (int i = 0; i < 3; i++) {
            CHECK_INT(completions[i].user_data, i);
            jr_reply_free(completions[i].reply);
        }
    }
    end();
}

/* What is under way when its client is closed ends with it, once. */
static void is_closed(const jr_client *control) {
    struct job job = {.words = {"INCR", "drivers"}, .timeout = JR_TIMEOUT_NONE};
    pthread_t thread = start_paused(control, &job);
    CHECK_INT(jr_client_close(bench.client, 20), JR_ERR_TIMEOUT);
    join_thread(thread);
    go_on(control, &job, JR_ERR_CLOSED, JR_OUTCOME_UNKNOWN, "closed");
}

/* What is answered in time ends well. */
static void is_drained(const jr_client *control) {
    struct job job = {.words = {"INCR", "drivers"}, .timeout = JR_TIMEOUT_NONE};
    pthread_t thread = start_paused(control, &job);
    perform(control, "CLIENT", "UNPAUSE");
    CHECK_INT(jr_client_close(bench.client, JR_TIMEOUT_NONE), JR_OK);
    join_thread(thread);
    CHECK_INT(job.status, JR_OK);
    CHECK_INT(job.reply->kind, JR_INTEGER);
    jr_reply_free(job.reply);
}

int main(void) {
    jr_client *control = connect_client();
    for (enum driver driver = CALLER; driver <= BACKGROUND; driver++) {
        printf("driver: %s\n", names[driver]);
        begin(driver);
        completes();
        times_out(control);
        is_cancelled(control);
        end();
        begin(driver);
        is_joined();
        end();
        begin(driver);
        is_drained(control);
        end();
        begin(driver);
        is_closed(control);
        end();
    }
    is_absent();
    close_client(control);
    return 0;
}
