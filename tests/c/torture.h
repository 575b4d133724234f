/* What torture.c knows of its requests: which are under way, and whether a completion may be theirs. */
#ifndef TORTURE_H
#define TORTURE_H

#include "check.h"

#define ROOM 64 /* of the text that a request echoes */

enum state { UNUSED, WAITING, DONE, MAY_BE_DISCARDED };

static atomic_uchar *states; /* of each request, by its user_data */
static uint64_t limit;
static atomic_uint_fast64_t next_call = 1;
static atomic_long waiting, completed, answered;

/* xorshift64*: small, and the same everywhere. */
static uint64_t draw(uint64_t *random) {
    *random ^= *random >> 12, *random ^= *random << 25, *random ^= *random >> 27;
    return *random * UINT64_C(2685821657736338717);
}

static uint64_t below(uint64_t *random, uint64_t bound) {
    return (draw(random) >> 11) % bound;
}

static void take_brief_pause(uint64_t *random, long microseconds) {
    const struct timespec pause = {0, (long)below(random, (uint64_t)microseconds) * 1000};
    nanosleep(&pause, NULL);
}

static void text_of(uint64_t call, char *text) {
    snprintf(text, ROOM, "torture:%" PRIu64, call);
}

/* A request that will complete once; 0 when there have been enough. */
static uint64_t begin(enum state state) {
    uint64_t call = atomic_fetch_add(&next_call, 1);
    if (call >= limit)
        return 0;
    atomic_store(&states[call], (unsigned char)state);
    if (state == WAITING)
        atomic_fetch_add(&waiting, 1);
    return call;
}

static void finish(uint64_t call) {
    CHECK(call > 0 && call < limit);
    unsigned char before = atomic_exchange(&states[call], DONE);
    if (before == WAITING)
        atomic_fetch_sub(&waiting, 1);
    else if (before != MAY_BE_DISCARDED)
        fail(__FILE__, __LINE__, "call %" PRIu64 " completes in state %d", call, before);
    atomic_fetch_add(&completed, 1);
}

/* Was not accepted. */
static void take_back(uint64_t call, jr_status status) {
    CHECK(status == JR_ERR_CLOSED || status == JR_ERR_FULL);
    finish(call);
}

/* The echo of its own call, wherever it stands in the reply. */
static void check_echo(const jr_reply *reply, uint64_t call) {
    char text[ROOM];
    text_of(call, text);
    if (reply->kind == JR_ARRAY) {
        for (size_t i = 0; i < reply->length; i++)
            check_echo(&reply->items[i], call);
    } else if (reply->kind == JR_STRING && reply->length > 0) {
        CHECK_TEXT(reply->bytes, text);
    }
}

static void check_answer(jr_status status, uint32_t flags, const jr_reply *reply, uint64_t call) {
    CHECK(reply != NULL && is_one_outcome(flags));
    switch (status) {
    case JR_OK:
        CHECK(flags & JR_OUTCOME_ANSWERED);
        check_echo(reply, call);
        atomic_fetch_add(&answered, 1);
        break;
    case JR_ERR_TLS:
        /* Killed while it made a connection, a client was in this handshake. */
        CHECK_TEXT(scheme(), "rediss");
        /* fall through */
    case JR_ERR_TIMEOUT:
    case JR_ERR_CANCELED:
    case JR_ERR_CLOSED:
    case JR_ERR_LOST:
    case JR_ERR_LEASE_LOST:
    case JR_ERR_CONNECT:
        CHECK(!(flags & JR_OUTCOME_ANSWERED));
        CHECK(reply->kind == JR_ERROR ? reply->length > 0 : reply->kind == JR_ARRAY);
        break;
    default:
        fail(__FILE__, __LINE__, "%s: %s", jr_status_text(status), reply->bytes ? reply->bytes : "");
    }
}

static void settle(const jr_completion *completion) {
    if (!(completion->flags & JR_COMPLETION_MORE)) {
        check_answer(completion->status, completion->flags, completion->reply, completion->user_data);
        finish(completion->user_data);
    }
    jr_reply_free(completion->reply);
}

static void take(jr_queue *queue, int32_t timeout) {
    jr_completion completions[32];
    int64_t count = jr_queue_take(queue, completions, 32, timeout);
    CHECK(count >= 0);
    for (int64_t i = 0; i < count; i++)
        settle(&completions[i]);
}

#endif
