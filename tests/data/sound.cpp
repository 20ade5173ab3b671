// SPDX-License-Identifier: MIT

// Recordings: what is drawn, what is read from files, and the window that a network hears.

#include <algorithm>
#include <cmath>
#include <cstring>
#include <set>

#include "contrastive/augment/wave_window.hpp"
#include "contrastive/data/batches.hpp"
#include "contrastive/data/sound_folder.hpp"
#include "contrastive/data/voices.hpp"
#include "data/support.hpp"
#include "support/catch.hpp"
#include "support/wav.hpp"

using namespace contrastive;

namespace {

Sample of_samples(const std::vector<int>& values) {
  Sample sample;
  for (const int value : values) sample.sound.samples.push_back(static_cast<float>(value) / 32768);
  return sample;
}

}  // namespace

TEST_CASE("voices depend on seed, split and index alone", "[sound]") {
  const Voices voices(400, 8, 3);
  const Sound one = voices.sound(17);
  CHECK(one.length() == 32000);
  CHECK(one.samples == Voices(20, 8, 3).sound(17).samples);
  CHECK(one.samples != Voices(400, 8, 4).sound(17).samples);
  CHECK(one.samples != Voices(400, 8, 3, "test").sound(17).samples);
  CHECK(one.samples != voices.sound(18).samples);
  CHECK(Voices(400, 8, 3, "test").class_names() == voices.class_names());
  std::vector<int> counts(8);
  for (std::size_t i = 0; i < 400; ++i) ++counts[static_cast<std::size_t>(voices.label(i))];
  CHECK(*std::min_element(counts.begin(), counts.end()) >= 25);
  for (std::size_t i = 0; i < 20; ++i) {
    const Sound sound = voices.sound(i);
    double energy = 0;
    for (const float x : sound.samples) energy += x * x / static_cast<double>(sound.length());
    CHECK(std::sqrt(energy) > 0.03);
    CHECK(std::sqrt(energy) < 0.08);
  }
  CHECK_THROWS_WITH(Voices(1, 0), Contains("[voices] expected speakers and samples above 0, got 0"));
  CHECK_THROWS_WITH(Voices(1, 1, 0, "dev"), Contains("split is train or test, got dev"));
  CHECK_THROWS_WITH(voices.sound(400), Contains("recording 400 of 400"));
}

TEST_CASE("a window is a stretch of the recording, or all of it and zeros", "[sound]") {
  const std::vector<int> values{-32768, -20000, -3, 0, 1, 2, 300, 4000, 20000, 32767};
  const Sample sound = of_samples(values);
  /// Checks the view against the recording and returns where it starts.
  const auto start_of = [&](const WaveWindow& window, std::uint64_t seed) {
    std::vector<float> out(static_cast<std::size_t>(window.length), 9.f);
    void* const targets[] = {out.data()};
    Drawn drawn;
    window(sound, Rng(seed), targets, std::span(&drawn, 1));
    for (std::size_t t = 0; t < out.size(); ++t) {
      const std::size_t at = static_cast<std::size_t>(drawn.crop.top) + t;
      CHECK(out[t] == (at < values.size() ? static_cast<float>(values[at]) / 32768.f : 0.f));
    }
    return drawn.crop.top;
  };
  CHECK(start_of({4, false}, 0) == 3);
  std::set<int> starts;
  for (std::uint64_t seed = 0; seed < 100; ++seed) starts.insert(start_of({4, true}, seed));
  CHECK(starts == std::set<int>{0, 1, 2, 3, 4, 5, 6});
  for (const bool random : {false, true})
    for (const int length : {10, 11, 16}) CHECK(start_of({length, random}, 1) == 0);
  void* const nowhere[] = {nullptr};
  Sample stereo = sound;
  stereo.sound.channels = 2;
  CHECK_THROWS_WITH(WaveWindow{}(stereo, Rng(0), nowhere, {}), Contains("[wave_window] expected one channel, got 2"));
  const Voices voices(3, 2, 0, "train", 100);
  const LoadedSet set = load_all(voices, WaveWindow{64, false});
  CHECK(set.images.shape() == Shape{3, 64, 1});
  CHECK(set.images.data<float>()[64] == voices.sound(1).samples[18]);
}

#if defined(CONTRASTIVE_WITH_SNDFILE)

namespace {

/// Writes by libsndfile.
void write_sound(const std::string& path, const std::vector<float>& values, int format) {
  SF_INFO info{};
  info.samplerate = 16000, info.channels = 1, info.format = format;
  SNDFILE* file = sf_open(path.c_str(), SFM_WRITE, &info);
  REQUIRE(file != nullptr);
  sf_writef_float(file, values.data(), static_cast<sf_count_t>(values.size()));
  sf_close(file);
}

}  // namespace

