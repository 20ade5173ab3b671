// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "contrastive/core/error.hpp"
#include "contrastive/core/rng.hpp"
#include "contrastive/media/sound.hpp"

namespace contrastive {

/// Speech-like recordings at 16 kHz, drawn from a seed without any file and labelled by speaker: the counterpart of
/// `Shapes` for sound. A speaker is a pitch, a length of the vocal tract, which scales all formants, and a breathiness;
/// an utterance is a random sequence of vowels, hisses and pauses that glide into each other, pulses and noise through
/// three resonators side by side (source and filter, Fant 1960; Klatt 1980). Loudness, the microphone's slope and its
/// noise are the recording's, so that energy says nothing about the speaker, and the pitch wanders. Recording i depends
/// on (seed, split, i) alone; both splits have the same speakers.
class Voices {
 public:
  static constexpr int rate = 16000;  // hertz

  /// `split` is "train" or "test".
  Voices(std::size_t count, int speakers, std::uint64_t seed = 0, const std::string& split = "train",
         int samples = 2 * rate)
      : count_(count),
        samples_(samples),
        title_("voices " + split),
        rng_(Rng(seed) / "voices" / split),
        speakers_(Rng(seed) / "voices" / "speakers") {
    require(split == "train" || split == "test", "[voices] split is train or test, got ", split);
    require(speakers >= 1 && samples >= 1, "[voices] expected speakers and samples above 0, got ", speakers, " and ",
            samples);
    for (int s = 0; s < speakers; ++s) names_.push_back("speaker " + std::to_string(s));
  }

  std::size_t size() const { return count_; }
  int label(std::size_t i) const { return static_cast<int>(Stream(rng_ / i / "speaker").below(names_.size())); }
  const std::vector<std::string>& class_names() const { return names_; }
  const std::string& name() const { return title_; }
  std::string describe(std::size_t i) const { return join("recording ", i, " of ", title_); }

  Sound sound(std::size_t i) const {
    require(i < count_, "[voices] recording ", i, " of ", count_);
    Stream person(speakers_ / static_cast<std::uint64_t>(label(i))), draw(rng_ / i / "utterance");
    const double pitch = 85 * std::pow(2.8, person.uniform()), tract = person.uniform(0.84, 1.2),
                 breath = person.uniform(0.02, 0.25), dullness = person.uniform(0.8, 0.96);
    const double tone = pitch * draw.uniform(0.9, 1.1), slope = draw.uniform(-0.2, 0.2),
                 hum = draw.uniform(0.003, 0.01);
    const double level = 0.035 * std::pow(2, draw.uniform());  // root mean square of the recording

    std::vector<double> wave(static_cast<std::size_t>(samples_));
    std::array<Resonator, 3> throat;
    Phone now = pause, goal = pause;
    double phase = 0, glottis = 0, before = 0, energy = 0;
    int left = 0;
    for (int t = 0; t < samples_; ++t) {
      if (left-- == 0) {
        goal = draw.chance(0.15) ? pause : phones[draw.below(phones.size())];
        left = static_cast<int>(draw.uniform(0.05, 0.2) * rate);
      }
      if (t % frame == 0) {  // glide a quarter of the way: 20 ms from one phone to the next
        for (std::size_t k = 0; k < 3; ++k) {
          now.formant[k] += 0.25 * (goal.formant[k] - now.formant[k]);
          throat[k].tune(std::min(tract * now.formant[k], 7600.), 60 + 0.06 * now.formant[k]);
        }
        now.voice += 0.25 * (goal.voice - now.voice), now.noise += 0.25 * (goal.noise - now.noise);
      }
      phase += tone * (1 + 0.08 * std::sin(t * 1.3e-3)) / rate;  // 3 Hz of melody
      const double pulse = phase >= 1 ? 1 : 0, white = hiss(draw);
      phase -= pulse;
      glottis = dullness * glottis + pulse;
      const double source = now.voice * (glottis + breath * white) + now.noise * white;
      const double x = throat[0](source) + 0.6 * throat[1](source) + 0.4 * throat[2](source);
      const double heard = x - slope * before;
      before = x;
      wave[static_cast<std::size_t>(t)] = heard;
      energy += heard * heard;
    }
    Sound sound{.rate = rate, .samples = std::vector<float>(wave.size())};
    const double gain = level / (std::sqrt(energy / samples_) + 1e-9);
    for (std::size_t t = 0; t < wave.size(); ++t) {
      const double value = gain * wave[t] + hum * level * hiss(draw);
      sound.samples[t] =
          static_cast<float>(std::lround(std::clamp(32768 * value, -32768., 32767.))) / 32768;  // 16 bits
    }
    return sound;
  }

 private:
  static constexpr int frame = 80;  // 5 ms

  static double hiss(Stream& draw) { return 1.7 * (static_cast<double>(draw.bits()) * 0x1.0p-31 - 1); }

  /// Two poles at a frequency, with gain 1 there.
  struct Resonator {
    double a = 1, b = 0, c = 0, y1 = 0, y2 = 0;
    void tune(double frequency, double bandwidth) {
      const double r = std::exp(-3.141592653589793 * bandwidth / rate), turn = 6.283185307179586 * frequency / rate;
      b = 2 * r * std::cos(turn), c = -r * r;
      a = (1 - r) * std::sqrt(1 - 2 * r * std::cos(2 * turn) + r * r);
    }
    double operator()(double x) {
      const double y = a * x + b * y1 + c * y2;
      y2 = y1, y1 = y;
      return y;
    }
  };

  struct Phone {
    std::array<double, 3> formant;  // hertz, of a grown man (Peterson and Barney 1952); hisses: their bands
    double voice, noise;
  };
  static constexpr Phone pause{{500, 1500, 2500}, 0, 0};
  static constexpr std::array<Phone, 10> phones = {{{{270, 2290, 3010}, 1, 0},
                                                    {{390, 1990, 2550}, 1, 0},
                                                    {{530, 1840, 2480}, 1, 0},
                                                    {{660, 1720, 2410}, 1, 0},
                                                    {{730, 1090, 2440}, 1, 0},
                                                    {{570, 840, 2410}, 1, 0},
                                                    {{300, 870, 2240}, 1, 0},
                                                    {{490, 1350, 1690}, 1, 0},
                                                    {{3000, 4800, 6200}, 0, 0.4},
                                                    {{1800, 2500, 4200}, 0, 0.4}}};

  std::size_t count_;
  int samples_;
  std::string title_;
  Rng rng_, speakers_;
  std::vector<std::string> names_;
};

}  // namespace contrastive
