// SPDX-License-Identifier: MIT
//
// The page of `image_search serve`: one HTML document, searches as JSON, small and whole images. Only images of the index
// are served, by their numbers, and only while their content is the one that was indexed.
#include "support/search.hpp"

#if defined(CONTRASTIVE_WITH_HTTPLIB)

#include <httplib.h>

#include <chrono>
#include <thread>

#include "contrastive/io/json.hpp"
#include "contrastive/search/printable.hpp"
#include "contrastive/train/stop_signals.hpp"
#include "support/search_page.hpp"
#include "support/search_page_data.hpp"

namespace app {

namespace {

/// Answers with what `make` returns, or with its complaint.
template <class Make>
void respond(httplib::Response& response, const char* type, Make&& make) {
  try {
    response.set_content(make(), type);
  } catch (const std::exception& error) {
    response.status =
        std::string_view(error.what()).starts_with("[page]") || std::string_view(error.what()).starts_with("[settings]")
            ? 400
            : 500;
    Json answer;
    // Paths of the machine stay here.
    answer["error"] = response.status == 400 ? printable(error.what()) : "this image cannot be shown";
    response.set_content(dump_json(answer), "application/json");
  }
}

void add_routes(httplib::Server& server, PageData& page) {
  server.Get("/", [](const httplib::Request&, httplib::Response& response) {
    response.set_content(std::string(search_page), "text/html; charset=utf-8");
  });
  server.Get("/search", [&page](const httplib::Request& request, httplib::Response& response) {
    respond(response, "application/json", [&] { return page.found(request.target); });
  });
  server.Get(R"(/thumb/\d+)", [&page](const httplib::Request& request, httplib::Response& response) {
    const auto row = image_number(request.path, "/thumb/", page.images());
    respond(response, "image/png", [&] {
      require(row.has_value(), "[page] no such image");
      return page.thumbnail_of(*row);
    });
  });
  server.Get(R"(/image/\d+)", [&page](const httplib::Request& request, httplib::Response& response) {
    const auto row = image_number(request.path, "/image/", page.images());
    const char* type = "image/png";
    std::string content;
    respond(response, type, [&] {
      require(row.has_value(), "[page] no such image");
      content = page.content_of(*row);
      if (const char* known = type_of(content)) {
        type = known;
        return content;
      }
      return page.thumbnail_of(*row);  // browsers cannot show it
    });
    if (response.status < 400) response.set_header("Content-Type", type);
  });
}

}  // namespace

int serve(const SearchSession& session, const SearchOptions& options) {
  PageData page(session);
  httplib::Server server;
  StopSignals stop;  // before threads start
  server.new_task_queue = [] { return new httplib::ThreadPool(6); };
  server.set_payload_max_length(1024);
  server.set_read_timeout(5);
  server.set_write_timeout(20);
  server.set_keep_alive_timeout(5);
  server.set_keep_alive_max_count(500);
  server.set_socket_options([](socket_t socket) {  // without SO_REUSEPORT, by which two servers would share a port
    const int on = 1;
    ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  });
  server.set_default_headers(
      {{"X-Content-Type-Options", "nosniff"},
       {"Referrer-Policy", "no-referrer"},
       {"Cross-Origin-Resource-Policy", "same-origin"},
       {"Content-Security-Policy",
        "default-src 'none'; img-src 'self'; connect-src 'self'; style-src 'unsafe-inline'; "
        "script-src 'unsafe-inline'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"}});
  int port = static_cast<int>(options.port);
  if (port == 0)
    port = server.bind_to_any_port("127.0.0.1");
  else if (!server.bind_to_port("127.0.0.1", port))
    port = -1;
  require(port > 0, "[serve] port ", options.port, " of 127.0.0.1 cannot be had; --port 0 picks a free one");
  const std::string hosts[] = {join("127.0.0.1:", port), join("localhost:", port)};
  // Another page must not reach this one under a name of its own that leads to 127.0.0.1.
  server.set_pre_routing_handler([&hosts](const httplib::Request& request, httplib::Response& response) {
    const std::string host = request.get_header_value("Host");
    if (host == hosts[0] || host == hosts[1]) return httplib::Server::HandlerResponse::Unhandled;
    response.status = 403;
    response.set_content("only for this machine\n", "text/plain");
    return httplib::Server::HandlerResponse::Handled;
  });
  add_routes(server, page);
  std::thread listener([&server] { server.listen_after_bind(); });
  std::printf("%zu images of %s: http://127.0.0.1:%d/ (stop with Ctrl-C)\n", session.searched(),
              printable(options.folder).c_str(), port);
  std::fflush(stdout);
  while (!stop.arrived()) std::this_thread::sleep_for(std::chrono::milliseconds(100));
  while (!server.is_running()) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  server.stop();
  listener.join();
  return 0;
}

}  // namespace app

#else

namespace app {

int serve(const SearchSession&, const SearchOptions&) {
  fail("[serve] this program was built without cpp-httplib (Debian and Ubuntu: libcpp-httplib-dev)");
}

}  // namespace app

#endif
