// The floors that are no fibers.
// SPDX-License-Identifier: MIT
#pragma once

#include "../race/race.hpp"

race::Figure raw_switch();
race::Figure post_burst();
race::Figure thread_round_trip();
race::Figure timer_insert();
race::Figure timer_pop();
race::Figure cancel_1();
race::Figure cancel_10();
race::Figure echo(int connections);
