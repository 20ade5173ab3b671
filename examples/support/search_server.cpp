// SPDX-License-Identifier: MIT
//
// The page of `image_search serve`: one HTML document, searches as JSON, small and whole images. Only images of the index
// are served, by their numbers, and only while their content is the one that was indexed.
#include "support/search.hpp"

#if defined(CONTRASTIVE_WITH_HTTPLIB)

#include <httplib.h>

#include <deque>
#include <map>
#include <mutex>
#include <numeric>
#include <thread>

#include "contrastive/io/json.hpp"
#include "contrastive/io/report/data.hpp"
#include "contrastive/search/page_request.hpp"
#include "contrastive/search/printable.hpp"
#include "contrastive/train/stop_signals.hpp"
#include "support/search_page.hpp"

namespace app {

namespace {

constexpr int thumbnail_side = 360;
constexpr std::size_t most_kept_bytes = std::size_t{96} << 20, most_kept_answers = 16;
constexpr std::uint64_t most_image_bytes = std::uint64_t{1} << 28;

/// The latest values by key, as far as `room` reaches.
template <class Key, class Value>
class Recent {
 public:
  explicit Recent(std::size_t room) : room_(room) {}

  const Value* find(const Key& key) const {
    const auto found = values_.find(key);
    return found == values_.end() ? nullptr : &found->second;
  }
  const Value& keep(const Key& key, Value value, std::size_t size) {
    const auto [place, is_new] = values_.insert_or_assign(key, std::move(value));
    if (is_new) order_.push_back({key, size}), used_ += size;
    while (used_ > room_ && order_.size() > 1) {
      used_ -= order_.front().second;
      values_.erase(order_.front().first);
      order_.pop_front();
    }
    return place->second;
  }

 private:
  std::size_t room_, used_ = 0;
  std::map<Key, Value> values_;
  std::deque<std::pair<Key, std::size_t>> order_;
};

const char* type_of(std::string_view file) {
  if (file.starts_with("\xFF\xD8\xFF")) return "image/jpeg";
  if (file.starts_with("\x89PNG")) return "image/png";
  if (file.starts_with("GIF8")) return "image/gif";
  if (file.starts_with("RIFF")) return "image/webp";
  if (file.starts_with("BM")) return "image/bmp";
  return nullptr;
}

class Page {
 public:
  explicit Page(const SearchSession& session)
      : session_(session), images_(static_cast<std::int64_t>(session.index().size())) {
    for (std::int64_t n = 0; n < images_; ++n)
      if (session.allowed()[static_cast<std::size_t>(n)]) newest_.push_back(n);
    std::stable_sort(newest_.begin(), newest_.end(), [&](std::int64_t a, std::int64_t b) {
      return session.index().facts(static_cast<std::size_t>(a)).modified >
             session.index().facts(static_cast<std::size_t>(b)).modified;
    });
  }

  /// The JSON of a search.
  std::string found(const std::string& target) {
    const PageRequest request = parse_page_request(target, images_);
    for (const auto* marked : {&request.like, &request.unlike})
      for (const std::int64_t n : *marked)
        require(session_.allowed()[static_cast<std::size_t>(n)] != 0, "[page] image ", n, " is not there");
    const std::lock_guard hold(model_lock_);  // its threads are those of the parallel loops
    Json answer;
    Json hits = Json::array();
    if (contrastive::detail::without_outer_spaces(request.query).empty() && request.like.empty() &&
        request.unlike.empty()) {
      const std::size_t total = std::min(newest_.size(), most_page_hits);
      for (std::size_t i = request.from; i < std::min(request.from + request.count, total); ++i)
        hits.push_back(card(newest_[i]));
      answer["total"] = total;
      answer["searched"] = newest_.size();
    } else {
      const SearchAnswer& all = answer_to(request);
      for (std::size_t i = request.from; i < std::min(request.from + request.count, all.hits.size()); ++i)
        hits.push_back(card(all, all.hits[i]));
      answer["total"] = all.hits.size();
      answer["searched"] = session_.searched();
      answer["matches"] = all.matches;
    }
    answer["hits"] = std::move(hits);
    return dump_json(answer);
  }

  /// A small PNG of an image.
  std::string thumbnail_of(std::int64_t row) {
    {
      const std::lock_guard hold(thumbnails_lock_);
      if (const std::string* kept = thumbnails_.find(row)) return *kept;
    }
    const std::string file = content_of(row);
    const std::span<const std::uint8_t> bytes(reinterpret_cast<const std::uint8_t*>(file.data()), file.size());
    const Image image = decode_image(bytes, session_.full_path(row), [](int height, int width) {
      Region region = whole(height, width);
      region.reduce = reduction_for(height, width, thumbnail_side);
      return region;
    });
    std::string png = encode_png(contrastive::thumbnail(image, thumbnail_side));
    const std::lock_guard hold(thumbnails_lock_);
    return thumbnails_.keep(row, png, png.size());
  }

  /// The bytes of an image file, as they were indexed.
  std::string content_of(std::int64_t row) const {
    const auto n = static_cast<std::size_t>(row);
    require(session_.allowed()[n] != 0, "[page] image ", row, " is not there");
    const ImageFacts facts = session_.index().facts(n);
    require(facts.size <= most_image_bytes, "[page] image ", row, " is too large to be shown");
    struct stat info {};
    const std::string path = session_.full_path(row);
    require(::stat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode) &&
                static_cast<std::uint64_t>(info.st_size) == facts.size,
            "[page] image ", row, " has changed or gone");
    const std::vector<std::byte> bytes = read_file(path);
    require(content_hash(bytes) == facts.hash, "[page] image ", row, " has changed");
    return std::string(as_text(bytes));
  }

  std::int64_t images() const { return images_; }

 private:
  Json card(std::int64_t row) const {
    Json card;
    card["i"] = row;
    card["name"] = printable(session_.index().path(static_cast<std::size_t>(row)));
    return card;
  }
  Json card(const SearchAnswer& answer, const FoldedHit& folded) const {
    Json card = this->card(folded.hit.row);
    card["words"] = answer.words(folded.hit);
    card["top"] = answer.share(folded.hit);
    Json same = Json::array();
    for (std::size_t i = 0; i < std::min<std::size_t>(folded.like_it.size(), 50); ++i)
      same.push_back(this->card(folded.like_it[i].row));
    card["same"] = std::move(same);
    return card;
  }

  const SearchAnswer& answer_to(const PageRequest& request) {
    std::string key = request.query + '\n';
    for (const std::int64_t n : request.like) key += join("+", n);
    for (const std::int64_t n : request.unlike) key += join("-", n);
    if (const SearchAnswer* kept = answers_.find(key)) return *kept;
    QueryVector query;
    if (!contrastive::detail::without_outer_spaces(request.query).empty())
      query = session_.encode(parse_page_query(request.query));
    for (const std::int64_t n : request.like) query.parts.push_back(session_.part_of(n, 1));
    for (const std::int64_t n : request.unlike) query.parts.push_back(session_.part_of(n, -0.7));
    return answers_.keep(key, search(session_, query, most_page_hits, false), 1);
  }

  const SearchSession& session_;
  std::int64_t images_;
  std::vector<std::int64_t> newest_;
  std::mutex model_lock_, thumbnails_lock_;
  Recent<std::string, SearchAnswer> answers_{most_kept_answers};
  Recent<std::int64_t, std::string> thumbnails_{most_kept_bytes};
};

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

void add_routes(httplib::Server& server, Page& page) {
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
  Page page(session);
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
