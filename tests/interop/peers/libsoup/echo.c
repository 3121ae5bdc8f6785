#include <libsoup/soup.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static GMainLoop *loop;
static int status = 1;

static gboolean is(GBytes *message, const char *command)
{
    gsize size;
    const void *data = g_bytes_get_data(message, &size);
    return size == strlen(command) && !memcmp(data, command, size);
}

static void on_message(SoupWebsocketConnection *ws, SoupWebsocketDataType type, GBytes *message, char *header)
{
    gboolean is_text = type == SOUP_WEBSOCKET_DATA_TEXT;
    if (is_text && is(message, "!close")) soup_websocket_connection_close(ws, 4001, "bye");
    else if (is_text && is(message, "!header")) soup_websocket_connection_send_text(ws, header);
    else soup_websocket_connection_send_message(ws, type, message);
}

static void echo(SoupWebsocketConnection *ws, const char *header)
{
    soup_websocket_connection_set_max_incoming_payload_size(ws, 32 << 20);
    g_signal_connect(g_object_ref(ws), "message", G_CALLBACK(on_message), g_strdup(header));
}

static void on_opened(SoupServer *server, SoupServerMessage *message, const char *path,
                      SoupWebsocketConnection *ws, gpointer data)
{
    SoupMessageHeaders *headers = soup_server_message_get_request_headers(message);
    echo(ws, soup_message_headers_get_one(headers, "X-Interop"));
}

static void refuse(SoupServer *server, SoupServerMessage *message, const char *path,
                   GHashTable *query, gpointer data)
{
    soup_server_message_set_status(message, 403, NULL);
    soup_server_message_set_response(message, "text/plain", SOUP_MEMORY_STATIC, "no entry", 8);
}

static void serve(int port, GError **error)
{
    char *subprotocols[] = {"chat", NULL};
    SoupServer *server = soup_server_new(NULL, NULL);
    SoupServerListenOptions options = SOUP_SERVER_LISTEN_IPV4_ONLY;
    if (getenv("CERT")) {
        GTlsCertificate *certificate =
            g_tls_certificate_new_from_files(getenv("CERT"), getenv("KEY"), error);
        if (!certificate) return;
        soup_server_set_tls_certificate(server, certificate);
        options |= SOUP_SERVER_LISTEN_HTTPS;
    }
    soup_server_add_websocket_handler(server, "/", NULL, subprotocols, on_opened, NULL, NULL);
    soup_server_add_handler(server, "/refuse", refuse, NULL, NULL);
    if (soup_server_listen_local(server, port, options, error)) g_main_loop_run(loop);
}

static void on_closed(SoupWebsocketConnection *ws, gpointer data)
{
    /* Zero if there was no Close frame. */
    status = soup_websocket_connection_get_close_code(ws) == 0;
    g_main_loop_quit(loop);
}

static void on_connected(GObject *session, GAsyncResult *result, gpointer message)
{
    GError *error = NULL;
    SoupWebsocketConnection *ws =
        soup_session_websocket_connect_finish(SOUP_SESSION(session), result, &error);
    if (ws) {
        echo(ws, "");
        g_signal_connect(ws, "closed", G_CALLBACK(on_closed), NULL);
        return;
    }
    unsigned code = soup_message_get_status(message);
    if (code >= 300) printf("refused %u\n", code);
    else fprintf(stderr, "%s\n", error->message);
    g_main_loop_quit(loop);
}

static void connect_to(const char *url, GError **error)
{
    SoupSession *session = soup_session_new();
    SoupMessage *message = soup_message_new("GET", url);
    char *subprotocols[] = {getenv("SUBPROTOCOL"), NULL};
    if (getenv("DEFLATE"))
        soup_session_add_feature_by_type(session, SOUP_TYPE_WEBSOCKET_EXTENSION_MANAGER);
    else
        soup_session_remove_feature_by_type(session, SOUP_TYPE_WEBSOCKET_EXTENSION_MANAGER);
    if (getenv("HEADER"))
        soup_message_headers_append(
            soup_message_get_request_headers(message), "X-Interop", getenv("HEADER"));
    if (getenv("CA")) {
        GTlsDatabase *roots = g_tls_file_database_new(getenv("CA"), error);
        if (!roots) return;
        soup_session_set_tls_database(session, roots);
    }
    soup_session_websocket_connect_async(
        session, message, NULL, *subprotocols ? subprotocols : NULL, 0, NULL, on_connected, message);
    g_main_loop_run(loop);
}

int main(int count, char **arguments)
{
    GError *error = NULL;
    loop = g_main_loop_new(NULL, FALSE);
    if (!strcmp(arguments[1], "client")) connect_to(arguments[2], &error);
    else serve(atoi(arguments[2]), &error);
    if (error) fprintf(stderr, "%s\n", error->message);
    return status;
}
