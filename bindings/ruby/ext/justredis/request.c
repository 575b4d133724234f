/* Requests: commands and their options go to a client, the answer comes to a call that waits, or to a sink. */
#include "extension.h"

#include <time.h>

int waiting_calls;

static void options_free(void *data) {
    xfree(((Options *)data)->route);
    xfree(data);
}

const rb_data_type_t options_type = {
    .wrap_struct_name = "JustRedis::Native::Options",
    .function = {.dfree = options_free},
    .flags = RUBY_TYPED_FREE_IMMEDIATELY,
};

/* new(flags, timeout_ms, route, encoding, returns_errors): the route may be nil. */
static VALUE options_s_new(VALUE klass, VALUE flags, VALUE timeout, VALUE route, VALUE encoding, VALUE returns_errors) {
    Options *options;
    VALUE self = TypedData_Make_Struct(klass, Options, &options_type, options);
    options->flags = NUM2UINT(flags);
    options->timeout_ms = NUM2UINT(timeout);
    options->encoding = rb_enc_to_index(rb_to_encoding(encoding));
    options->returns_errors = RTEST(returns_errors);
    if (!NIL_P(route))
        options->route = ruby_strdup(StringValueCStr(route));
    return self;
}

/* What is to be sent, and how. */
typedef struct {
    VALUE client;
    VALUE queue;
    VALUE words; /* of one command, or, with `is_batch`, an array of such */
    const Options *options;
    int is_batch;
    uint32_t flags;
    uint64_t subscription;
} Order;

static Order order_new(VALUE client, VALUE queue, VALUE words, VALUE options) {
    Order order = {client, queue, words, rb_check_typeddata(options, &options_type), 0, 0, 0};
    return order;
}

/* The request, but for where its answer goes. */
static jr_request request_of(const Order *order, Commands *commands) {
    if (order->is_batch)
        commands_init(commands, order->words);
    else
        command_init(commands, order->words);
    return (jr_request){
        .size = sizeof(jr_request),
        .commands = commands->commands,
        .count = commands->count,
        .flags = order->options->flags | order->flags,
        .timeout_ms = order->options->timeout_ms,
        .route = order->options->route,
        .subscription = order->subscription,
    };
}

/* The library has read them. */
static void keep(Commands *commands) {
    RB_GC_GUARD(commands->words);
    RB_GC_GUARD(commands->buffers[0]);
    RB_GC_GUARD(commands->buffers[1]);
}

/* Submits it for one who waits, and gives the id of the request. Raises, and the pending is gone then. */
static uint64_t submit(const Order *order, Pending *pending, Queue *queue) {
    Commands commands;
    uint64_t id = 0;
    jr_request request = request_of(order, &commands);
    request.queue = queue->handle;
    request.user_data = (uint64_t)(uintptr_t)pending;
    /* Who sends one at a time saves the library's own wake-up; the first of many would pay for it, as would threads
     * that send at the same time. */
    if (queue->outstanding == 1 && !queue->bursts && waiting_calls <= 0)
        request.flags |= JR_REQUEST_NOW;
    jr_client *handle = client_handle_if_any(order->client);
    jr_status status = handle ? jr_submit(handle, &request, &id) : JR_ERR_CLOSED;
    keep(&commands);
    if (status != JR_OK)
        raise_status(status);
    return id;
}

typedef struct {
    const Order *order;
    Queue *queue;
    Pending *pending;
    uint64_t id;
    int sent;
} Submission;

static VALUE try_submit(VALUE argument) {
    Submission *submission = (Submission *)argument;
    submission->id = submit(submission->order, submission->pending, submission->queue);
    submission->sent = 1;
    return Qnil;
}

static VALUE end_submission(VALUE argument) {
    Submission *submission = (Submission *)argument;
    if (!submission->sent)
        pending_free(submission->queue, submission->pending);
    return Qnil;
}

/* The handle is made first, which may run code of the program. */
static uint64_t submit_pending(const Order *order, Queue *queue, Pending *pending) {
    Submission submission = {order, queue, pending, 0, 0};
    rb_ensure(try_submit, (VALUE)&submission, end_submission, (VALUE)&submission);
    return submission.id;
}

