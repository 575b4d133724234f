/* A password that is a token of two seconds, used for five (or as many as the first argument says): a callback brings
 * the next one in time, and a loop of GETs, a blocked BLPOP and a subscriber never see an error. Here a token is a user
 * of its own, whom the issuer deletes when it is over, which ends every connection that still has it. */
#include "example.h"
#include <pthread.h>
#include <string.h>
#include <time.h>

enum { TOKEN_MS = 2000, GRACE_MS = 500, MOST = 100 };

/* Who issues tokens: a cloud does so in its own way. */
struct issuer {
    jr_client *admin;
    pthread_mutex_t lock;
    int issued, over;
    int64_t ends[MOST];
};

static int64_t now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Makes the users of all tokens there will be. */
static void make_tokens(struct issuer *issuer) {
    char user[32], rule[40];
    for (int number = 0; number < MOST; number++) {
        snprintf(user, sizeof user, "jr-token-%d", number);
        snprintf(rule, sizeof rule, ">secret-%d", number);
        finish(jr_run(issuer->admin, "ACL", "SETUSER", user, "on", rule, "~*", "&*", "+@all"));
    }
}

/* Called on a library thread that may block, one call at a time. A real one would ask an issuer over the network. */
static jr_status token(void *user_data, const jr_credentials_query *query, jr_credentials *answer) {
    struct issuer *issuer = user_data;
    char user[32], password[32];
    pthread_mutex_lock(&issuer->lock);
    int number = issuer->issued < MOST ? issuer->issued++ : -1;
    if (number >= 0)
        issuer->ends[number] = now_ms() + TOKEN_MS + GRACE_MS;
    pthread_mutex_unlock(&issuer->lock);
    if (number < 0)
        return JR_ERR_AUTH; /* there are none left */
    snprintf(user, sizeof user, "jr-token-%d", number);
    snprintf(password, sizeof password, "secret-%d", number);
    printf("token %d for %s (%s)\n", number, query->address,
           query->reason == JR_CREDENTIALS_CONNECT ? "to connect" : "in time for the old one");
    return jr_credentials_set(answer, user, password, TOKEN_MS);
}

/* Deletes the users of tokens that are over by this time. */
static void end_tokens(struct issuer *issuer, int64_t time) {
    char user[32];
    for (;; issuer->over++) {
        pthread_mutex_lock(&issuer->lock);
        int is_over = issuer->over < issuer->issued && issuer->ends[issuer->over] <= time;
        pthread_mutex_unlock(&issuer->lock);
        if (!is_over)
            return;
        snprintf(user, sizeof user, "jr-token-%d", issuer->over);
        finish(jr_run(issuer->admin, "ACL", "DELUSER", user));
    }
}

/* Submits a command of two or three words, with its number as user data. */
static void submit(jr_client *client, jr_queue *queue, uint64_t number, const char *a, const char *b, const char *c) {
    jr_bytes args[] = {jr_text(a), jr_text(b), jr_text(c ? c : "")};
    jr_command command = {args, c ? 3 : 2};
    jr_request request = {.size = sizeof request, .commands = &command, .count = 1, .queue = queue};
    request.user_data = number;
    check(jr_submit(client, &request, NULL), a);
}

static jr_client *client_with_tokens(struct issuer *issuer) {
    const char *url = getenv("JR_URL");
    jr_config *config = jr_config_new();
    jr_client *client;
    check(jr_config_set(config, "url", url ? url : "redis://127.0.0.1:6379"), "JR_URL");
    check(jr_config_set_credentials(config, token, issuer, NULL), "jr_config_set_credentials");
    check(jr_client_new(config, &client), "jr_client_new");
    jr_config_free(config);
    return client;
}

int main(int count, char **arguments) {
    enum { JOB = 1, MESSAGE = 2 };
    struct issuer issuer = {.admin = new_client(), .lock = PTHREAD_MUTEX_INITIALIZER};
    make_tokens(&issuer);
    jr_client *client = client_with_tokens(&issuer);
    jr_queue *queue = jr_queue_new();
    int64_t end = now_ms() + 1000 * (count > 1 ? atoi(arguments[1]) : 5), next = 0;
    int reads = 0, sent = 0, jobs = 0, messages = 0;
    finish(jr_run(issuer.admin, "DEL", "jr:example:jobs"));
    submit(client, queue, MESSAGE, "SUBSCRIBE", "jr:example:news", NULL);
    submit(client, queue, JOB, "BLPOP", "jr:example:jobs", "0"); /* waits for ever */
    finish(jr_run(client, "SET", "jr:example:key", "value"));
    while (now_ms() < end || jobs < sent) {
        jr_reply *value = jr_run(client, "GET", "jr:example:key");
        reads++;
        finish(value); /* ends the program if it is an error */
        jr_completion completion;
        if (jr_queue_take(queue, &completion, 1, 1) == 1) {
            check(completion.status, completion.user_data == JOB ? "BLPOP" : "SUBSCRIBE");
            if (completion.user_data == JOB) {
                jobs++;
                submit(client, queue, JOB, "BLPOP", "jr:example:jobs", "0");
            } else if (completion.reply->kind == JR_PUSH && strcmp(completion.reply->items[0].bytes, "message") == 0) {
                messages++;
            }
            jr_reply_free(completion.reply);
        }
        if (now_ms() < end && now_ms() >= next) {
            next = now_ms() + 200;
            sent++;
            finish(jr_run(issuer.admin, "RPUSH", "jr:example:jobs", "job"));
            finish(jr_run(issuer.admin, "PUBLISH", "jr:example:news", "news"));
        }
        end_tokens(&issuer, now_ms());
    }
    printf("%d tokens, %d reads, %d of %d jobs, %d messages, and no error\n", issuer.issued, reads, jobs, sent,
           messages);
    end_client(client); /* the BLPOP and the subscription end first */
    jr_queue_free(queue);
    issuer.issued = MOST;
    end_tokens(&issuer, INT64_MAX); /* and those that were not needed */
    finish(jr_run(issuer.admin, "DEL", "jr:example:key"));
    end_client(issuer.admin);
    return 0;
}
