/*
 * SPDX-License-Identifier: Apache-2.0
 *
 * Hongyan for C: the bridge. Every call and event of the SDK by its native name and numbers, JSON in and JSON out;
 * docs/bridge.md lists them.
 *
 * All text is UTF-8 and ends with NUL. Text that the library is given is copied before the function returns. All
 * functions may be called from any thread and from inside the callbacks; apart from hongyan_bridge_free none of them
 * waits. A pointer that is NULL where it must not be, and text that is no UTF-8, are answered with code 6017.
 */
#ifndef HONGYAN_H
#define HONGYAN_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A client behind JSON. */
typedef struct hongyan_bridge hongyan_bridge;

/*
 * Called with the reply to a call: {"code":0,"desc":"","data":...} or {"code":6014,"desc":"...","isRetryable":false}.
 * Each call has exactly one. The text lives until the function returns.
 */
typedef void (*hongyan_on_reply)(void *user_data, int64_t call_id, const char *reply);

/*
 * Called with an event: {"listener":"V2TIMAdvancedMsgListener","event":"onRecvNewMessage","data":...}. The text lives
 * until the function returns.
 */
typedef void (*hongyan_on_event)(void *user_data, const char *event);

/*
 * Makes a client and a bridge to it from a config in JSON. Nothing is connected yet.
 *
 * on_reply and on_event may be NULL: then replies, or events, are dropped. They are called one after another on one
 * thread of the bridge's own, replies and events in the order in which they happened, and must not throw or long-jump
 * out. The library never looks behind user_data; it must live until hongyan_bridge_free has returned, or, where that is
 * called inside a callback, until the event onShutDown.
 *
 * Gives NULL where it fails; *error is then the failure in the form of a reply, to be freed with hongyan_string_free,
 * and otherwise NULL. error may be NULL. Codes: 6017, 6022, 6027, 6029.
 */
hongyan_bridge *hongyan_bridge_new(const char *config, hongyan_on_reply on_reply, hongyan_on_event on_event,
                                   void *user_data, char **error);

/*
 * Makes a call: {"method":"sendMessage","params":{...}}. The reply comes to on_reply under call_id, which is the app's
 * own to choose. At most 1000 calls wait at a time; more are answered 9507. Does nothing where bridge is NULL.
 */
void hongyan_bridge_call(const hongyan_bridge *bridge, int64_t call_id, const char *request);

/*
 * Makes a call that never waits, such as getLoginStatus, and gives its reply, to be freed with hongyan_string_free; never
 * NULL. Calls that wait are answered 6017.
 */
char *hongyan_bridge_call_now(const hongyan_bridge *bridge, const char *request);

/*
 * Begins to end the bridge and returns at once: calls that wait are answered 7009, later ones 6013, and the event
 * onShutDown of HongyanBridgeListener is the last thing that the callbacks hear. hongyan_bridge_free is still needed,
 * and does not wait once onShutDown was heard and its callback has returned. It may be called more than once.
 */
void hongyan_bridge_shut_down(const hongyan_bridge *bridge);

/*
 * Ends the bridge, as hongyan_bridge_shut_down does where that was not called, waits for the end and frees it. No
 * callback is called after it has returned. It waits for a callback that is running, and up to 10 seconds for the
 * client's own end.
 *
 * Inside a callback of this bridge it returns at once, and the callbacks go on to be called until onShutDown. The bridge
 * must not be used by anybody once this was called. Does nothing where bridge is NULL.
 */
void hongyan_bridge_free(hongyan_bridge *bridge);

/* Frees text that a function here gave. Does nothing where text is NULL. */
void hongyan_string_free(char *text);

/* The version of the library. It is not to be freed. */
const char *hongyan_version(void);

#ifdef __cplusplus
}
#endif

#endif
