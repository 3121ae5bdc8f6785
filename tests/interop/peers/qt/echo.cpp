#include <QCoreApplication>
#include <QFile>
#include <QNetworkRequest>
#include <QSslConfiguration>
#include <QSslKey>
#include <QWebSocket>
#include <QWebSocketHandshakeOptions>
#include <QWebSocketServer>
#include <cstdio>
#include <cstdlib>

void echo(QWebSocket* socket) {
    socket->setMaxAllowedIncomingMessageSize(32 << 20);
    socket->setMaxAllowedIncomingFrameSize(32 << 20);
    QObject::connect(socket, &QWebSocket::textMessageReceived, [=](QString const& text) {
        if (text == "!close") socket->close(static_cast<QWebSocketProtocol::CloseCode>(4001), "bye");
        else if (text == "!ping") socket->ping("interop");
        else if (text == "!header") socket->sendTextMessage(socket->request().rawHeader("X-Interop"));
        else socket->sendTextMessage(text);
    });
    QObject::connect(socket, &QWebSocket::binaryMessageReceived,
                     [=](QByteArray const& bytes) { socket->sendBinaryMessage(bytes); });
}

QByteArray contents(QString const& path) {
    QFile file(path);
    file.open(QIODevice::ReadOnly);
    return file.readAll();
}

int server(QCoreApplication& app, quint16 port) {
    bool is_secure = qEnvironmentVariableIsSet("CERT");
    QWebSocketServer server(
        "interop", is_secure ? QWebSocketServer::SecureMode : QWebSocketServer::NonSecureMode);
    server.setSupportedSubprotocols({"chat"});
    if (is_secure) {
        QSslConfiguration tls = QSslConfiguration::defaultConfiguration();
        tls.setLocalCertificateChain(QSslCertificate::fromPath(qEnvironmentVariable("CERT")));
        tls.setPrivateKey(QSslKey(contents(qEnvironmentVariable("KEY")), QSsl::Ec));
        tls.setPeerVerifyMode(QSslSocket::VerifyNone);
        server.setSslConfiguration(tls);
    }
    QObject::connect(&server, &QWebSocketServer::newConnection, [&] {
        while (QWebSocket* socket = server.nextPendingConnection()) {
            echo(socket);
            QObject::connect(socket, &QWebSocket::disconnected, socket, &QObject::deleteLater);
        }
    });
    if (!server.listen(QHostAddress::LocalHost, port)) return 1;
    return app.exec();
}

int client(QCoreApplication& app, QString const& url) {
    QWebSocket socket;
    echo(&socket);
    QObject::connect(&socket, &QWebSocket::disconnected, [&] {
        bool is_abnormal = socket.closeCode() == QWebSocketProtocol::CloseCodeAbnormalDisconnection;
        app.exit(is_abnormal ? 1 : 0);
    });
    QNetworkRequest request{QUrl(url)};
    if (qEnvironmentVariableIsSet("HEADER"))
        request.setRawHeader("X-Interop", qEnvironmentVariable("HEADER").toUtf8());
    if (qEnvironmentVariableIsSet("CA")) {
        QSslConfiguration tls = QSslConfiguration::defaultConfiguration();
        tls.setCaCertificates(QSslCertificate::fromPath(qEnvironmentVariable("CA")));
        socket.setSslConfiguration(tls);
    }
    QWebSocketHandshakeOptions options;
    if (qEnvironmentVariableIsSet("SUBPROTOCOL"))
        options.setSubprotocols({qEnvironmentVariable("SUBPROTOCOL")});
    socket.open(request, options);
    return app.exec();
}

int main(int count, char** arguments) {
    QCoreApplication app(count, arguments);
    if (QString(arguments[1]) == "client") return client(app, arguments[2]);
    return server(app, QString(arguments[2]).toUShort());
}
