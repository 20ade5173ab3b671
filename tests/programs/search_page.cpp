// SPDX-License-Identifier: MIT
//
// The page of image_search serve, in a real browser where there is one: headless Chromium, told what to do over a pipe.

#include <fcntl.h>
#include <poll.h>
#include <signal.h>

#include <chrono>
#include <memory>
#include <thread>

#include "contrastive/io/json.hpp"
#include "programs/search_support.hpp"

using namespace programs;
using contrastive::Json;

namespace {

/// A program that is there until the end, started with a pipe to read and one to write.
class Child {
 public:
  /// `in` and `out` are the numbers that the child has its ends by; -1 for none.
  Child(const std::vector<std::string>& command, int in, int out) {
    int to[2], from[2];
    REQUIRE(::pipe2(to, O_CLOEXEC) == 0);
    REQUIRE(::pipe2(from, O_CLOEXEC) == 0);
    std::vector<char*> arguments;
    for (const std::string& one : command) arguments.push_back(const_cast<char*>(one.c_str()));
    arguments.push_back(nullptr);
    // Above the numbers that the child wants.
    const int far_in = ::fcntl(to[0], F_DUPFD, 64), far_out = ::fcntl(from[1], F_DUPFD, 64);
    pid_ = ::fork();
    if (pid_ == 0) {
      const int nothing = ::open("/dev/null", O_RDWR);
      ::dup2(nothing, 2);
      if (in >= 0) ::dup2(far_in, in);
      ::dup2(far_out, out);
      ::close(far_in);
      ::close(far_out);
      ::execvp(arguments[0], arguments.data());
      ::_exit(127);
    }
    for (const int end : {far_in, far_out, to[0], from[1]}) ::close(end);
    write_ = to[1];
    read_ = from[0];
  }
  ~Child() {
    end(SIGKILL);
    ::close(read_);
    ::close(write_);
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  /// The exit status, as a shell has it.
  int end(int signal) {
    if (pid_ <= 0) return -1;
    ::kill(pid_, signal);
    int status = 0;
    ::waitpid(pid_, &status, 0);
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }

  void put(const std::string& text) {
    for (std::size_t done = 0; done < text.size();) {
      const ssize_t some = ::write(write_, text.data() + done, text.size() - done);
      REQUIRE(some > 0);
      done += static_cast<std::size_t>(some);
    }
  }
  /// What comes up to a byte; fails after a minute.
  std::string until(char stop) {
    for (;;) {
      if (const std::size_t at = buffer_.find(stop); at != buffer_.npos) {
        std::string one = buffer_.substr(0, at);
        buffer_.erase(0, at + 1);
        return one;
      }
      pollfd wait{read_, POLLIN, 0};
      REQUIRE(::poll(&wait, 1, 60000) == 1);
      char some[65536];
      const ssize_t got = ::read(read_, some, sizeof some);
      REQUIRE(got > 0);
      buffer_.append(some, static_cast<std::size_t>(got));
    }
  }

 private:
  pid_t pid_ = -1;
  int read_ = -1, write_ = -1;
  std::string buffer_;
};

/// A page in headless Chromium (Chrome DevTools Protocol over a pipe).
class Browser {
 public:
  explicit Browser(const std::string& profile)
      : chromium_({"chromium", "--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe",
                   "--user-data-dir=" + profile, "about:blank"},
                  3, 4) {
    const std::string target = call("Target.createTarget", {{"url", "about:blank"}})["targetId"];
    session_ = call("Target.attachToTarget", {{"targetId", target}, {"flatten", true}})["sessionId"];
  }