TEST_CASE("WAV files have the samples that were written", "[sound]") {
  TemporaryFolder folder;
  const std::vector<int> values{0, 1, -1, 32767, -32768, 12345};
  CHECK(samples_of(read_sound(folder.write("a.wav", wav_file(values)), 16000)) == values);
  CHECK(samples_of(read_sound(folder.write("stereo.wav", wav_file({100, 300, -5, 5, 32767, 32767}, 16000, 2)),
                              16000)) == std::vector<int>{200, 0, 32767});
  std::vector<int> lengthy(200000);
  for (std::size_t t = 0; t < lengthy.size(); ++t) lengthy[t] = static_cast<int>(t * 7 % 65536) - 32768;
  CHECK(samples_of(read_sound(folder.write("b.wav", wav_file(lengthy)), 16000)) == lengthy);
  write_sound(folder.path("float.wav"), {0.5f, -2.f, 2.f, NAN}, SF_FORMAT_WAV | SF_FORMAT_FLOAT);
  CHECK(samples_of(read_sound(folder.path("float.wav"), 16000)) == std::vector<int>{16384, -32768, 32768, 0});
}

TEST_CASE("FLAC and Ogg files are read, and refused when cut short", "[sound]") {
  TemporaryFolder folder;
  std::vector<float> wave(30000);
  for (std::size_t t = 0; t < wave.size(); ++t) wave[t] = 0.5f * std::sin(0.05f * static_cast<float>(t));
  write_sound(folder.path("a.flac"), wave, SF_FORMAT_FLAC | SF_FORMAT_PCM_16);
  const Sound flac = read_sound(folder.path("a.flac"), 16000);
  REQUIRE(flac.length() == 30000);
  for (std::size_t t = 0; t < 30000; t += 1000) CHECK(std::abs(flac.samples[t] - wave[t]) <= 1 / 32768.f);
  write_sound(folder.path("a.ogg"), wave, SF_FORMAT_OGG | SF_FORMAT_VORBIS);
  CHECK(read_sound(folder.path("a.ogg"), 16000).length() == 30000);
  std::filesystem::resize_file(folder.path("a.flac"), std::filesystem::file_size(folder.path("a.flac")) / 2);
  CHECK_THROWS_WITH(read_sound(folder.path("a.flac"), 16000), Contains(folder.path("a.flac")));
}

TEST_CASE("sound files that are not right are named", "[sound]") {
  TemporaryFolder folder;
  CHECK_THROWS_WITH(read_sound(folder.write("cd.wav", wav_file({1, 2}, 44100)), 16000),
                    Contains(folder.path("cd.wav") + ": expected 16000 samples a second, the file has 44100"));
  std::string cut = wav_file(std::vector<int>(1000, 7));
  cut.resize(cut.size() / 2);
  CHECK_THROWS_WITH(read_sound(folder.write("cut.wav", cut), 16000),
                    Contains(folder.path("cut.wav") + ": the file ends after 489 samples, before its header says"));
  CHECK_THROWS_WITH(read_sound(folder.write("text.wav", "no sound at all"), 16000), Contains(folder.path("text.wav")));
  CHECK_THROWS_WITH(read_sound(folder.write("empty.wav", wav_file({})), 16000), Contains("no samples"));
  CHECK_THROWS_WITH(read_sound(folder.path("none.wav"), 16000), Contains(folder.path("none.wav")));
  std::string trailing = wav_file({1, 2, 3});
  trailing.resize(trailing.size() + 10);
  CHECK(read_sound(folder.write("trailing.wav", trailing), 16000).length() == 3);
}

TEST_CASE("a folder of recordings has its speakers as classes", "[sound]") {
  TemporaryFolder folder;
  CHECK_THROWS_WITH(SoundFolder(folder.path("none")), Contains("no such folder"));
  folder.write("19/198/19-198.trans.txt", "what was said");
  CHECK_THROWS_WITH(SoundFolder(folder.path()),
                    Contains("none of the 1 files here is a .wav, .flac or .ogg recording, but 1 .txt (--root)"));
  folder.write("19/198/19-198-0001.wav", wav_file({1}));
  folder.write("19/227/19-227-0000.WAV", wav_file({2}));
  folder.write("103/1240/103-1240-0000.wav", wav_file({3}, 8000));
  const AnyDataset set = SoundFolder(folder.path());
  REQUIRE(set.size() == 3);
  CHECK(set.class_names() == std::vector<std::string>{"103", "19"});
  CHECK(set.label(0) == 0);
  CHECK(set.label(2) == 1);
  CHECK(set.sample(2, Part::sound).sound.samples == std::vector<float>{2 / 32768.f});
  CHECK_FALSE(set.sample_or_report(0, Part::sound).has_value());
  CHECK(set.unreadable() == 1);
  CHECK(SoundFolder(folder.path(), 8000).sound(0).length() == 1);
}

#else

TEST_CASE("without libsndfile a folder of recordings is refused", "[sound]") {
  TemporaryFolder folder;
  folder.write("a/1.wav", "whatever");
  CHECK_THROWS_WITH(SoundFolder(folder.path()), Contains("built without libsndfile"));
}

#endif
