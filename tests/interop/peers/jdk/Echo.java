import java.io.FileInputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.WebSocket;
import java.net.http.WebSocketHandshakeException;
import java.nio.ByteBuffer;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CompletionStage;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

/** Echoes part by part: the next is asked for when the one before was sent. */
class Echo implements WebSocket.Listener {
    final CompletableFuture<Integer> closed = new CompletableFuture<>();

    @Override
    public CompletionStage<?> onText(WebSocket ws, CharSequence data, boolean last) {
        CompletableFuture<WebSocket> sent = switch (data.toString()) {
            case "!close" -> ws.sendClose(4001, "bye");
            case "!ping" -> ws.sendPing(ByteBuffer.wrap("interop".getBytes()));
            case "!fragments" -> ws.sendText("one ", false)
                .thenCompose(w -> w.sendText("two ", false))
                .thenCompose(w -> w.sendText("three", true));
            default -> ws.sendText(data, last);
        };
        return sent.thenRun(() -> ws.request(1));
    }

    @Override
    public CompletionStage<?> onBinary(WebSocket ws, ByteBuffer data, boolean last) {
        ByteBuffer copy = ByteBuffer.allocate(data.remaining()).put(data).flip();
        return ws.sendBinary(copy, last).thenRun(() -> ws.request(1));
    }

    @Override
    public CompletionStage<?> onClose(WebSocket ws, int code, String reason) {
        closed.complete(code);
        return null;
    }

    @Override
    public void onError(WebSocket ws, Throwable error) {
        error.printStackTrace();
        closed.complete(1006);
    }

    static SSLContext trusting(String path) throws Exception {
        KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
        store.load(null, null);
        try (FileInputStream file = new FileInputStream(path)) {
            store.setCertificateEntry(
                "root", CertificateFactory.getInstance("X.509").generateCertificate(file));
        }
        TrustManagerFactory factory =
            TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        factory.init(store);
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(null, factory.getTrustManagers(), null);
        return context;
    }

    public static void main(String[] arguments) throws Exception {
        HttpClient.Builder http = HttpClient.newBuilder();
        if (System.getenv("CA") != null) http.sslContext(trusting(System.getenv("CA")));
        WebSocket.Builder builder = http.build().newWebSocketBuilder();
        String name = System.getenv("SUBPROTOCOL"), value = System.getenv("HEADER");
        if (name != null) builder.subprotocols(name);
        if (value != null) builder.header("X-Interop", value);
        Echo echo = new Echo();
        try {
            builder.buildAsync(URI.create(arguments[0]), echo).join();
        } catch (CompletionException error) {
            if (!(error.getCause() instanceof WebSocketHandshakeException refused)) throw error;
            System.out.println("refused " + refused.getResponse().statusCode());
            System.exit(0);
        }
        int code = echo.closed.join();
        // The answer to a Close frame is sent after `onClose` has returned.
        Thread.sleep(300);
        System.exit(code == 1006 ? 1 : 0);
    }
}
