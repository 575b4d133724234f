/* A queue of the library, and who waits for what comes out of it. Each completion is delivered by the thread that takes
 * it: to a call that waits, or to a sink. */
#include "extension.h"

enum { BATCH = 256 };

static VALUE queue_class;
static ID id_queue;

static void leave_ring(Queue *queue, Pending *pending) {
    pending->previous->next = pending->next;
    pending->next->previous = pending->previous;
    queue->outstanding--;
}

Pending *pending_new(Queue *queue, const Options *options) {
    Pending *pending = ALLOC(Pending);
    pending->kind = NOBODY;
    pending->encoding = options->encoding;
    pending->returns_errors = options->returns_errors;
    pending->call = NULL;
    pending->sink = Qnil;
    pending->next = &queue->pending;
    pending->previous = queue->pending.previous;
    pending->previous->next = pending->next->previous = pending;
    queue->outstanding++;
    return pending;
}

void pending_free(Queue *queue, Pending *pending) {
    leave_ring(queue, pending);
    xfree(pending);
}

static void queue_mark(void *data) {
    Queue *queue = data;
    rb_gc_mark(queue->woken);
    for (Pending *pending = queue->pending.next; pending != &queue->pending; pending = pending->next)
        rb_gc_mark(pending->sink);
}

static void queue_free(void *data) {
    Queue *queue = data;
    jr_queue_free(queue->handle);
    for (Pending *pending = queue->pending.next; pending != &queue->pending;) {
        Pending *next = pending->next;
        xfree(pending);
        pending = next;
    }
    xfree(queue);
}

const rb_data_type_t queue_type = {
    .wrap_struct_name = "JustRedis::Native::Queue",
    .function = {.dmark = queue_mark, .dfree = queue_free},
    .flags = RUBY_TYPED_FREE_IMMEDIATELY,
};

VALUE queue_new(VALUE klass) {
    Queue *queue;
    VALUE self = TypedData_Make_Struct(klass, Queue, &queue_type, queue);
    queue->pending.next = queue->pending.previous = &queue->pending;
    queue->woken = Qnil;
    queue->generation = process_generation;
    /* Of fibers.rb. */
    rb_ivar_set(self, rb_intern("@followers"), rb_hash_new());
    queue->handle = jr_queue_new();
    if (!queue->handle)
        rb_raise(rb_eNoMemError, "no memory for a queue");
    return self;
}

static Queue *queue_of(VALUE self) {
    return rb_check_typeddata(self, &queue_type);
}

VALUE queue_of_thread(void) {
    VALUE thread = rb_thread_current();
    VALUE self = rb_attr_get(thread, id_queue);
    if (NIL_P(self) || queue_of(self)->generation != process_generation) {
        self = queue_new(queue_class);
        rb_ivar_set(thread, id_queue, self);
    }
    return self;
}

/* Completions that were taken, and how far their delivery has come. */
typedef struct {
    Queue *queue;
    jr_completion *batch;
    int64_t count;
    int64_t at;
    int settling; /* the one at `at` is converted */
    VALUE value;
    int failed;
} Delivery;

static VALUE dropped_before(const jr_completion *completion) {
    int64_t count = 0;
    if (completion->flags & JR_COMPLETION_DROPPED)
        jr_reply_int64(jr_reply_find(jr_reply_attributes(completion->reply), "dropped"), &count);
    return LL2NUM(count);
}

static void settle_sink(Queue *queue, VALUE object, const jr_completion *completion, const Delivery *delivery) {
    Sink *sink = rb_check_typeddata(object, &sink_type);
    int last = !(completion->flags & JR_COMPLETION_MORE);
    if (last) {
        sink->done = 1;
        sink->value = delivery->value;
        sink->failed = delivery->failed;
    }
    if (!NIL_P(sink->waiters)) {
        if (NIL_P(queue->woken))
            queue->woken = rb_ary_new();
        rb_ary_push(queue->woken, sink->waiters);
        sink->waiters = Qnil;
    }
    if (!last && !NIL_P(sink->messages)) {
        VALUE gap = completion->flags & JR_COMPLETION_GAP ? Qtrue : Qfalse;
        rb_ary_push(sink->messages, rb_ary_new_from_args(3, delivery->value, gap, dropped_before(completion)));
    }
}

/* A pending that is settled is gone, if this was its last completion. */
static void settle(Delivery *delivery) {
    Queue *queue = delivery->queue;
    const jr_completion *completion = &delivery->batch[delivery->at];
    Pending *pending = (Pending *)(uintptr_t)completion->user_data;
    if (pending->kind == CALL) {
        Call *call = pending->call;
        call->done = 1;
        call->value = delivery->value;
        call->failed = delivery->failed;
    } else if (pending->kind == SINK) {
        settle_sink(queue, pending->sink, completion, delivery);
    }
    if (!(completion->flags & JR_COMPLETION_MORE))
        pending_free(queue, pending);
}

static int is_failure(const jr_completion *completion, const Pending *pending) {
    if (completion->reply->kind != JR_ERROR || (completion->flags & JR_COMPLETION_MORE))
        return 0;
    return !pending->returns_errors;
}

