/*
 * SPDX-License-Identifier: Apache-2.0
 *
 * Two users of the C interface: a message each way, an error, and events. Run by .ci/bridge-c.
 *
 *     c_client SERVER_URL SDKAPPID FOLDER_A USERSIG_A FOLDER_B USERSIG_B
 *
 * The users are "alice" and "bob". It ends with 0 where all was as it must be, and otherwise says what was not.
 */
#define _POSIX_C_SOURCE 200809L

#include <hongyan.h>

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define HEARD_MAX 4096
#define TEXT_MAX_BYTES 4096
#define WAIT_S 60

/* What one user hears, in order: replies as "CALL_ID JSON", events as they come. */
struct user {
    const char *name;
    hongyan_bridge *bridge;
    pthread_mutex_t lock;
    pthread_cond_t heard_more;
    char *heard[HEARD_MAX];
    int count;
    /* How many callbacks came after the bridge was freed. */
    int is_freed;
    int late;
};

static void fail(const char *what, const char *got)
{
    fprintf(stderr, "c_client: %s: %s\n", what, got != NULL ? got : "(nothing)");
    exit(1);
}

static void check(int is_true, const char *what, const char *got)
{
    if (!is_true) {
        fail(what, got);
    }
}

static void note(struct user *user, const char *prefix, const char *text)
{
    size_t bytes = strlen(prefix) + strlen(text) + 1;
    char *copy = malloc(bytes);
    if (copy == NULL) {
        fail("no memory", NULL);
        return;
    }
    snprintf(copy, bytes, "%s%s", prefix, text);
    pthread_mutex_lock(&user->lock);
    if (user->is_freed) {
        user->late++;
    }
    if (user->count < HEARD_MAX) {
        user->heard[user->count++] = copy;
    } else {
        free(copy);
    }
    pthread_cond_broadcast(&user->heard_more);
    pthread_mutex_unlock(&user->lock);
}

static void on_reply(void *user_data, int64_t call_id, const char *reply)
{
    char prefix[32];
    snprintf(prefix, sizeof prefix, "%" PRId64 " ", call_id);
    note(user_data, prefix, reply);
}

static void on_event(void *user_data, const char *event)
{
    note(user_data, "", event);
}

/* Waits for something heard that begins with one text and holds another. */
static const char *wait_for(struct user *user, const char *begins, const char *holds)
{
    struct timespec until;
    int next = 0;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += WAIT_S;
    pthread_mutex_lock(&user->lock);
    for (;;) {
        for (; next < user->count; next++) {
            const char *heard = user->heard[next];
            if (strncmp(heard, begins, strlen(begins)) == 0 && strstr(heard, holds) != NULL) {
                pthread_mutex_unlock(&user->lock);
                return heard;
            }
        }
        if (pthread_cond_timedwait(&user->heard_more, &user->lock, &until) != 0) {
            pthread_mutex_unlock(&user->lock);
            fprintf(stderr, "c_client: %s waits for %s ... %s\n", user->name, begins, holds);
            fail("it did not come", user->count > 0 ? user->heard[user->count - 1] : NULL);
        }
    }
}

static void open_user(struct user *user, const char *name, hongyan_on_event hear, const char *server, const char *app,
                      const char *folder)
{
    char config[TEXT_MAX_BYTES];
    char *error = NULL;
    memset(user, 0, sizeof *user);
    user->name = name;
    pthread_mutex_init(&user->lock, NULL);
    pthread_cond_init(&user->heard_more, NULL);
    snprintf(config, sizeof config, "{\"sdkAppID\":%s,\"serverURL\":\"%s\",\"dataFolder\":\"%s\"}", app, server, folder);
    user->bridge = hongyan_bridge_new(config, on_reply, hear, user, &error);
    check(user->bridge != NULL && error == NULL, "a bridge", error);
}

static void log_in(struct user *user, const char *user_sig)
{
    char request[TEXT_MAX_BYTES];
    snprintf(request, sizeof request, "{\"method\":\"login\",\"params\":{\"userID\":\"%s\",\"userSig\":\"%s\"}}", user->name,
             user_sig);
    hongyan_bridge_call(user->bridge, 1, request);
    check(strcmp(wait_for(user, "1 ", ""), "1 {\"code\":0,\"desc\":\"\",\"data\":null}") == 0, "a login",
          wait_for(user, "1 ", ""));
    wait_for(user, "{\"listener\":\"V2TIMSDKListener\"", "\"onConnectSuccess\"");
    wait_for(user, "{\"listener\":\"V2TIMConversationListener\"", "\"onSyncServerFinish\"");
}

static void send_text(struct user *user, int64_t call_id, const char *text, const char *receiver)
{
    char request[TEXT_MAX_BYTES];
    char begins[32];
    snprintf(request, sizeof request, "{\"method\":\"sendC2CTextMessage\",\"params\":{\"text\":\"%s\",\"userID\":\"%s\"}}",
             text, receiver);
    hongyan_bridge_call(user->bridge, call_id, request);
    snprintf(begins, sizeof begins, "%" PRId64 " {\"code\":0,", call_id);
    wait_for(user, begins, text);
}

static void check_now(struct user *user, const char *request, const char *begins)
{
    char *reply = hongyan_bridge_call_now(user->bridge, request);
    check(reply != NULL && strncmp(reply, begins, strlen(begins)) == 0, request != NULL ? request : "NULL", reply);
    hongyan_string_free(reply);
}

