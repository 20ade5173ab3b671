// SPDX-License-Identifier: MIT
#include "contrastive/io/json.hpp"

#include <cstdlib>

#include "contrastive/io/report.hpp"
#include "contrastive/train/settings.hpp"

using namespace contrastive;

// What reads JSON of ours: settings come back from what they are written as, and so do the pictures of a report.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const Json json = parse_json({reinterpret_cast<const char*>(data), size}, "fuzz");
    if (dump_json(parse_json(dump_json(json), "again")) != dump_json(json)) std::abort();
    if (json.is_object() && json.contains("galleries")) {
      ReportData report, again;
      detail::pictures_from_json(json, report);
      const Json pictures = detail::pictures_to_json(report);
      detail::pictures_from_json(pictures, again);
      if (dump_json(detail::pictures_to_json(again)) != dump_json(pictures)) std::abort();  // NaN is null
    } else {
      Settings settings, again;
      settings_from_json(json, settings, "fuzz");
      settings_from_json(settings_to_json(settings), again, "again");
      if (settings_to_json(again) != settings_to_json(settings)) std::abort();
    }
  } catch (const Error&) {
  } catch (const Json::exception&) {  // a member of another kind: `load_report_data` makes a sentence of it
  }
  return 0;
}
