/* TLS of hiredis, which is OpenSSL's: the certificate of the server is checked, and that it is for the host. Built in
 * with WITH_TLS, as Debian's hiredis has none. */
#ifndef HIREDIS_TLS_H
#define HIREDIS_TLS_H

#include "measure.h"

#include <hiredis/hiredis.h>

#ifdef WITH_TLS
#include <hiredis/hiredis_ssl.h>

#define HIREDIS_TLS_LACKS ""

/* One for all connections; NULL without TLS. */
typedef redisSSLContext hiredis_tls;

static hiredis_tls *hiredis_tls_new(const measure_options *options) {
    redisSSLContextError error = REDIS_SSL_CTX_NONE;
    redisSSLOptions wanted = {.cacert_filename = options->tls_ca};
    wanted.verify_mode = REDIS_SSL_VERIFY_PEER;
    wanted.verify_name = options->host;
    if (!options->tls_ca)
        return NULL;
    hiredis_tls *tls = redisCreateSSLContextWithOptions(&wanted, &error);
    if (!tls)
        measure_give_up("hiredis", redisSSLContextGetError(error));
    return tls;
}

static void hiredis_tls_start(hiredis_tls *tls, redisContext *redis) {
    if (tls && redisInitiateSSLWithContext(redis, tls) != REDIS_OK)
        measure_give_up("hiredis", redis->errstr);
}

static void hiredis_tls_free(hiredis_tls *tls) {
    redisFreeSSLContext(tls);
}

#else

#define HIREDIS_TLS_LACKS " --tls-ca"

typedef void hiredis_tls;

static hiredis_tls *hiredis_tls_new(const measure_options *options) {
    (void)options;
    return NULL;
}

static void hiredis_tls_start(hiredis_tls *tls, redisContext *redis) {
    (void)tls, (void)redis;
}

static void hiredis_tls_free(hiredis_tls *tls) {
    (void)tls;
}

#endif
#endif
