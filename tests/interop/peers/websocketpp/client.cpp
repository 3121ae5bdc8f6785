#include <cstdlib>
#include <iostream>
#include <string>
#include <websocketpp/client.hpp>
#include <websocketpp/config/asio_client.hpp>

template <class Client>
int run(Client& client, std::string const& url) {
    using websocketpp::connection_hdl;
    int status = 1;
    client.clear_access_channels(websocketpp::log::alevel::all);
    client.set_max_message_size(32 << 20);
    client.init_asio();
    client.set_message_handler([&](connection_hdl handle, typename Client::message_ptr message) {
        auto const& payload = message->get_payload();
        bool is_text = message->get_opcode() == websocketpp::frame::opcode::text;
        if (is_text && payload == "!close") client.close(handle, 4001, "bye");
        else if (is_text && payload == "!ping") client.ping(handle, "interop");
        else client.send(handle, payload, message->get_opcode());
    });
    client.set_close_handler([&](connection_hdl handle) {
        auto code = client.get_con_from_hdl(handle)->get_remote_close_code();
        status = code == websocketpp::close::status::abnormal_close;
    });
    client.set_fail_handler([&](connection_hdl handle) {
        auto connection = client.get_con_from_hdl(handle);
        int code = connection->get_response_code();
        if (code != 0) std::cout << "refused " << code << std::endl;
        else std::cerr << connection->get_ec().message() << std::endl;
    });
    websocketpp::lib::error_code error;
    auto connection = client.get_connection(url, error);
    if (char const* name = std::getenv("SUBPROTOCOL")) connection->add_subprotocol(name);
    if (char const* value = std::getenv("HEADER")) connection->append_header("X-Interop", value);
    client.connect(connection);
    client.run();
    return status;
}

int main(int, char** arguments) {
    if (std::getenv("CA")) {
        namespace ssl = websocketpp::lib::asio::ssl;
        websocketpp::client<websocketpp::config::asio_tls_client> client;
        client.set_tls_init_handler([](websocketpp::connection_hdl) {
            auto context = std::make_shared<ssl::context>(ssl::context::tls_client);
            context->load_verify_file(std::getenv("CA"));
            context->set_verify_mode(ssl::verify_peer);
            context->set_verify_callback(ssl::rfc2818_verification("localhost"));
            return context;
        });
        return run(client, arguments[1]);
    }
    websocketpp::client<websocketpp::config::asio_client> client;
    return run(client, arguments[1]);
}
