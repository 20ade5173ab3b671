// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#if defined(CONTRASTIVE_WITH_SNDFILE)
#include <sndfile.h>
#endif

#include "contrastive/core/error.hpp"
#include "contrastive/data/class_folders.hpp"
#include "contrastive/media/sound.hpp"

namespace contrastive {

/// Reads a sound file by libsndfile; its channels are averaged. Throws `Error` naming the file when it is no sound, ends
/// before its header says, or has another rate than `rate` hertz.
inline Sound read_sound(const std::string& path, int rate) {
#if defined(CONTRASTIVE_WITH_SNDFILE)
  SF_INFO info{};
  const std::unique_ptr<SNDFILE, int (*)(SNDFILE*)> file(sf_open(path.c_str(), SFM_READ, &info), sf_close);
  require(file != nullptr, "[sound] ", path, ": ", sf_strerror(nullptr));
  require(info.samplerate == rate, "[sound] ", path, ": expected ", rate, " samples a second, the file has ",
          info.samplerate);
  std::string log(4096, '\0');  // the one place that tells of a WAV file cut short: "data : 640 (should be 100)"
  log.resize(static_cast<std::size_t>(sf_command(file.get(), SFC_GET_LOG_INFO, log.data(), 4096)));
  const std::string data = log.substr(std::min(log.find("data : "), log.size()));
  const bool cut = data.substr(0, data.find('\n')).find("should be") != std::string::npos;
  const std::int64_t channels = info.channels, block = 4096;
  std::vector<float> frames(static_cast<std::size_t>(block * channels));
  Sound sound;
  sound.rate = rate;
  for (sf_count_t got; (got = sf_readf_float(file.get(), frames.data(), block)) > 0;) {
    constexpr std::size_t most = std::numeric_limits<int>::max() / 2;
    require(sound.samples.size() <= most - block, "[sound] ", path, ": longer than ", most, " samples");
    for (sf_count_t t = 0; t < got; ++t) {
      float sum = 0;
      for (std::int64_t c = 0; c < channels; ++c) sum += frames[static_cast<std::size_t>(t * channels + c)];
      const float value = sum / static_cast<float>(channels);
      sound.samples.push_back(value == value ? std::clamp(value, -1.f, 1.f) : 0);
    }
  }
  const auto read = static_cast<sf_count_t>(sound.samples.size());
  require(!cut && read >= info.frames, "[sound] ", path, ": the file ends after ", read,
          " samples, before its header says");
  require(read > 0, "[sound] ", path, ": no samples");
  return sound;
#else
  fail("[sound] cannot read ", path, " at ", rate, " hertz: built without libsndfile");
#endif
}

namespace detail {

inline const FileKind& sound_files() {
  static const FileKind kind{"recording", {".wav", ".flac", ".ogg"}};
  return kind;
}

}  // namespace detail

/// A folder of WAV, FLAC and Ogg files, in classes as `ImageFolder` has them: LibriSpeech's SPEAKER/CHAPTER/*.flac is
/// labelled by speaker. Files are opened when they are asked for.
class SoundFolder : public detail::ClassFolders {
 public:
  /// Throws `Error` naming the folder when it is missing, cannot be read, or holds no sound files, and when the library
  /// was built without libsndfile.
  explicit SoundFolder(const std::string& root, int rate = 16000)
      : ClassFolders(root, {}, detail::sound_files()), rate_(rate) {
#if !defined(CONTRASTIVE_WITH_SNDFILE)
    fail("[sound] ", root, ": sound files cannot be read, built without libsndfile");
#endif
  }

  Sound sound(std::size_t i) const { return read_sound(path(i), rate_); }

 private:
  int rate_;
};

}  // namespace contrastive
