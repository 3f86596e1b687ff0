// The workloads in which asio needs no coroutine.
// SPDX-License-Identifier: MIT
#pragma once

#include "race.hpp"

race::Figure timer_insert();
race::Figure timer_cancel(std::size_t others);
race::Figure timer_pop();
race::Figure post_burst();
