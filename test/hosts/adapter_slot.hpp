// SPDX-License-Identifier: MIT
// The adapter of a driver.
#pragma once

#include <optional>
#include <utility>

namespace coir::test {

/// Holds an adapter from attach() to detach() or drop().
template <class Adapter>
class AdapterSlot {
 public:
  template <class... Args>
  void attach(Args&&... args) {
    adapter_.emplace(std::forward<Args>(args)...);
  }
  /// Destroys it also if detaching throws.
  void detach() {
    struct Reset {
      std::optional<Adapter>& adapter;
      ~Reset() { adapter.reset(); }
    } const reset{adapter_};
    adapter_->detach();
  }
  void drop() { adapter_.reset(); }
  Adapter* operator->() { return &*adapter_; }
  explicit operator bool() const { return adapter_.has_value(); }

 private:
  std::optional<Adapter> adapter_;
};

}  // namespace coir::test
