/* An echo server on the C interface of uWebSockets: one thread, one event loop.
 *
 * With BENCH_TASK=broadcast, it sends each message to all connections. */

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The part of the interface that is used. The library comes without a header. */
typedef struct app app;
typedef struct websocket websocket;
typedef struct listener listener;
typedef struct { const char *texts[6]; int low_memory; } context_options;
typedef struct { int port; const char *host; int options; } listen_options;
typedef struct {
    int compression;
    unsigned max_payload_len;
    unsigned short idle_timeout;
    unsigned max_backpressure;
    bool close_on_backpressure, reset_idle_timeout_on_send, send_pings;
    unsigned short max_lifetime;
    void *upgrade;
    void (*open)(websocket *, void *);
    void (*message)(websocket *, const char *, size_t, int opcode, void *);
    void *drain, *ping, *pong, *close, *subscription;
} behavior;

extern app *uws_create_app(int ssl, context_options);
extern void uws_ws(int ssl, app *, const char *pattern, behavior, void *data);
extern void uws_app_listen_with_config(int ssl, app *, listen_options,
                                       void (*)(listener *, listen_options, void *), void *data);
extern void uws_app_run(int ssl, app *);
extern int us_socket_local_port(int ssl, listener *);
extern int uws_ws_send(int ssl, websocket *, const char *, size_t, int opcode);
extern bool uws_ws_subscribe(int ssl, websocket *, const char *topic, size_t topic_len);
extern bool uws_publish(int ssl, app *, const char *topic, size_t topic_len, const char *, size_t,
                        int opcode, bool compress);

static const char TOPIC[] = "all";
static app *server;

static void subscribe(websocket *ws, void *data) {
    (void)data;
    uws_ws_subscribe(0, ws, TOPIC, strlen(TOPIC));
}

static void echo(websocket *ws, const char *message, size_t len, int opcode, void *data) {
    (void)data;
    uws_ws_send(0, ws, message, len, opcode);
}

static void broadcast(websocket *ws, const char *message, size_t len, int opcode, void *data) {
    (void)ws;
    (void)data;
    uws_publish(0, server, TOPIC, strlen(TOPIC), message, len, opcode, false);
}

static void listening(listener *socket, listen_options options, void *data) {
    (void)options;
    (void)data;
    if (socket) {
        printf("listening on ws://127.0.0.1:%d\n", us_socket_local_port(0, socket));
        fflush(stdout);
    }
}

int main(void) {
    const char *task = getenv("BENCH_TASK");
    bool broadcasts = task && strcmp(task, "broadcast") == 0;
    behavior behavior = {
        .max_payload_len = 16 << 20,
        .idle_timeout = 120,
        .max_backpressure = 64 << 20,
        .open = broadcasts ? subscribe : NULL,
        .message = broadcasts ? broadcast : echo,
    };
    server = uws_create_app(0, (context_options){0});
    uws_ws(0, server, "/*", behavior, NULL);
    uws_app_listen_with_config(0, server, (listen_options){.host = "127.0.0.1"}, listening, NULL);
    uws_app_run(0, server);
    return EXIT_FAILURE;
}
