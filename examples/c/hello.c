/* Sets a key, gets it again, and prints whatever goes wrong. */
#include <justredis.h>
#include <stdio.h>
#include <stdlib.h>

int main(void) {
    const char *url = getenv("JR_URL");
    jr_config *config = jr_config_new();
    jr_client *client = NULL;
    if ((url && jr_config_set(config, "url", url) != JR_OK) || jr_client_new(config, &client) != JR_OK)
        fprintf(stderr, "%s\n", jr_error_text());
    jr_reply *set = jr_run(client, "SET", "greeting", "Hello, World!");
    jr_reply *get = jr_run(client, "GET", "greeting");
    int failed = set->kind == JR_ERROR || get->kind == JR_ERROR;
    printf("SET: %s\nGET: %s\n", set->bytes, get->kind == JR_NIL ? "(nil)" : get->bytes);
    jr_reply_free(set);
    jr_reply_free(get);
    jr_client_close(client, 1000);
    jr_client_free(client);
    jr_config_free(config);
    return failed;
}
