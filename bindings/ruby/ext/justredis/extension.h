/* The types of the extension and what its files share. Everything here is called with the GVL held, unless it says
 * otherwise. Nothing that delivers answers runs Ruby code: no other thread gets in between, and only a lack of memory
 * can raise there. */
#ifndef JUSTREDIS_EXTENSION_H
#define JUSTREDIS_EXTENSION_H

#include <ruby.h>
#include <ruby/encoding.h>
#include <ruby/fiber/scheduler.h>
#include <ruby/thread.h>
#include <ruby/util.h>

#include <justredis.h>

/* Counted up in a child of fork(): handles of another generation are those of the parent. */
extern unsigned process_generation;

/* The options of a request, made once and used for many. */
typedef struct {
    uint32_t flags;
    uint32_t timeout_ms;
    char *route;
    int encoding;       /* index of that which strings of answers get */
    int returns_errors; /* an error of the server is a value */
} Options;

/* What waits for a completion; its address is the completion's user_data. The queue holds it until then. */
typedef struct Pending {
    struct Pending *next;
    struct Pending *previous;
    enum Kind {
        NOBODY, /* it was given up */
        CALL,   /* a thread waits in a call */
        SINK,   /* an object waits */
    } kind;
    int encoding;
    int returns_errors;
    struct Call *call;
    VALUE sink;
} Pending;

/* A call that waits, on the stack of its thread. */
typedef struct Call {
    VALUE queue;
    VALUE client;
    Pending *pending;
    uint64_t request;
    int done;
    int failed; /* `value` is an exception to be raised */
    VALUE value;
} Call;

/* What an answer that is asked for later, or the messages of a subscription, come to. */
typedef struct {
    VALUE queue;
    VALUE client;
    uint64_t request;
    int done; /* the last completion has come */
    int failed;
    VALUE value;
    VALUE messages; /* of a stream: an array of [value, gap, dropped]; else nil */
    VALUE waiters;  /* an array of schedulers and fibers that wait, or nil */
} Sink;

/* A queue of the library. A thread has one for all its calls, a subscription has its own. */
typedef struct {
    jr_queue *handle;
    unsigned generation;
    Pending pending; /* the head of a ring */
    size_t outstanding;
    int waiters; /* threads and fibers that wait for what comes */
    int bursts;  /* of what was taken last there were several */
    VALUE woken; /* waiters of sinks that got something, or nil */
} Queue;

/* extension.c */
extern VALUE native;
extern ID id_value;
/* The symbol or the exception class of a status; `text` is copied. */
VALUE new_error(jr_status status, uint32_t outcome, const char *text, size_t length);
/* Raises what the last call of the library on this thread says. */
NORETURN(void raise_status(jr_status status));

/* reply.c */
VALUE convert(const jr_reply *reply, int encoding);

/* words.c */
enum { WORDS_ON_STACK = 16 };
/* Commands as the library reads them, and what keeps their words alive; made by commands_init. Whoever has it on the
 * stack must keep it there during the call of the library. */
typedef struct {
    size_t count;
    jr_command *commands;
    VALUE words; /* an array of words, or of arrays of them */
    volatile VALUE buffers[2];
    jr_command one;
    jr_bytes few[WORDS_ON_STACK];
} Commands;
/* `list` has the words of one command. */
void command_init(Commands *commands, VALUE list);
/* `list` has arrays of words. */
void commands_init(Commands *commands, VALUE list);
/* One word as a string. */
VALUE word(VALUE value);

/* queue.c */
void init_queue(void);
extern const rb_data_type_t queue_type;
VALUE queue_new(VALUE klass);
/* The queue of this thread, for its calls. */
VALUE queue_of_thread(void);
Pending *pending_new(Queue *queue, const Options *options);
void pending_free(Queue *queue, Pending *pending);
/* Takes what is there, or waits for it without the GVL, and delivers it. The caller then has to check for interrupts.
 * Raises when the queue is of no use any more. */
void queue_deliver(Queue *queue, int32_t timeout_ms);

/* sink.c */
void init_sink(void);
extern const rb_data_type_t sink_type;
extern VALUE sink_class, stream_class;
VALUE sink_new(VALUE klass, VALUE queue, VALUE client);
/* Waits until something is there, for so many seconds (nil: as long as it takes); whether something is. */
VALUE sink_wait(VALUE self, VALUE timeout);

/* client.c */
void init_client(void);
/* The handle, which is made when it is first needed, and again in a child process. Raises. */
jr_client *client_handle(VALUE client);
/* As it is; NULL if it was given back. */
jr_client *client_handle_if_any(VALUE client);

/* request.c */
void init_request(VALUE client_class);
extern const rb_data_type_t options_type;
/* How many threads wait in calls. */
extern int waiting_calls;

/* rounds.c: calls of many threads at the same time */
typedef struct Turn Turn;
/* A place for the answer of a request, which is to go to the queue that is given. NULL: no memory. */
Turn *turn_new(jr_queue **queue);
/* The request was not accepted. */
void turn_refused(Turn *turn);
/* Without the GVL: waits for the answer, or until it is interrupted. */
void *turn_wait(void *turn);
void turn_interrupt(void *turn);
/* What came, or NULL. */
const jr_completion *turn_completion(Turn *turn);
/* Nobody waits any more. True: it is not answered, and the request should be cancelled. */
int turn_end(Turn *turn);
/* A client was closed: nothing holds on to its connections. */
void turns_let_go(void);
void turns_in_child(void);

/* desk.c: functions of Ruby that the library calls. */
void init_desk(void);
void desk_use(VALUE desk, jr_config *config, int dials, int has_credentials);

#endif