static VALUE deliver_all(VALUE argument) {
    Delivery *delivery = (Delivery *)argument;
    while (delivery->at < delivery->count) {
        if (!delivery->settling) {
            const jr_completion *completion = &delivery->batch[delivery->at];
            const Pending *pending = (const Pending *)(uintptr_t)completion->user_data;
            delivery->failed = is_failure(completion, pending);
            delivery->value = Qnil;
            if (pending->kind != NOBODY)
                delivery->value = convert(completion->reply, pending->encoding);
            delivery->settling = 1;
        }
        settle(delivery);
        delivery->settling = 0;
        delivery->at++;
    }
    return Qnil;
}

/* What cannot be converted for want of memory is answered by that error, and those behind it are delivered. */
static void deliver(Queue *queue, jr_completion *batch, int64_t count) {
    Delivery delivery = {.queue = queue, .batch = batch, .count = count, .value = Qnil};
    while (delivery.at < count) {
        int state = 0;
        rb_protect(deliver_all, (VALUE)&delivery, &state);
        if (!state)
            break;
        if (delivery.settling) { /* a message that found no room */
            delivery.at++;
            delivery.settling = 0;
        } else {
            delivery.value = rb_errinfo();
            delivery.failed = delivery.settling = 1;
        }
        rb_set_errinfo(Qnil);
    }
    jr_completions_free(batch, (size_t)count);
}

typedef struct {
    const Queue *queue;
    jr_completion *batch;
    int32_t timeout_ms;
    int64_t count;
} Take;

static void *take(void *argument) {
    Take *take = argument;
    take->count = jr_queue_take(take->queue->handle, take->batch, BATCH, take->timeout_ms);
    return NULL;
}

/* Ends the wait of a thread that is interrupted; also in a signal handler. */
static void interrupt(void *argument) {
    jr_queue_wake(((const Queue *)argument)->handle);
}

void queue_deliver(Queue *queue, int32_t timeout_ms) {
    jr_completion batch[BATCH];
    Take arguments = {queue, batch, timeout_ms, 0};
    if (queue->generation != process_generation)
        rb_exc_raise(new_error(JR_ERR_FORKED, JR_OUTCOME_UNKNOWN, "it was sent by the parent process", 33));
    if (timeout_ms == 0) {
        take(&arguments);
    } else {
        queue->waiters++;
        /* Without a check for interrupts, which could raise when answers have been taken. */
        rb_nogvl(take, &arguments, interrupt, queue, RB_NOGVL_INTR_FAIL | RB_NOGVL_UBF_ASYNC_SAFE);
        queue->waiters--;
    }
    if (arguments.count < 0)
        raise_status((jr_status)arguments.count);
    if (arguments.count == 0)
        return;
    queue->bursts = arguments.count > 1;
    deliver(queue, batch, arguments.count);
    /* What was taken here may be what others wait for. */
    for (int i = 0; i < queue->waiters; i++)
        jr_queue_wake(queue->handle);
}

static VALUE queue_s_new(VALUE klass) {
    return queue_new(klass);
}

/* fileno -> Integer: readable when `ready` should be called. */
static VALUE queue_fileno(VALUE self) {
    int32_t descriptor = jr_queue_fd(queue_of(self)->handle);
    if (descriptor < 0)
        raise_status((jr_status)descriptor);
    return INT2NUM(descriptor);
}

/* ready: delivers what is there, without waiting. */
static VALUE queue_ready(VALUE self) {
    queue_deliver(queue_of(self), 0);
    return self;
}

/* woken -> Array or nil: the waiters of what was delivered; asked for once. */
static VALUE queue_woken(VALUE self) {
    Queue *queue = queue_of(self);
    VALUE woken = queue->woken;
    queue->woken = Qnil;
    return woken;
}

/* waits(number): so many more wait on the descriptor. */
static VALUE queue_waits(VALUE self, VALUE number) {
    queue_of(self)->waiters += NUM2INT(number);
    return self;
}

static VALUE queue_wake(VALUE self) {
    jr_queue_wake(queue_of(self)->handle);
    return self;
}

static VALUE queue_outstanding(VALUE self) {
    return SIZET2NUM(queue_of(self)->outstanding);
}

static VALUE queue_s_of_thread(VALUE klass) {
    (void)klass;
    return queue_of_thread();
}

void init_queue(void) {
    id_queue = rb_intern("__justredis_queue__");
    queue_class = rb_define_class_under(native, "Queue", rb_cObject);
    rb_undef_alloc_func(queue_class);
    rb_define_singleton_method(queue_class, "new", queue_s_new, 0);
    rb_define_singleton_method(queue_class, "of_thread", queue_s_of_thread, 0);
    rb_define_method(queue_class, "fileno", queue_fileno, 0);
    rb_define_method(queue_class, "ready", queue_ready, 0);
    rb_define_method(queue_class, "woken", queue_woken, 0);
    rb_define_method(queue_class, "waits", queue_waits, 1);
    rb_define_method(queue_class, "wake", queue_wake, 0);
    rb_define_method(queue_class, "outstanding", queue_outstanding, 0);
}