static VALUE start(VALUE klass, const Order *order) {
    Queue *queue = rb_check_typeddata(order->queue, &queue_type);
    client_handle(order->client);
    /* Answers that nobody asks for do not pile up. */
    if (queue->outstanding > 0 && queue->outstanding % 256 == 0)
        queue_deliver(queue, 0);
    VALUE self = sink_new(klass, order->queue, order->client);
    Sink *sink = rb_check_typeddata(self, &sink_type);
    Pending *pending = pending_new(queue, order->options);
    pending->kind = SINK;
    pending->sink = self;
    sink->request = submit_pending(order, queue, pending);
    return self;
}

static VALUE wait_for_call(VALUE argument) {
    Call *call = (Call *)argument;
    Queue *queue = rb_check_typeddata(call->queue, &queue_type);
    waiting_calls++;
    while (!call->done) {
        queue_deliver(queue, -1);
        if (!call->done)
            rb_thread_check_ints();
    }
    return Qnil;
}

/* Who is interrupted gives its request up. */
static VALUE end_call(VALUE argument) {
    Call *call = (Call *)argument;
    waiting_calls--;
    if (call->done)
        return Qnil;
    call->pending->kind = NOBODY;
    call->pending->call = NULL;
    jr_client *handle = client_handle_if_any(call->client);
    if (handle)
        jr_cancel(handle, call->request);
    return Qnil;
}

static VALUE wait_for_sink(VALUE sink) {
    sink_wait(sink, Qnil);
    return Qnil;
}

static VALUE end_sink(VALUE object) {
    Sink *sink = rb_check_typeddata(object, &sink_type);
    jr_client *handle = client_handle_if_any(sink->client);
    if (!sink->done && handle)
        jr_cancel(handle, sink->request);
    return Qnil;
}

/* A call of one of many threads. */
typedef struct {
    const Order *order;
    Turn *turn;
    uint64_t request;
} Round;

static VALUE wait_for_turn(VALUE argument) {
    Round *round = (Round *)argument;
    const jr_completion *completion;
    waiting_calls++;
    while (!(completion = turn_completion(round->turn))) {
        rb_nogvl(turn_wait, round->turn, turn_interrupt, round->turn, RB_NOGVL_INTR_FAIL);
        if (!turn_completion(round->turn))
            rb_thread_check_ints();
    }
    VALUE value = convert(completion->reply, round->order->options->encoding);
    if (completion->reply->kind == JR_ERROR && !round->order->options->returns_errors)
        rb_exc_raise(value);
    return value;
}

/* Who is interrupted gives its request up. */
static VALUE end_turn(VALUE argument) {
    const Round *round = (const Round *)argument;
    waiting_calls--;
    jr_client *handle = client_handle_if_any(round->order->client);
    if (turn_end(round->turn) && handle)
        jr_cancel(handle, round->request);
    return Qnil;
}

static VALUE run_in_rounds(const Order *order) {
    Commands commands;
    Round round = {order, NULL, 0};
    jr_request request = request_of(order, &commands);
    round.turn = turn_new(&request.queue);
    if (!round.turn)
        rb_raise(rb_eNoMemError, "no memory for a call");
    request.user_data = (uint64_t)(uintptr_t)round.turn;
    jr_client *handle = client_handle_if_any(order->client);
    jr_status status = handle ? jr_submit(handle, &request, &round.request) : JR_ERR_CLOSED;
    keep(&commands);
    if (status != JR_OK) {
        turn_refused(round.turn);
        raise_status(status);
    }
    return rb_ensure(wait_for_turn, (VALUE)&round, end_turn, (VALUE)&round);
}

/* Whether many threads call, one right after the other: looked at now and then. Those that do something else between
 * their calls would only wait for each other. */
