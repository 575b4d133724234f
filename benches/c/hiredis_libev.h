/* hiredis on libev: the adapter of both versions of hiredis that are measured, because the newest comes without any. It
 * does what the one of hiredis does: two watchers on the socket, started and stopped as hiredis asks. */
#ifndef HIREDIS_LIBEV_H
#define HIREDIS_LIBEV_H

#include <ev.h>
#include <hiredis/async.h>
#include <stdlib.h>

typedef struct hiredis_libev {
    redisAsyncContext *redis;
    struct ev_loop *loop;
    ev_io read, write;
} hiredis_libev;

static void hiredis_libev_readable(struct ev_loop *loop, ev_io *watcher, int events) {
    (void)loop;
    (void)events;
    redisAsyncHandleRead(watcher->data);
}

static void hiredis_libev_writable(struct ev_loop *loop, ev_io *watcher, int events) {
    (void)loop;
    (void)events;
    redisAsyncHandleWrite(watcher->data);
}

static void hiredis_libev_add_read(void *data) {
    hiredis_libev *adapter = data;
    ev_io_start(adapter->loop, &adapter->read);
}

static void hiredis_libev_del_read(void *data) {
    hiredis_libev *adapter = data;
    ev_io_stop(adapter->loop, &adapter->read);
}

static void hiredis_libev_add_write(void *data) {
    hiredis_libev *adapter = data;
    ev_io_start(adapter->loop, &adapter->write);
}

static void hiredis_libev_del_write(void *data) {
    hiredis_libev *adapter = data;
    ev_io_stop(adapter->loop, &adapter->write);
}

static void hiredis_libev_cleanup(void *data) {
    hiredis_libev_del_read(data);
    hiredis_libev_del_write(data);
    free(data);
}

static int hiredis_libev_attach(struct ev_loop *loop, redisAsyncContext *redis) {
    hiredis_libev *adapter = calloc(1, sizeof *adapter);
    if (!adapter)
        return REDIS_ERR;
    adapter->redis = redis;
    adapter->loop = loop;
    ev_io_init(&adapter->read, hiredis_libev_readable, redis->c.fd, EV_READ);
    ev_io_init(&adapter->write, hiredis_libev_writable, redis->c.fd, EV_WRITE);
    adapter->read.data = adapter->write.data = redis;
    redis->ev.addRead = hiredis_libev_add_read;
    redis->ev.delRead = hiredis_libev_del_read;
    redis->ev.addWrite = hiredis_libev_add_write;
    redis->ev.delWrite = hiredis_libev_del_write;
    redis->ev.cleanup = hiredis_libev_cleanup;
    redis->ev.data = adapter;
    return REDIS_OK;
}

#endif
