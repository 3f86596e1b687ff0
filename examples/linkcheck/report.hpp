// SPDX-License-Identifier: MIT
// Findings for people and for programs.
#pragma once

#include <iosfwd>

#include "findings.hpp"

namespace linkcheck {

/// Lists and a summary table. What differs from run to run stands behind the line "This run".
void print_report(std::ostream& out, const Findings& findings);

/// One JSON object; what differs from run to run is in its member "run".
void print_json(std::ostream& out, const Findings& findings);

}  // namespace linkcheck
