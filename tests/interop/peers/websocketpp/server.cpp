#include <cstdlib>
#include <iostream>
#include <string>
#include <websocketpp/config/asio.hpp>
#include <websocketpp/extensions/permessage_deflate/enabled.hpp>
#include <websocketpp/server.hpp>

// The configuration `Base`, with permessage-deflate.
template <class Base>
struct Deflating : Base {
    struct permessage_deflate_config {};
    typedef websocketpp::extensions::permessage_deflate::enabled<permessage_deflate_config>
        permessage_deflate_type;
};

template <class Server>
void run(Server& server, unsigned short port) {
    using websocketpp::connection_hdl;
    server.clear_access_channels(websocketpp::log::alevel::all);
    server.set_max_message_size(32 << 20);
    server.init_asio();
    server.set_reuse_addr(true);
    server.set_validate_handler([&](connection_hdl handle) {
        auto connection = server.get_con_from_hdl(handle);
        if (connection->get_resource() == "/refuse") {
            connection->set_status(websocketpp::http::status_code::forbidden);
            connection->set_body("no entry");
            return false;
        }
        for (auto const& name : connection->get_requested_subprotocols())
            if (name == "chat") connection->select_subprotocol(name);
        return true;
    });
    server.set_message_handler([&](connection_hdl handle, typename Server::message_ptr message) {
        auto connection = server.get_con_from_hdl(handle);
        auto const& payload = message->get_payload();
        bool is_text = message->get_opcode() == websocketpp::frame::opcode::text;
        if (is_text && payload == "!close") server.close(handle, 4001, "bye");
        else if (is_text && payload == "!ping") server.ping(handle, "interop");
        else if (is_text && payload == "!header")
            server.send(handle, connection->get_request_header("X-Interop"), message->get_opcode());
        else connection->send(payload, message->get_opcode());
    });
    websocketpp::lib::asio::ip::tcp::endpoint endpoint(
        websocketpp::lib::asio::ip::address::from_string("127.0.0.1"), port);
    server.listen(endpoint);
    server.start_accept();
    server.run();
}

int main(int, char** arguments) {
    unsigned short port = static_cast<unsigned short>(std::stoi(arguments[1]));
    if (std::getenv("CERT")) {
        namespace ssl = websocketpp::lib::asio::ssl;
        websocketpp::server<websocketpp::config::asio_tls> server;
        server.set_tls_init_handler([](websocketpp::connection_hdl) {
            auto context = std::make_shared<ssl::context>(ssl::context::tls_server);
            context->use_certificate_chain_file(std::getenv("CERT"));
            context->use_private_key_file(std::getenv("KEY"), ssl::context::pem);
            return context;
        });
        run(server, port);
    } else if (std::getenv("DEFLATE")) {
        websocketpp::server<Deflating<websocketpp::config::asio>> server;
        run(server, port);
    } else {
        websocketpp::server<websocketpp::config::asio> server;
        run(server, port);
    }
}
