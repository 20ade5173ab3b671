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
#include "contrastive/data/image.hpp"

namespace contrastive {

/// Reads a sound file by libsndfile as a `recording`: channels are averaged, samples rounded to 16 bits. Throws `Error`
/// naming the file when it is no sound, ends before its header says, or has another rate than `rate` hertz.
inline Image read_sound(const std::string& path, int rate) {
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
  Image sound = recording(0);  // grows with what is there, whatever the header says
  for (sf_count_t got; (got = sf_readf_float(file.get(), frames.data(), block)) > 0;) {
    require(sound.height <= std::numeric_limits<int>::max() / 2 - block, "[sound] ", path, ": longer than ",
            std::numeric_limits<int>::max() / 2, " samples");
    const int start = sound.height;
    sound.height += static_cast<int>(got);
    sound.pixels.resize(2 * static_cast<std::size_t>(sound.height));
    for (sf_count_t t = 0; t < got; ++t) {
      float sum = 0;
      for (std::int64_t c = 0; c < channels; ++c) sum += frames[static_cast<std::size_t>(t * channels + c)];
      const float value = sum / static_cast<float>(channels) * 32768;  // of 16 bits the value in the file
      set_sample(sound, start + static_cast<int>(t),
                 value == value ? static_cast<int>(std::lround(std::clamp(value, -32768.f, 32767.f))) : 0);
    }
  }
  require(!cut && sound.height >= info.frames, "[sound] ", path, ": the file ends after ", sound.height,
          " samples, before its header says");
  require(sound.height > 0, "[sound] ", path, ": no samples");
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
/// labelled by speaker. Recordings are (T, 1, 2), see `recording`; files are opened when they are asked for.
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

  Image image(std::size_t i) const { return read_sound(path(i), rate_); }

 private:
  int rate_;
};

}  // namespace contrastive