static int are_many(void) {
    enum { CALLS = 64, NS_EACH = 20000 };
    static unsigned calls;
    static int64_t since;
    static int are_fast;
    if (++calls % CALLS == 0) {
        struct timespec time;
        clock_gettime(CLOCK_MONOTONIC, &time);
        int64_t now = (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
        are_fast = now - since < CALLS * NS_EACH;
        since = now;
    }
    return are_fast && waiting_calls >= 3;
}

/* Sends it and waits for its answer; other fibers of a scheduler go on meanwhile. */
static VALUE run(const Order *order) {
    if (!NIL_P(rb_fiber_scheduler_current())) {
        VALUE object = start(sink_class, order);
        rb_ensure(wait_for_sink, object, end_sink, object);
        Sink *sink = rb_check_typeddata(object, &sink_type);
        if (sink->failed)
            rb_exc_raise(sink->value);
        return sink->value;
    }
    Queue *queue = rb_check_typeddata(order->queue, &queue_type);
    client_handle(order->client);
    if (are_many())
        return run_in_rounds(order);
    Call call = {.queue = order->queue, .client = order->client, .value = Qnil};
    call.pending = pending_new(queue, order->options);
    call.pending->kind = CALL;
    call.pending->call = &call;
    call.request = submit_pending(order, queue, call.pending);
    rb_ensure(wait_for_call, (VALUE)&call, end_call, (VALUE)&call);
    if (call.failed)
        rb_exc_raise(call.value);
    return call.value;
}

/* call(words, options): sends a command and gives its answer. */
static VALUE client_call(VALUE self, VALUE words, VALUE options) {
    Order order = order_new(self, queue_of_thread(), words, options);
    return run(&order);
}

/* start(words, options) -> Sink: sends a command; its answer may be asked for later. */
static VALUE client_start(VALUE self, VALUE words, VALUE options) {
    Order order = order_new(self, queue_of_thread(), words, options);
    return start(sink_class, &order);
}

static Order batch_order(VALUE self, VALUE list, VALUE atomic, VALUE options) {
    Order order = order_new(self, queue_of_thread(), list, options);
    order.is_batch = 1;
    order.flags = RTEST(atomic) ? JR_REQUEST_ATOMIC : 0;
    return order;
}

/* batch([words, ...], atomic, options): a pipeline or a transaction. */
static VALUE client_batch(VALUE self, VALUE list, VALUE atomic, VALUE options) {
    Order order = batch_order(self, list, atomic, options);
    return run(&order);
}

static VALUE client_start_batch(VALUE self, VALUE list, VALUE atomic, VALUE options) {
    Order order = batch_order(self, list, atomic, options);
    return start(sink_class, &order);
}

/* stream(queue, words, options) -> Stream: a command with many answers. */
static VALUE client_stream(VALUE self, VALUE queue, VALUE words, VALUE options) {
    Order order = order_new(self, queue, words, options);
    return start(stream_class, &order);
}

/* change(stream, words, options) -> Sink: a command that changes a subscription. */
static VALUE client_change(VALUE self, VALUE stream, VALUE words, VALUE options) {
    const Sink *sink = rb_check_typeddata(stream, &sink_type);
    Order order = order_new(self, sink->queue, words, options);
    order.subscription = sink->request;
    return start(sink_class, &order);
}

/* events(queue, options) -> Stream: what happens to the connections. */
static VALUE client_events(VALUE self, VALUE queue_object, VALUE options) {
    Queue *queue = rb_check_typeddata(queue_object, &queue_type);
    jr_client *handle = client_handle(self);
    VALUE object = sink_new(stream_class, queue_object, self);
    Sink *sink = rb_check_typeddata(object, &sink_type);
    Pending *pending = pending_new(queue, rb_check_typeddata(options, &options_type));
    pending->kind = SINK;
    pending->sink = object;
    jr_request request = {.size = sizeof request, .queue = queue->handle, .user_data = (uint64_t)(uintptr_t)pending};
    jr_status status = jr_client_events(handle, &request, &sink->request);
    if (status != JR_OK) {
        pending_free(queue, pending);
        raise_status(status);
    }
    return object;
}

void init_request(VALUE client_class) {
    VALUE options_class = rb_define_class_under(native, "Options", rb_cObject);
    rb_undef_alloc_func(options_class);
    rb_define_singleton_method(options_class, "new", options_s_new, 5);
    rb_define_const(native, "REPLICA", UINT2NUM(JR_REQUEST_REPLICA));
    rb_define_const(native, "CACHED", UINT2NUM(JR_REQUEST_CACHED));
    rb_define_const(native, "IDEMPOTENT", UINT2NUM(JR_REQUEST_IDEMPOTENT));
    rb_define_const(native, "DEDICATED", UINT2NUM(JR_REQUEST_DEDICATED));
    rb_define_const(native, "NO_TIMEOUT", UINT2NUM(JR_TIMEOUT_NONE));
    rb_define_method(client_class, "call", client_call, 2);
    rb_define_method(client_class, "start", client_start, 2);
    rb_define_method(client_class, "batch", client_batch, 3);
    rb_define_method(client_class, "start_batch", client_start_batch, 3);
    rb_define_method(client_class, "stream", client_stream, 3);
    rb_define_method(client_class, "change", client_change, 3);
    rb_define_method(client_class, "events", client_events, 2);
}
