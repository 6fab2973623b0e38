// SPDX-License-Identifier: Apache-2.0
package im.hongyan;

import java.util.ArrayList;
import java.util.List;

/** The bridge as an app in Java uses it: compiled by Java's own compiler, with what it knows of exceptions. */
public final class JavaApp implements BridgeListener, AutoCloseable {
    private static final long DEADLINE_MS = 30_000;
    private final List<String> events = new ArrayList<>();
    private final List<String> replies = new ArrayList<>();
    private final Bridge bridge;

    public JavaApp(String config) throws ImException {
        bridge = new Bridge(config, this);
    }

    /** The code that a config is refused with; 0 where it is not. */
    public static int codeOf(String config) {
        try (JavaApp app = new JavaApp(config)) {
            return 0;
        } catch (ImException refused) {
            return refused.getCode();
        }
    }

    @Override
    public synchronized void onReply(long callId, String reply) {
        replies.add(callId + " " + reply);
        notifyAll();
        throw new IllegalStateException("on purpose");
    }

    @Override
    public synchronized void onEvent(String event) {
        events.add(event);
        notifyAll();
    }

    /** Makes a call and waits for its reply. */
    public String reply(long callId, String request) throws ImException, InterruptedException {
        bridge.call(callId, request);
        String sign = callId + " ";
        return awaited(replies, sign).substring(sign.length());
    }

    /** The reply of a call that never waits. */
    public String replyNow(String request) throws ImException {
        return bridge.callNow(request);
    }

    /** Waits for an event that holds some words. */
    public String event(String words) throws InterruptedException {
        return awaited(events, words);
    }

    @Override
    public void close() {
        bridge.close();
    }

    private synchronized String awaited(List<String> heard, String words) throws InterruptedException {
        long deadline = System.currentTimeMillis() + DEADLINE_MS;
        while (true) {
            for (String one : heard) {
                if (one.contains(words)) {
                    return one;
                }
            }
            long leftMs = deadline - System.currentTimeMillis();
            if (leftMs <= 0) {
                throw new AssertionError(words + " did not come; heard: " + heard);
            }
            wait(leftMs);
        }
    }
}
