/* TLS: an authority of one's own, a client certificate, and what is said when something does not fit. */
#include "example.h"
#include <string.h>

/* As JR_TLS_URL=rediss://host:port, JR_TLS_CA=ca.pem, JR_TLS_CERTIFICATE=client.pem and JR_TLS_KEY=client.key say. */
static const char *setting(const char *name) {
    const char *value = getenv(name);
    if (!value) {
        fprintf(stderr, "set %s, as the comment in tls.c says; make demo does\n", name);
        exit(1);
    }
    return value;
}

/* Asks for a PING with these options, name and value in turn, and prints what comes of it; 1: the server answered. */
static int ping(const char *about, const char *const *options) {
    jr_config *config = jr_config_new();
    check(jr_config_set(config, "url", setting("JR_TLS_URL")), "JR_TLS_URL");
    for (; *options; options += 2)
        check(jr_config_set(config, options[0], options[1]), options[0]);
    jr_client *client;
    check(jr_client_new(config, &client), "jr_client_new");
    jr_config_free(config);
    jr_reply *reply = jr_run(client, "PING");
    printf("%s\n  -> ", about);
    print_reply(reply);
    printf("\n");
    int answered = reply->kind != JR_ERROR;
    jr_reply_free(reply);
    end_client(client);
    return answered;
}

/* What a file holds, as text: an option that is PEM, not a path, keeps keys in memory where no file may be. */
static char *content_of(const char *path) {
    FILE *file = fopen(path, "rb");
    char *text = calloc(1, 65536);
    if (!file || !text || fread(text, 1, 65535, file) == 0) {
        fprintf(stderr, "%s cannot be read\n", path);
        exit(1);
    }
    fclose(file);
    return text;
}

int main(void) {
    const char *ca = setting("JR_TLS_CA"), *certificate = setting("JR_TLS_CERTIFICATE"), *key = setting("JR_TLS_KEY");
    char *pem = content_of(key);
    const char *unknown[] = {"tls_certificate", certificate, "tls_key", key, NULL};
    const char *misnamed[] = {"tls_ca", ca, "tls_server_name", "redis.example", NULL};
    const char *nobody[] = {"tls_ca", ca, NULL};
    const char *right[] = {"tls_ca", ca, "tls_certificate", certificate, "tls_key", key, NULL};
    const char *in_memory[] = {"tls_ca", ca,  "tls_certificate", certificate, "tls_key", pem, "tls_minimum_version",
                               "1.3",    NULL};

    int refused = !ping("without its authority", unknown);
    refused += !ping("under another name", misnamed);
    refused += !ping("without a client certificate", nobody);
    int answered = ping("with both", right);
    answered += ping("with the key in memory, by TLS 1.3 only", in_memory);
    memset(pem, 0, 65536);
    free(pem);
    return refused == 3 && answered == 2 ? 0 : 1;
}
