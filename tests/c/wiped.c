/* Passwords that are not needed any more are nowhere in the memory of the process. */
#include "check.h"
#include <sys/mman.h>

/* Only its end is looked for: where memory was freed, the beginning is overwritten anyway. */
enum { LENGTH = 64, END = 32, MASK = 0x15 };

/* The password is put together when it is needed, so that this program holds none to be found. */
static char password[LENGTH + 1];

static char letter(int which, int place) {
    return (char)('A' + ((unsigned)(100 * which + place + 1) * 2654435761U >> 20) % 26);
}

static const char *make_password(int which) {
    for (int i = 0; i < LENGTH; i++)
        password[i] = letter(which, i);
    return password;
}

static void wipe_password(void) {
    volatile char *place = password;
    for (int i = 0; i < LENGTH; i++)
        place[i] = 0;
}

/* How often it stands between these two; compared with as it never stands in memory, for the same reason. */
__attribute__((no_sanitize_address)) static int count_in(const char *start, const char *end, const char *masked) {
    int count = 0;
    for (; start + END <= end; start++) {
        int i = 0;
        while (i < END && (start[i] ^ MASK) == masked[i])
            i++;
        count += i == END;
    }
    return count;
}

/* Reads a part of the memory through the kernel, which says so where there is none. */
static int count_in_memory(int which) {
    static char line[512], masked[END];
    for (int i = 0; i < END; i++)
        masked[i] = (char)(letter(which, LENGTH - END + i) ^ MASK);
    enum { SIZE = 1 << 16 };
    /* Apart from all other memory, so that it can be told from it. */
    char *part = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(part != MAP_FAILED);
    int count = 0, memory = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
    FILE *maps = fopen("/proc/self/maps", "re");
    CHECK(memory >= 0 && maps != NULL);
    while (fgets(line, sizeof line, maps)) {
        unsigned long long start, end;
        char rights[8];
        /* The largest are the books of AddressSanitizer. */
        if (sscanf(line, "%llx-%llx %7s", &start, &end, rights) != 3 || rights[1] != 'w' || end - start > 1ULL << 28)
            continue;
        while (start < end) {
            size_t most = end - start < SIZE ? (size_t)(end - start) : SIZE;
            ssize_t got = pread(memory, part, most, (off_t)start);
            if (got <= 0)
                break;
            if (start + (size_t)got <= (uintptr_t)part || start >= (uintptr_t)(part + SIZE))
                count += count_in(part, part + got, masked);
            if (got < (ssize_t)most || most < SIZE)
                break;
            start += (size_t)got - END; /* it may stand across the border */
        }
    }
    munmap(part, SIZE);
    fclose(maps);
    close(memory);
    return count;
}

/* What is on its way out may take a moment. */
static void until_gone(int which) {
    for (int looks = 0; count_in_memory(which) > 0; looks++) {
        CHECK(looks < 100);
        pause_briefly();
    }
}

static jr_status callback(void *user_data, const jr_credentials_query *query, jr_credentials *answer) {
    (void)user_data, (void)query;
    jr_status status = jr_credentials_set(answer, "w1", make_password(4), 0);
    wipe_password();
    return status;
}

int main(void) {
    jr_client *admin = connect_client(), *client = NULL;
    /* Whoever has this name is let in, so that nobody else has to know the password. */
    perform(admin, "ACL", "SETUSER", "w1", "on", "nopass", "~*", "&*", "+@all");
    make_password(0);
    CHECK_INT(count_in_memory(0), 1);
    wipe_password();
    CHECK_INT(count_in_memory(0), 0);

    static const char *const protocols[] = {"2", "3"};
    for (int i = 0; i < 2; i++) {
        /* An option, which two clients and the configuration hold. */
        jr_config *config = config_of(server_url());
        CHECK_INT(jr_config_set(config, "protocol", protocols[i]), JR_OK);
        CHECK_INT(jr_config_set(config, "username", "w1"), JR_OK);
        CHECK_INT(jr_config_set(config, "password", make_password(1)), JR_OK);
        wipe_password();
        CHECK_INT(jr_client_new(config, &client), JR_OK);
        jr_config_free(config);
        perform(client, "PING");
        perform(client, "PING");
        CHECK(count_in_memory(1) > 0);
        /* Others are brought: of those in between nothing is left. */
        for (int which = 2; which < 4; which++) {
            CHECK_INT(jr_client_set_credentials(client, "w1", make_password(which)), JR_OK);
            wipe_password();
            perform(client, "PING");
            perform(client, "BLPOP", "jr:wiped", "0.001");
        }
        until_gone(2);
        CHECK(count_in_memory(3) > 0);
        close_client(client);
        until_gone(1);
        until_gone(3);

        /* The answer of a callback. */
        config = config_of(server_url());
        CHECK_INT(jr_config_set(config, "protocol", protocols[i]), JR_OK);
        CHECK_INT(jr_config_set_credentials(config, callback, NULL, NULL), JR_OK);
        CHECK_INT(jr_client_new(config, &client), JR_OK);
        jr_config_free(config);
        perform(client, "PING");
        CHECK(count_in_memory(4) > 0);
        close_client(client);
        until_gone(4);
    }
    perform(admin, "ACL", "DELUSER", "w1");
    close_client(admin);
    return 0;
}