/* What must not be given is answered, and harms nothing. */
static void check_refusals(struct user *user)
{
    char *error = NULL;
    char *reply;
    hongyan_bridge *none = hongyan_bridge_new(NULL, on_reply, on_event, NULL, &error);
    check(none == NULL && error != NULL && strstr(error, "\"code\":6017") != NULL, "a config that is NULL", error);
    hongyan_string_free(error);
    none = hongyan_bridge_new("{\"sdkAppID\":\"\xff\"}", on_reply, on_event, NULL, &error);
    check(none == NULL && error != NULL && strstr(error, "\"code\":6017") != NULL, "a config that is no UTF-8", error);
    hongyan_string_free(error);
    none = hongyan_bridge_new("{", NULL, NULL, NULL, NULL);
    check(none == NULL, "a config that is no JSON", NULL);

    hongyan_bridge_call(user->bridge, 100, "{\"method\":\"no\"}");
    wait_for(user, "100 {\"code\":7013,", "\"isRetryable\":false");
    hongyan_bridge_call(user->bridge, INT64_MIN, NULL);
    wait_for(user, "-9223372036854775808 {\"code\":6017,", "request: it is NULL");
    hongyan_bridge_call(user->bridge, INT64_MAX, "{\"method\":\"\xc3\x28\"}");
    wait_for(user, "9223372036854775807 {\"code\":6017,", "request: it is no UTF-8");
    hongyan_bridge_call(NULL, 101, "{\"method\":\"logout\"}");
    check_now(user, NULL, "{\"code\":6017,");
    check_now(user, "{\"method\":\"logout\"}", "{\"code\":6017,");
    check_now(user, "{\"method\":\"getLoginStatus\"}", "{\"code\":0,\"desc\":\"\",\"data\":1}");
    reply = hongyan_bridge_call_now(NULL, "{\"method\":\"getVersion\"}");
    check(reply != NULL && strstr(reply, "\"code\":6017") != NULL, "a bridge that is NULL", reply);
    hongyan_string_free(reply);
    hongyan_string_free(NULL);
    hongyan_bridge_shut_down(NULL);
    hongyan_bridge_free(NULL);
}

/* Nothing is called once a bridge was freed, and its last word was heard. */
static void close_user(struct user *user)
{
    int index;
    hongyan_bridge_call(user->bridge, 900, "{\"method\":\"getUsersInfo\",\"params\":{\"userIDList\":[\"alice\"]}}");
    hongyan_bridge_free(user->bridge);
    pthread_mutex_lock(&user->lock);
    user->is_freed = 1;
    check(user->count > 0 && strstr(user->heard[user->count - 1], "\"onShutDown\"") != NULL, "the last word",
          user->count > 0 ? user->heard[user->count - 1] : NULL);
    pthread_mutex_unlock(&user->lock);
    wait_for(user, "900 ", "\"code\":");
    for (index = 0; index < user->count; index++) {
        free(user->heard[index]);
    }
    check(user->late == 0, "a callback came after the bridge was freed", NULL);
}

static void free_inside(void *user_data, const char *event)
{
    struct user *user = user_data;
    note(user, "", event);
    if (strstr(event, "\"onSyncServerFinish\"") != NULL) {
        hongyan_bridge_free(user->bridge);
    }
}

/* A bridge may be freed inside its own callback; its last word comes then as well. */
static void check_free_inside(const char *server, const char *app, const char *folder, const char *user_sig)
{
    /* It must live until the last word. */
    static struct user user;
    char request[TEXT_MAX_BYTES];
    open_user(&user, "alice", free_inside, server, app, folder);
    snprintf(request, sizeof request, "{\"method\":\"login\",\"params\":{\"userID\":\"alice\",\"userSig\":\"%s\"}}",
             user_sig);
    hongyan_bridge_call(user.bridge, 1, request);
    wait_for(&user, "1 ", "\"code\":");
    wait_for(&user, "{\"listener\":\"HongyanBridgeListener\"", "\"onShutDown\"");
}

int main(int argc, char **argv)
{
    static struct user alice;
    static struct user bob;
    check(argc == 7, "usage: c_client SERVER_URL SDKAPPID FOLDER_A USERSIG_A FOLDER_B USERSIG_B", NULL);
    check(strlen(hongyan_version()) >= strlen("0.0.0"), "a version", hongyan_version());
    open_user(&alice, "alice", on_event, argv[1], argv[2], argv[3]);
    open_user(&bob, "bob", on_event, argv[1], argv[2], argv[5]);
    log_in(&alice, argv[4]);
    log_in(&bob, argv[6]);

    send_text(&alice, 2, "\xe4\xbd\xa0\xe5\xa5\xbd from C", "bob");
    wait_for(&bob, "{\"listener\":\"V2TIMAdvancedMsgListener\",\"event\":\"onRecvNewMessage\"", "\xe4\xbd\xa0\xe5\xa5\xbd");
    send_text(&bob, 2, "and back", "alice");
    wait_for(&alice, "{\"listener\":\"V2TIMAdvancedMsgListener\",\"event\":\"onRecvNewMessage\"", "and back");
    hongyan_bridge_call(alice.bridge, 3,
                        "{\"method\":\"sendC2CTextMessage\",\"params\":{\"text\":\"a\",\"userID\":\"nobody\"}}");
    wait_for(&alice, "3 {\"code\":20003,", "\"isRetryable\":false");
    check_refusals(&alice);

    close_user(&alice);
    close_user(&bob);
    check_free_inside(argv[1], argv[2], argv[3], argv[4]);
    puts("c_client: all is as it must be");
    return 0;
}
