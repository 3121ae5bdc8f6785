#include <libwebsockets.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PIECE 16384

struct entry {
    struct entry *next;
    enum lws_write_protocol kind;
    size_t len;
    unsigned char data[]; /* LWS_PRE bytes, then the payload */
};

/* What is kept for a connection: the message that arrives, and those that wait to be sent. */
struct session {
    unsigned char *message;
    size_t len, capacity;
    struct entry *first, **last;
    char header[100];
};

static int is_over, status = 1;

static void push(struct lws *wsi, struct session *session, int kind, const void *data, size_t len)
{
    struct entry *entry = malloc(sizeof *entry + LWS_PRE + len);
    entry->next = NULL;
    entry->kind = kind;
    entry->len = len;
    if (len) memcpy(entry->data + LWS_PRE, data, len);
    if (!session->first) session->last = &session->first;
    *session->last = entry;
    session->last = &entry->next;
    lws_callback_on_writable(wsi);
}

static int pop(struct lws *wsi, struct session *session)
{
    struct entry *entry = session->first;
    if (!entry) return 0;
    session->first = entry->next;
    int sent = lws_write(wsi, entry->data + LWS_PRE, entry->len, entry->kind);
    free(entry);
    if (session->first) lws_callback_on_writable(wsi);
    return sent < 0 ? -1 : 0;
}

static int receive(struct lws *wsi, struct session *session, const void *data, size_t len)
{
    if (session->len + len > session->capacity) {
        session->capacity = 2 * (session->len + len);
        session->message = realloc(session->message, session->capacity);
    }
    if (len) memcpy(session->message + session->len, data, len);
    session->len += len;
    if (lws_remaining_packet_payload(wsi) || !lws_is_final_fragment(wsi)) return 0;

    const char *text = (const char *)session->message;
    size_t size = session->len;
    session->len = 0;
    int is_text = !lws_frame_is_binary(wsi);
#define IS(command) (is_text && size == sizeof command - 1 && !memcmp(text, command, size))
    if (IS("!close")) {
        lws_close_reason(wsi, 4001, (unsigned char *)"bye", 3);
        status = 0;
        return -1;
    } else if (IS("!ping")) {
        push(wsi, session, LWS_WRITE_PING, "interop", 7);
    } else if (IS("!header")) {
        push(wsi, session, LWS_WRITE_TEXT, session->header, strlen(session->header));
    } else if (IS("!fragments")) {
        push(wsi, session, LWS_WRITE_TEXT | LWS_WRITE_NO_FIN, "one ", 4);
        push(wsi, session, LWS_WRITE_CONTINUATION | LWS_WRITE_NO_FIN, "two ", 4);
        push(wsi, session, LWS_WRITE_CONTINUATION, "three", 5);
    } else {
        /* What it compresses has to be cut into pieces. */
        int kind = is_text ? LWS_WRITE_TEXT : LWS_WRITE_BINARY;
        for (; size > PIECE; text += PIECE, size -= PIECE) {
            push(wsi, session, kind | LWS_WRITE_NO_FIN, text, PIECE);
            kind = LWS_WRITE_CONTINUATION;
        }
        push(wsi, session, kind, text, size);
    }
    return 0;
}

static int callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t len)
{
    struct session *session = user;
    char path[100] = "";

    switch (reason) {
    case LWS_CALLBACK_FILTER_PROTOCOL_CONNECTION:
        lws_hdr_copy(wsi, path, sizeof path, WSI_TOKEN_GET_URI);
        if (strcmp(path, "/refuse")) break;
        lws_return_http_status(wsi, 403, "no entry");
        return -1;
    case LWS_CALLBACK_ESTABLISHED:
        lws_hdr_custom_copy(wsi, session->header, sizeof session->header, "x-interop:", 10);
        return 0;
    case LWS_CALLBACK_CLIENT_APPEND_HANDSHAKE_HEADER: {
        const char *value = getenv("HEADER");
        unsigned char **position = in, *end = *position + len;
        if (!value) return 0;
        return lws_add_http_header_by_name(wsi, (const unsigned char *)"X-Interop:",
                                           (const unsigned char *)value, strlen(value), position, end);
    }
    case LWS_CALLBACK_RECEIVE:
    case LWS_CALLBACK_CLIENT_RECEIVE:
        return receive(wsi, session, in, len);
    case LWS_CALLBACK_SERVER_WRITEABLE:
    case LWS_CALLBACK_CLIENT_WRITEABLE:
        return pop(wsi, session);
    case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE:
        status = 0;
        return 0;
    case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
        if (lws_http_client_http_response(wsi)) printf("refused %u\n", lws_http_client_http_response(wsi));
        else fprintf(stderr, "%.*s\n", (int)len, in ? (char *)in : "");
        is_over = 1;
        return 0;
    case LWS_CALLBACK_CLIENT_CLOSED:
        is_over = 1;
        return 0;
    default:
        break;
    }
    return lws_callback_http_dummy(wsi, reason, user, in, len);
}

int main(int count, char **arguments)
{
    const struct lws_protocols protocols[] = {
        {"echo", callback, sizeof(struct session), 65536, 0, NULL, 0},
        {"chat", callback, sizeof(struct session), 65536, 0, NULL, 0},
        {NULL, NULL, 0, 0, 0, NULL, 0},
    };
    const struct lws_extension extensions[] = {
        {"permessage-deflate", lws_extension_callback_pm_deflate,
         "permessage-deflate; client_max_window_bits"},
        {NULL, NULL, NULL},
    };
    int is_client = count > 1 && !strcmp(arguments[1], "client");
    struct lws_context_creation_info info = {0};

    lws_set_log_level(LLL_ERR | LLL_WARN, NULL);
    info.port = is_client ? CONTEXT_PORT_NO_LISTEN : atoi(arguments[2]);
    info.iface = is_client ? NULL : "127.0.0.1";
    info.protocols = protocols;
    info.options = LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT;
    if (getenv("DEFLATE")) info.extensions = extensions;
    if (is_client) {
        info.client_ssl_ca_filepath = getenv("CA");
    } else {
        info.ssl_cert_filepath = getenv("CERT");
        info.ssl_private_key_filepath = getenv("KEY");
    }
    struct lws_context *context = lws_create_context(&info);
    if (!context) return 1;
    if (is_client) {
        struct lws_client_connect_info connect = {0};
        const char *scheme, *path;
        char full_path[100] = "/", host[100];
        if (lws_parse_uri(arguments[2], &scheme, &connect.address, &connect.port, &path)) return 1;
        strncat(full_path, path, sizeof full_path - 2);
        snprintf(host, sizeof host, "%s:%d", connect.address, connect.port);
        connect.context = context;
        connect.path = full_path;
        connect.host = connect.origin = host;
        connect.protocol = getenv("SUBPROTOCOL");
        connect.local_protocol_name = "echo";
        connect.ssl_connection = getenv("CA") ? LCCSCF_USE_SSL : 0;
        /* Not the default, which is a certificate for the whole of `host`. */
        if (getenv("CA")) connect.host = connect.address;
        if (!lws_client_connect_via_info(&connect)) return 1;
    }
    while (!is_over && lws_service(context, 0) >= 0) {
    }
    lws_context_destroy(context);
    return status;
}
