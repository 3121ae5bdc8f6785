#include <boost/asio.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/beast.hpp>
#include <boost/beast/ssl.hpp>
#include <boost/beast/websocket/ssl.hpp>
#include <cstdlib>
#include <iostream>
#include <string>
#include <thread>

namespace beast = boost::beast;
namespace http = beast::http;
namespace net = boost::asio;
namespace ssl = net::ssl;
namespace websocket = beast::websocket;
using tcp = net::ip::tcp;

std::string variable(char const* name) {
    char const* value = std::getenv(name);
    return value ? value : "";
}

template <class Stream>
void configure(websocket::stream<Stream>& ws) {
    websocket::permessage_deflate deflate;
    deflate.client_enable = deflate.server_enable = !variable("DEFLATE").empty();
    ws.set_option(deflate);
    ws.read_message_max(32 << 20);
}

template <class Stream>
void echo(websocket::stream<Stream>& ws, std::string const& header) {
    for (;;) {
        beast::flat_buffer buffer;
        beast::error_code error;
        ws.read(buffer, error);
        if (error == websocket::error::closed) return;
        if (error) throw beast::system_error(error);
        ws.text(ws.got_text());
        std::string command;
        if (ws.got_text() && buffer.size() < 20) command = beast::buffers_to_string(buffer.data());
        if (command == "!close") {
            ws.close(websocket::close_reason(static_cast<websocket::close_code>(4001), "bye"));
            return;
        } else if (command == "!ping") {
            ws.ping("interop");
        } else if (command == "!header") {
            ws.write(net::buffer(header));
        } else if (command == "!fragments") {
            ws.write_some(false, net::buffer("one ", 4));
            ws.write_some(false, net::buffer("two ", 4));
            ws.write_some(true, net::buffer("three", 5));
        } else {
            ws.write(buffer.data());
        }
    }
}

template <class Stream>
void serve(Stream stream) {
    beast::flat_buffer buffer;
    http::request<http::string_body> request;
    http::read(stream, buffer, request);
    if (request.target() == "/refuse") {
        http::response<http::string_body> response{http::status::forbidden, 11, "no entry"};
        response.keep_alive(false);
        response.prepare_payload();
        http::write(stream, response);
        return;
    }
    websocket::stream<Stream> ws(std::move(stream));
    configure(ws);
    auto names = std::string(request[http::field::sec_websocket_protocol]);
    if (names.find("chat") != std::string::npos) {
        ws.set_option(websocket::stream_base::decorator([](websocket::response_type& response) {
            response.set(http::field::sec_websocket_protocol, "chat");
        }));
    }
    ws.accept(request);
    echo(ws, std::string(request["X-Interop"]));
}

void server(unsigned short port) {
    net::io_context context;
    ssl::context tls(ssl::context::tls_server);
    bool is_secure = !variable("CERT").empty();
    if (is_secure) {
        tls.use_certificate_chain_file(variable("CERT"));
        tls.use_private_key_file(variable("KEY"), ssl::context::pem);
    }
    tcp::acceptor acceptor(context, {net::ip::make_address("127.0.0.1"), port});
    for (;;) {
        tcp::socket socket = acceptor.accept();
        socket.set_option(tcp::no_delay(true));
        std::thread([&tls, is_secure, socket = std::move(socket)]() mutable {
            try {
                if (!is_secure) return serve(std::move(socket));
                beast::ssl_stream<tcp::socket> stream(std::move(socket), tls);
                stream.handshake(ssl::stream_base::server);
                serve(std::move(stream));
            } catch (std::exception const& error) {
                std::cerr << error.what() << std::endl;
            }
        }).detach();
    }
}

template <class Stream>
void connected(Stream stream, std::string const& host, std::string const& path) {
    websocket::stream<Stream> ws(std::move(stream));
    configure(ws);
    ws.set_option(websocket::stream_base::decorator([](websocket::request_type& request) {
        if (!variable("SUBPROTOCOL").empty())
            request.set(http::field::sec_websocket_protocol, variable("SUBPROTOCOL"));
        if (!variable("HEADER").empty()) request.set("X-Interop", variable("HEADER"));
    }));
    websocket::response_type response;
    beast::error_code error;
    ws.handshake(response, host, path, error);
    if (error == websocket::error::upgrade_declined) {
        std::cout << "refused " << response.result_int() << " " << response.body() << std::endl;
        return;
    }
    if (error) throw beast::system_error(error);
    echo(ws, "");
}

void client(std::string const& url) {
    auto start = url.find("//") + 2, slash = url.find('/', start), colon = url.find(':', start);
    auto host = url.substr(start, slash - start), path = url.substr(slash);
    auto port = url.substr(colon + 1, slash - colon - 1);
    net::io_context context;
    tcp::socket socket(context);
    socket.connect({net::ip::make_address("127.0.0.1"), static_cast<unsigned short>(std::stoi(port))});
    socket.set_option(tcp::no_delay(true));
    if (url.rfind("wss:", 0) != 0) return connected(std::move(socket), host, path);
    ssl::context tls(ssl::context::tls_client);
    tls.load_verify_file(variable("CA"));
    tls.set_verify_mode(ssl::verify_peer);
    beast::ssl_stream<tcp::socket> stream(std::move(socket), tls);
    stream.set_verify_callback(ssl::host_name_verification("localhost"));
    SSL_set_tlsext_host_name(stream.native_handle(), "localhost");
    stream.handshake(ssl::stream_base::client);
    connected(std::move(stream), host, path);
}

int main(int, char** arguments) {
    try {
        if (arguments[1] == std::string("client")) client(arguments[2]);
        else server(static_cast<unsigned short>(std::stoi(arguments[2])));
    } catch (std::exception const& error) {
        std::cerr << error.what() << std::endl;
        return 1;
    }
}
