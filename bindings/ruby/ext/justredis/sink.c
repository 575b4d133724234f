/* What answers that are asked for later, and the messages of subscriptions, come to: Reply and Stream. */
#include "extension.h"

#include <math.h>
#include <time.h>

VALUE sink_class, stream_class;
static ID id_wait_in_fiber;

static void sink_mark(void *data) {
    Sink *sink = data;
    rb_gc_mark(sink->queue);
    rb_gc_mark(sink->client);
    rb_gc_mark(sink->value);
    rb_gc_mark(sink->messages);
    rb_gc_mark(sink->waiters);
}

const rb_data_type_t sink_type = {
    .wrap_struct_name = "JustRedis::Native::Sink",
    .function = {.dmark = sink_mark, .dfree = RUBY_DEFAULT_FREE},
    .flags = RUBY_TYPED_FREE_IMMEDIATELY,
};

static Sink *sink_of(VALUE self) {
    return rb_check_typeddata(self, &sink_type);
}

VALUE sink_new(VALUE klass, VALUE queue, VALUE client) {
    Sink *sink;
    VALUE self = TypedData_Make_Struct(klass, Sink, &sink_type, sink);
    sink->queue = queue;
    sink->client = client;
    sink->value = sink->waiters = sink->messages = Qnil;
    if (klass == stream_class)
        sink->messages = rb_ary_new();
    return self;
}

static int is_ready(const Sink *sink) {
    return sink->done || (!NIL_P(sink->messages) && RARRAY_LEN(sink->messages) > 0);
}

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* Milliseconds until then, rounded up, so that a wait does not end before it. */
static int32_t until(double end) {
    double left = ceil((end - now()) * 1000);
    return left <= 0 ? 0 : left > 1e9 ? (int32_t)1e9 : (int32_t)left;
}

VALUE sink_wait(VALUE self, VALUE timeout) {
    Sink *sink = sink_of(self);
    if (is_ready(sink))
        return Qtrue;
    VALUE scheduler = rb_fiber_scheduler_current();
    if (!NIL_P(scheduler))
        return rb_funcall(sink->queue, id_wait_in_fiber, 3, self, timeout, scheduler);
    Queue *queue = rb_check_typeddata(sink->queue, &queue_type);
    double end = NIL_P(timeout) ? INFINITY : now() + NUM2DBL(timeout);
    while (!is_ready(sink)) {
        int32_t left = isinf(end) ? -1 : until(end);
        queue_deliver(queue, left);
        if (left == 0 && !is_ready(sink))
            return Qfalse;
        rb_thread_check_ints();
    }
    RB_GC_GUARD(self);
    return Qtrue;
}

static VALUE sink_is_ready(VALUE self) {
    return is_ready(sink_of(self)) ? Qtrue : Qfalse;
}

static VALUE sink_is_done(VALUE self) {
    return sink_of(self)->done ? Qtrue : Qfalse;
}

/* result: the value, or the error is raised; of what is done. */
static VALUE sink_result(VALUE self) {
    Sink *sink = sink_of(self);
    if (sink->failed)
        rb_exc_raise(sink->value);
    return sink->value;
}

/* error -> exception or nil: of what is done. */
static VALUE sink_error(VALUE self) {
    Sink *sink = sink_of(self);
    return sink->failed ? sink->value : Qnil;
}

/* shift -> [value, gap, dropped] or nil: the next message that is there. */
static VALUE sink_shift(VALUE self) {
    VALUE messages = sink_of(self)->messages;
    return NIL_P(messages) ? Qnil : rb_ary_shift(messages);
}

static VALUE sink_request(VALUE self) {
    return ULL2NUM(sink_of(self)->request);
}

static VALUE sink_queue(VALUE self) {
    return sink_of(self)->queue;
}

static VALUE sink_waiters(VALUE self) {
    return sink_of(self)->waiters;
}

static VALUE sink_set_waiters(VALUE self, VALUE waiters) {
    return sink_of(self)->waiters = waiters;
}

/* cancel -> true or false: ends it; whether that was before its answer. */
static VALUE sink_cancel(VALUE self) {
    Sink *sink = sink_of(self);
    jr_client *handle = client_handle_if_any(sink->client);
    return !sink->done && handle && jr_cancel(handle, sink->request) == JR_OK ? Qtrue : Qfalse;
}

void init_sink(void) {
    id_wait_in_fiber = rb_intern("wait_in_fiber");
    sink_class = rb_define_class_under(native, "Sink", rb_cObject);
    stream_class = rb_define_class_under(native, "Stream", sink_class);
    rb_undef_alloc_func(sink_class);
    rb_undef_alloc_func(stream_class);
    rb_undef_method(rb_singleton_class(sink_class), "new");
    rb_define_method(sink_class, "wait", sink_wait, 1);
    rb_define_method(sink_class, "ready?", sink_is_ready, 0);
    rb_define_method(sink_class, "done?", sink_is_done, 0);
    rb_define_method(sink_class, "result", sink_result, 0);
    rb_define_method(sink_class, "error", sink_error, 0);
    rb_define_method(sink_class, "shift", sink_shift, 0);
    rb_define_method(sink_class, "request", sink_request, 0);
    rb_define_method(sink_class, "queue", sink_queue, 0);
    rb_define_method(sink_class, "waiters", sink_waiters, 0);
    rb_define_method(sink_class, "waiters=", sink_set_waiters, 1);
    rb_define_method(sink_class, "cancel", sink_cancel, 0);
}
