/*
 * What holds in every event loop, for the tests of the adapters (loop_*.c): each gives a struct loop, whose timer
 * counts ticks, and runs test_loop.
 */
#ifndef LOOP_H
#define LOOP_H

#include "check.h"

struct loop {
    void *(*attach)(jr_queue *queue, jr_callback callback); /* gives the watcher, or NULL */
    void (*detach)(void *watcher);
    void (*turn)(void); /* waits for a tick or a completion, and handles it */
};

/* The timer of the loop counts them, one in some milliseconds. */
static int ticks;

static const struct loop *loop;
static jr_client *client;
static jr_queue *queue;
static void *watcher;
static pthread_t loop_thread;
static uint64_t answered, wanted; /* completions so far, and how many a callback asks for in all */
static uint64_t detach_at;

static void ask(uint64_t number) {
    CHECK_INT(submit(client, request_to(queue, NULL, number), NULL, "INCR", "jr:test:loop"), JR_OK);
}

static void turn_until(uint64_t count) {
    while (answered < count)
        loop->turn();
    CHECK_INT(answered, count);
}

/* Nothing but ticks comes. */
static void only_ticks(void) {
    uint64_t before = answered;
    for (int end = ticks + 3; ticks < end;)
        loop->turn();
    CHECK_INT(answered, before);
}

/* Until all answers are in the queue, without taking any. */
static void wait_for_answers(void) {
    for (int64_t left = 1; left != 0;) {
        jr_reply *map;
        CHECK_INT(jr_client_stats(client, &map), JR_OK);
        CHECK_INT(jr_reply_int64(jr_reply_find(map, "requests"), &left), JR_OK);
        jr_reply_free(map);
        pause_briefly();
    }
}

static void attach(jr_callback callback) {
    answered = 0;
    watcher = loop->attach(queue, callback);
    CHECK(watcher != NULL);
}

static void on_answer_in_order(const jr_completion *completion) {
    CHECK(pthread_equal(pthread_self(), loop_thread));
    CHECK_INT(completion->status, JR_OK);
    CHECK_INT(completion->user_data, answered);
    CHECK_INT(completion->reply->integer, answered + 1);
    jr_reply_free(completion->reply);
    answered++;
}

static void answers_come_in_order(void) {
    perform(client, "DEL", "jr:test:loop");
    attach(on_answer_in_order);
    for (uint64_t i = 0; i < 1000; i++)
        ask(i);
    turn_until(1000);
    only_ticks();
    loop->detach(watcher);
}

static void on_answer(const jr_completion *completion) {
    CHECK_INT(completion->status, JR_OK);
    jr_reply_free(completion->reply);
    answered++;
}

static void the_loop_goes_on_while_a_command_blocks(void) {
    attach(on_answer);
    CHECK_INT(submit(client, request_to(queue, NULL, 0), NULL, "BLPOP", "jr:test:loop:list", "0"), JR_OK);
    only_ticks();
    perform(client, "RPUSH", "jr:test:loop:list", "item");
    turn_until(1);
    loop->detach(watcher);
}

static void on_answer_ask_again(const jr_completion *completion) {
    on_answer(completion);
    if (completion->user_data + 1 < wanted)
        ask(completion->user_data + 1);
}

static void callbacks_ask_for_more(void) {
    attach(on_answer_ask_again);
    wanted = 2000;
    ask(0);
    turn_until(wanted);
    answered = 0;
    for (uint64_t i = 0; i < 300; i++) /* more than are taken at a time */
        ask(wanted - 50);
    turn_until(50 * 300);
    loop->detach(watcher);
}

static void on_answer_detach(const jr_completion *completion) {
    on_answer(completion);
    CHECK(answered <= detach_at);
    if (answered == detach_at)
        loop->detach(watcher);
}

/* Also when others were taken together with it, which are discarded. */
static void a_callback_may_detach_and_is_the_last(void) {
    attach(on_answer_detach);
    detach_at = 3;
    for (uint64_t i = 0; i < 300; i++)
        ask(i);
    wait_for_answers();
    turn_until(detach_at);
    only_ticks();
    jr_queue_free(queue);
    only_ticks();
    queue = jr_queue_new();
}

static void detached_completions_stay_in_the_queue(void) {
    jr_completion taken[16];
    attach(on_answer);
    ask(0);
    turn_until(1);
    for (uint64_t i = 0; i < 10; i++)
        ask(i);
    loop->detach(watcher);
    wait_for_answers();
    only_ticks();
    CHECK_INT(jr_queue_take(queue, taken, 4, 0), 4);
    for (int i = 0; i < 4; i++)
        jr_reply_free(taken[i].reply);
    attach(on_answer);
    turn_until(6);
    loop->detach(watcher);
}

/* The new queue may have the number of the old descriptor. */
static void a_queue_may_be_freed_when_it_is_detached(void) {
    for (int round = 0; round < 20; round++) {
        attach(on_answer);
        ask(0);
        if (round % 2 == 0)
            turn_until(1);
        loop->detach(watcher);
        jr_queue_free(queue);
        queue = jr_queue_new();
        if (round % 3 == 0)
            loop->turn();
    }
}

static void several_queues_share_a_loop(void) {
    jr_queue *first = queue, *second = jr_queue_new();
    void *others;
    attach(on_answer);
    others = loop->attach(second, on_answer);
    for (int i = 0; i < 50; i++) {
        queue = i % 2 ? first : second;
        ask(0);
    }
    queue = first;
    turn_until(50);
    loop->detach(others);
    jr_queue_free(second);
    ask(0);
    turn_until(51);
    loop->detach(watcher);
}

static void on_end(const jr_completion *completion) {
    CHECK(completion->status == JR_OK || completion->status == JR_ERR_CANCELED);
    jr_reply_free(completion->reply);
    answered++;
}

/* All comes, and then the loop does not watch it any more, though its descriptor stays readable. */
static void a_queue_that_is_closed_hands_over_everything(void) {
    attach(on_end);
    CHECK_INT(submit(client, request_to(queue, NULL, 0), NULL, "BLPOP", "jr:test:loop:list", "0"), JR_OK);
    for (uint64_t i = 0; i < 300; i++)
        ask(i);
    CHECK_INT(jr_queue_close(queue), JR_OK);
    turn_until(301);
    only_ticks();
    loop->detach(watcher);
    jr_queue_free(queue);
    queue = jr_queue_new();
}

static void test_loop(const struct loop *tested) {
    loop = tested;
    loop_thread = pthread_self();
    client = connect_client();
    queue = jr_queue_new();
    CHECK(loop->attach(NULL, on_answer) == NULL);
    loop->detach(NULL);
    answers_come_in_order();
    the_loop_goes_on_while_a_command_blocks();
    callbacks_ask_for_more();
    a_callback_may_detach_and_is_the_last();
    detached_completions_stay_in_the_queue();
    a_queue_may_be_freed_when_it_is_detached();
    several_queues_share_a_loop();
    a_queue_that_is_closed_hands_over_everything();
    close_client(client);
    jr_queue_free(queue);
}

#endif
