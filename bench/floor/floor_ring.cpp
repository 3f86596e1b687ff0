// The floor of yield_100k and yield_1m: a ring of jumps over as many stacks, with no queue and no task.
// SPDX-License-Identifier: MIT
#include <boost/context/detail/fcontext.hpp>

#include "../race/race.hpp"
#include "stacks.hpp"

namespace {

using boost::context::detail::jump_fcontext;
using boost::context::detail::transfer_t;

using Context = boost::context::detail::fcontext_t;

// Globals, and of a kind that is reached without a register: what a jump restores from its stack is a cache miss away,
// and as long as the way to the next jump does not depend on it, the misses of several jumps overlap (140 ns -> 40).
Context* first = nullptr;  // where each is suspended, in order
Context* last = nullptr;   // that is main()
Context* here = nullptr;   // whose turn it is

void arrive(transfer_t from) { *(here == first ? last : here - 1) = from.fctx; }

[[gnu::always_inline]] inline void jump() {
  here = here == last ? first : here + 1;
  arrive(jump_fcontext(*here, nullptr));
}

void link(transfer_t from) {
  for (arrive(from);;) jump();
}

race::Figure jumps(std::size_t stacks) {
  bare::Stacks memory(stacks);
  std::vector<Context> at;
  for (std::size_t i = 0; i < stacks; ++i) {
    at.push_back(boost::context::detail::make_fcontext(memory.carve(), bare::Stacks::usable, link));
  }
  at.push_back(nullptr);
  first = at.data();
  here = last = first + stacks;
  const std::size_t laps = std::max<std::size_t>(1, race::million / stacks);
  return race::ns_each(laps * (stacks + 1), [&] {
    for (std::size_t lap = 0; lap < laps; ++lap) jump();
  });
}

}  // namespace

int main(int argc, char** argv) {
  return race::run(argc, argv,
                   {{"yield_1000", "ns", [] { return jumps(1000); }},
                    {"yield_100k", "ns", [] { return jumps(100'000); }},
                    {"yield_1m", "ns", [] { return jumps(race::million); }}});
}