  Json call(const std::string& method, Json parameters) {
    Json message{{"id", ++calls_}, {"method", method}, {"params", std::move(parameters)}};
    if (!session_.empty()) message["sessionId"] = session_;
    chromium_.put(message.dump() + '\0');
    for (;;) {
      const Json answer = Json::parse(chromium_.until('\0'));
      if (!answer.contains("id") || answer["id"] != calls_) continue;
      INFO(answer.dump());
      REQUIRE(answer.contains("result"));
      return answer["result"];
    }
  }
  Json value(const std::string& expression) {
    const Json result = call("Runtime.evaluate", {{"expression", expression}, {"returnByValue", true}});
    return result["result"].contains("value") ? result["result"]["value"] : Json();
  }
  void wait_for(const std::string& expression) {
    INFO("waiting for " << expression);
    for (int i = 0; i < 600; ++i) {
      if (const Json now = value(expression); now.is_boolean() && now.get<bool>()) return;
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    FAIL("it did not come");
  }
  void key(const std::string& name, int code, const std::string& text = "") {
    call("Input.dispatchKeyEvent",
         {{"type", "keyDown"}, {"key", name}, {"code", name}, {"windowsVirtualKeyCode", code}, {"text", text}});
    call("Input.dispatchKeyEvent", {{"type", "keyUp"}, {"key", name}, {"code", name}, {"windowsVirtualKeyCode", code}});
  }

 private:
  Child chromium_;
  std::string session_;
  int calls_ = 0;
};

/// image_search serve, and its address.
struct Served {
  Child program;
  std::string address;
  explicit Served(const Folder& folder)
      : program({programs::program("image_search"), "serve", folder / "photos", "--port", "0", "--weights",
                 searching_model()},
                -1, 1) {
    const std::string line = program.until('\n');
    const std::size_t at = line.find("http://127.0.0.1:");
    REQUIRE(at != line.npos);
    address = line.substr(at, line.find(' ', at) - at);
  }
  Outcome get(const std::string& path, const std::string& flags = "") const {
    return run("curl -s --path-as-is " + flags + " '" + address + path + "'");
  }
  int status(const std::string& path, const std::string& flags = "") const {
    return std::atoi(get(path, "-o /dev/null -w '%{http_code}' " + flags).text.c_str());
  }
};

bool has(const char* program) { return run(std::string("command -v ") + program).status == 0; }

}  // namespace

#if defined(CONTRASTIVE_WITH_HTTPLIB)

TEST_CASE("image_search serve: images of the index alone are served, and what is asked is bounded") {
  if (!has("curl")) return;
  Folder folder;
  write_pictures(folder, 9);
  contrastive::write_file(folder / "secret.png", "secret");
  Served served(folder);
  CHECK_THAT(served.get("").text, Contains("<!doctype html>") && !Contains("http://") && !Contains("https://"));
  CHECK_THAT(served.get("search?q=a%20circle&count=5").text, Contains("\"searched\":9") && Contains("\"words\":"));
  CHECK_THAT(served.get("search?like=3&unlike=4").text, Contains("\"hits\":[{"));
  CHECK(served.get("thumb/0").text.starts_with("\x89PNG"));
  CHECK(served.get("image/0").text == contents(folder / "photos/0/0.png"));
  for (const char* bad : {"thumb/9", "image/9", "search?like=9", "search?from=5000", "search?q=%", "search?count=1000",
                          "search?q=/etc/passwd", "search?q=dog+-+./photos/0/0.png"}) {
    INFO(bad);
    CHECK(served.status(bad) == 400);
  }
  for (const char* bad :
       {"image/../secret.png", "../secret.png", "image/..%2f..%2fsecret.png", "photos/0/0.png", "x"}) {
    INFO(bad);
    CHECK(served.status(bad) == 404);
  }
  CHECK(served.status("", "-H 'Host: example.org'") == 403);
  CHECK(served.status("search?q=" + std::string(9000, 'a')) >= 400);
  // Another image under the indexed name is not shown, nor is what the name leads to now.
  write_picture(folder / "photos/0/0.png", 1, 1, 1);
  CHECK(served.status("image/0") == 400);
  fs::remove(folder / "photos/0/4.png");
  fs::create_symlink(folder / "secret.png", folder / "photos/0/4.png");
  CHECK(served.status("image/1") == 400);
  CHECK(served.program.end(SIGTERM) == 0);
}

TEST_CASE("image_search serve in a browser: type, enter, read, more like this") {
  if (!has("chromium")) return;
  Folder folder;
  write_pictures(folder, 60);
  Served served(folder);
  Browser browser(folder / "profile");
  browser.call("Page.navigate", {{"url", served.address}});
  browser.wait_for("document.querySelectorAll('.card').length >= 40");
  CHECK(browser.value("document.getElementById('status').textContent") == "60 images, newest first");
  CHECK(browser.value("document.activeElement.id") == "q");
  browser.value("scrollTo(0, document.body.scrollHeight)");
  browser.wait_for("document.querySelectorAll('.card').length > 40");
  browser.call("Input.insertText", {{"text", "a red circle"}});
  browser.key("Enter", 13, "\r");
  // How many stand for others that look alike depends on the model.
  browser.wait_for("document.querySelectorAll('.card .score').length > 0");
  CHECK_THAT(browser.value("document.querySelector('.score').textContent").get<std::string>(), Contains("top "));
  CHECK_THAT(browser.value("document.getElementById('status').textContent").get<std::string>(), Contains("best first"));
  // Every image loads, and each control has a name.
  browser.wait_for(
      "[...document.querySelectorAll('.open img')].slice(0,4).every(i => i.complete && i.naturalWidth > 0)");
  CHECK(browser.value("[...document.querySelectorAll('button,input,img')].every("
                      "e => e.closest('dialog') || e.ariaLabel || e.alt || e.textContent || e.closest('li'))") == true);
  const std::string first = browser.value("document.querySelector('.card .name').textContent");
  browser.value("document.querySelector('.card .like').click()");
  browser.wait_for("location.hash.includes('like=') && document.querySelectorAll('.card .score').length > 0");
  CHECK(browser.value("document.querySelectorAll('#chips li').length") == 1);
  CHECK(browser.value("document.querySelector('.card .name').textContent") == first);
  browser.value("document.querySelector('#chips button').click()");
  browser.wait_for("document.querySelectorAll('#chips li').length == 0");
}

#else

TEST_CASE("image_search serve says what it lacks") {
  Folder folder;
  write_pictures(folder, 2);
  check_refused(program("image_search") + " serve " + (folder / "photos") + " --weights " + searching_model(), 1,
                "libcpp-httplib-dev");
}

#endif
