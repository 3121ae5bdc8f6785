import jakarta.servlet.http.HttpServlet;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import jakarta.websocket.*;
import jakarta.websocket.server.*;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.List;
import java.util.logging.Level;
import java.util.logging.Logger;
import org.apache.catalina.Context;
import org.apache.catalina.connector.Connector;
import org.apache.catalina.startup.Tomcat;
import org.apache.tomcat.util.net.SSLHostConfig;
import org.apache.tomcat.util.net.SSLHostConfigCertificate;
import org.apache.tomcat.websocket.server.WsSci;

public class Echo extends Endpoint {
    static final int LIMIT = 32 << 20;

    @Override
    public void onOpen(Session session, EndpointConfig config) {
        session.setMaxTextMessageBufferSize(LIMIT);
        session.setMaxBinaryMessageBufferSize(LIMIT);
        RemoteEndpoint.Basic remote = session.getBasicRemote();
        session.addMessageHandler(String.class, text -> {
            try {
                switch (text) {
                    case "!close" -> session.close(
                        new CloseReason(CloseReason.CloseCodes.getCloseCode(4001), "bye"));
                    case "!ping" -> remote.sendPing(ByteBuffer.wrap("interop".getBytes()));
                    case "!header" ->
                        remote.sendText((String) session.getUserProperties().get("X-Interop"));
                    case "!fragments" -> {
                        remote.sendText("one ", false);
                        remote.sendText("two ", false);
                        remote.sendText("three", true);
                    }
                    default -> remote.sendText(text);
                }
            } catch (IOException error) {
                throw new IllegalStateException(error);
            }
        });
        session.addMessageHandler(ByteBuffer.class, bytes -> {
            try {
                remote.sendBinary(bytes);
            } catch (IOException error) {
                throw new IllegalStateException(error);
            }
        });
    }

    static class Configurator extends ServerEndpointConfig.Configurator {
        @Override
        public void modifyHandshake(
            ServerEndpointConfig config, HandshakeRequest request, HandshakeResponse response) {
            List<String> values = request.getHeaders().get("x-interop");
            config.getUserProperties().put("X-Interop", values == null ? "" : values.get(0));
        }
    }

    static class Refuse extends HttpServlet {
        @Override
        protected void doGet(HttpServletRequest request, HttpServletResponse response)
            throws IOException {
            response.setStatus(403);
            response.getWriter().write("no entry");
        }
    }

    public static void main(String[] arguments) throws Exception {
        Logger.getLogger("org.apache").setLevel(Level.WARNING);
        Tomcat tomcat = new Tomcat();
        tomcat.setBaseDir(arguments[1]);
        Connector connector = new Connector();
        connector.setPort(Integer.parseInt(arguments[0]));
        connector.setProperty("address", "127.0.0.1");
        if (System.getenv("CERT") != null) {
            connector.setSecure(true);
            connector.setScheme("https");
            connector.setProperty("SSLEnabled", "true");
            SSLHostConfig host = new SSLHostConfig();
            SSLHostConfigCertificate certificate =
                new SSLHostConfigCertificate(host, SSLHostConfigCertificate.Type.EC);
            certificate.setCertificateFile(System.getenv("CERT"));
            certificate.setCertificateKeyFile(System.getenv("KEY"));
            host.addCertificate(certificate);
            connector.addSslHostConfig(host);
        }
        tomcat.setConnector(connector);
        Context context = tomcat.addContext("", null);
        context.addServletContainerInitializer(new WsSci(), null);
        context.addApplicationListener(Setup.class.getName());
        Tomcat.addServlet(context, "refuse", new Refuse());
        context.addServletMappingDecoded("/refuse", "refuse");
        // A servlet has to be there for requests to pass the filter of WebSockets.
        Tomcat.addServlet(context, "default", new Refuse());
        context.addServletMappingDecoded("/", "default");
        tomcat.start();
        tomcat.getServer().await();
    }

    public static class Setup implements jakarta.servlet.ServletContextListener {
        @Override
        public void contextInitialized(jakarta.servlet.ServletContextEvent event) {
            ServerContainer container = (ServerContainer)
                event.getServletContext().getAttribute(ServerContainer.class.getName());
            ServerEndpointConfig.Builder builder =
                ServerEndpointConfig.Builder.create(Echo.class, "/");
            builder.subprotocols(List.of("chat")).configurator(new Configurator());
            try {
                container.addEndpoint(builder.build());
            } catch (DeploymentException error) {
                throw new IllegalStateException(error);
            }
        }
    }
}
