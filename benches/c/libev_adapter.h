/* hiredis or libvalkey on libev, because neither comes with an adapter as its sources are had. It does what the one of
 * hiredis does: two watchers on the socket, started and stopped as the library asks. Whoever includes this says which
 * library it is: LIBEV_CONTEXT is the type of its asynchronous context, LIBEV_READ and LIBEV_WRITE its functions. */
#ifndef LIBEV_ADAPTER_H
#define LIBEV_ADAPTER_H

#include <ev.h>
#include <stdlib.h>

typedef struct libev_adapter {
    struct ev_loop *loop;
    ev_io read, write;
} libev_adapter;

static void libev_readable(struct ev_loop *loop, ev_io *watcher, int events) {
    (void)loop;
    (void)events;
    LIBEV_READ(watcher->data);
}

static void libev_writable(struct ev_loop *loop, ev_io *watcher, int events) {
    (void)loop;
    (void)events;
    LIBEV_WRITE(watcher->data);
}

static void libev_add_read(void *data) {
    libev_adapter *adapter = data;
    ev_io_start(adapter->loop, &adapter->read);
}

static void libev_del_read(void *data) {
    libev_adapter *adapter = data;
    ev_io_stop(adapter->loop, &adapter->read);
}

static void libev_add_write(void *data) {
    libev_adapter *adapter = data;
    ev_io_start(adapter->loop, &adapter->write);
}

static void libev_del_write(void *data) {
    libev_adapter *adapter = data;
    ev_io_stop(adapter->loop, &adapter->write);
}

static void libev_cleanup(void *data) {
    libev_del_read(data);
    libev_del_write(data);
    free(data);
}

/* Gives 0, or -1 if there is no memory. `loop`: a struct ev_loop. */
static int libev_attach(LIBEV_CONTEXT *context, void *loop) {
    libev_adapter *adapter = calloc(1, sizeof *adapter);
    if (!adapter)
        return -1;
    adapter->loop = loop;
    ev_io_init(&adapter->read, libev_readable, context->c.fd, EV_READ);
    ev_io_init(&adapter->write, libev_writable, context->c.fd, EV_WRITE);
    adapter->read.data = adapter->write.data = context;
    context->ev.addRead = libev_add_read;
    context->ev.delRead = libev_del_read;
    context->ev.addWrite = libev_add_write;
    context->ev.delWrite = libev_del_write;
    context->ev.cleanup = libev_cleanup;
    context->ev.data = adapter;
    return 0;
}

#endif
