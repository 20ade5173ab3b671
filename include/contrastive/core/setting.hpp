// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "contrastive/core/bounds.hpp"
#include "contrastive/core/error.hpp"

namespace contrastive {

/// A setting of a run: the name of its flag and of its key in files, the field that holds it, and what it may be.
struct Setting {
  using Field = std::variant<bool*, int*, std::int64_t*, std::uint64_t*, double*, std::string*>;

  const char* name;
  Field field;
  const char* help;
  long double least = 0, most = 0;     // of a number, both included
  std::vector<std::string> choices{};  // of a text; empty: any
};

/// The settings of a struct, said once beside its fields:
///
///     struct SimclrConfig {
///       double temperature = 0.5;
///       void settings(SettingList& list) {
///         list.number("temperature", temperature, 1e-4, 1e4, "temperature of the contrastive loss");
///       }
///     };
///
/// Flags, --help, configuration files, checkpoints, the report and the checks of values all come from such lists.
class SettingList {
 public:
  /// Between `least` and `most` a run is right, or says what else does not fit.
  template <class T>
  requires((std::integral<T> && !std::same_as<T, bool>) ||
           std::floating_point<T>) void number(const char* name, T& field, long double least, long double most,
                                               const char* help) {
    all_.push_back({name, &field, help, least, most});
  }
  void flag(const char* name, bool& field, const char* help) { all_.push_back({name, &field, help}); }
  void text(const char* name, std::string& field, const char* help) { all_.push_back({name, &field, help}); }
  void choice(const char* name, std::string& field, std::vector<std::string> choices, const char* help) {
    all_.push_back({name, &field, help, 0, 0, std::move(choices)});
  }

  auto begin() const { return all_.begin(); }
  auto end() const { return all_.end(); }
  /// Null where there is none of that name.
  const Setting* find(std::string_view name) const {
    const auto at = std::find_if(all_.begin(), all_.end(), [&](const Setting& one) { return one.name == name; });
    return at == all_.end() ? nullptr : &*at;
  }

 private:
  std::vector<Setting> all_;
};

/// Throws one sentence with the flag unless the value is one that it may be.
inline void check_setting(const Setting& setting) {
  std::visit(
      [&](const auto* field) {
        using T = std::remove_cvref_t<decltype(*field)>;
        if constexpr (std::is_same_v<T, std::string>) {
          if (setting.choices.empty()) return;
          std::string known;
          bool commas = false;
          for (const std::string& one : setting.choices) {
            if (*field == one) return;
            commas = commas || one.find(',') != one.npos;
          }
          for (const std::string& one : setting.choices) known += (known.empty() ? "" : commas ? "; " : ", ") + one;
          fail("[settings] --", setting.name, " must be one of ", known, ", got ", *field);
        } else if constexpr (!std::is_same_v<T, bool>) {
          require_within("settings", join("--", setting.name).c_str(), *field, static_cast<T>(setting.least),
                         static_cast<T>(setting.most));
        }
      },
      setting.field);
}

}  // namespace contrastive
