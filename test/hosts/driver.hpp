// SPDX-License-Identifier: MIT
// What the tests need of a host: to be run, left, and asked for callbacks of its own.
#pragma once

#include <coir/event_loop.hpp>

#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

namespace coir::test {

/// One event loop of another library, and the adapter to it.
///
/// Threads   Made, used and destroyed on one thread.
class HostDriver {
 public:
  HostDriver() = default;
  HostDriver(const HostDriver&) = delete;
  HostDriver& operator=(const HostDriver&) = delete;
  virtual ~HostDriver() = default;

  /// Attaches the loop by the adapter under test.
  virtual void attach(EventLoop& loop) = 0;
  /// The adapter's detach(); and the adapter is destroyed.
  virtual void detach() = 0;
  /// Destroys the adapter without that.
  virtual void drop() = 0;
  /// Runs the host until quit().
  virtual void run() = 0;
  virtual void quit() = 0;
  /// A one-shot timer of the host's own.
  virtual void call_later(int milliseconds, std::function<void()> fn) = 0;
  /// Runs the host inside of one of its callbacks until done() is true. Only if can_nest().
  virtual void run_nested(const std::function<bool()>& done) = 0;
  virtual bool can_nest() const { return true; }
  /// Whether run() returns by itself when neither host nor guest has anything to do.
  virtual bool ends_when_idle() const { return false; }
};

struct HostFactory {
  std::string name;
  std::function<std::unique_ptr<HostDriver>()> make;
};
inline void PrintTo(const HostFactory& factory, std::ostream* out) { *out << factory.name; }

/// Of all hosts whose library was there.
const std::vector<HostFactory>& host_factories();

std::unique_ptr<HostDriver> make_poll_host();
std::unique_ptr<HostDriver> make_asio_host();
std::unique_ptr<HostDriver> make_glib_host();
std::unique_ptr<HostDriver> make_libuv_host();
std::unique_ptr<HostDriver> make_libevent_host();
std::unique_ptr<HostDriver> make_qt_host();
std::unique_ptr<HostDriver> make_sd_event_host();

}  // namespace coir::test
