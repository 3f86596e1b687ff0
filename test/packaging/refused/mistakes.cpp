// SPDX-License-Identifier: MIT
// Compiles without any of the macros; with each of them for one reason less.
#include <coir/as_task.hpp>
#include <coir/stream.hpp>

#include <functional>
#include <memory>
#include <string>
#include <string_view>

using Answer = void(int, void*);

int completions() {
  return coir::from_callback<int>([](auto done) {
#if defined(MISTAKE_c_of_an_lvalue)
    static_cast<void>(done.template c<Answer>([](auto& d, int n) { d(n); }));
#elif defined(MISTAKE_shared_of_an_lvalue)
    static_cast<void>(done.shared());
#else
    static_cast<void>(std::move(done).template c<Answer>([](auto& d, int n) { d(n); }));
#endif
  });
}

auto streams() {
  return coir::stream_from_callback<int>([](auto emit) {
#if defined(MISTAKE_c_of_an_emitter)
    static_cast<void>(emit.template c<Answer>([](auto& e, int n) { e(n); }));
#elif defined(MISTAKE_shared_of_an_emitter)
    static_cast<void>(emit.shared());
#else
    static_cast<void>(std::move(emit).shared());
#endif
  });
}

struct Widget {
  int clicks = 0;
};

std::function<void(Widget&)> clicked() {
#if defined(MISTAKE_write_to_a_copy)
  return coir::as_task([](Widget& widget) { ++widget.clicks; });
#else
  return coir::as_task([](std::reference_wrapper<Widget> widget) { ++widget.get().clicks; });
#endif
}

std::function<void(const char*)> named() {
#if defined(MISTAKE_view_of_a_pointer)
  return coir::as_task([](std::string_view) {});
#else
  return coir::as_task([](coir::borrowed<std::string_view>) {});
#endif
}

std::function<void(const std::unique_ptr<int>&)> owned() {
#if defined(MISTAKE_no_copy)
  return coir::as_task([](const std::unique_ptr<int>&) {});
#else
  return [start = coir::as_task([](int) {})](const std::unique_ptr<int>& n) { start(*n); };
#endif
}
