// SPDX-License-Identifier: MIT
#include "unwind_audit.hpp"

#include <link.h>
#include <unwind.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <exception>
#include <mutex>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include <spdlog/logger.h>

#include <coir/errors.hpp>

#include "log.hpp"
#include "loop_core.hpp"
#include "symbols.hpp"

// Which frames does a throw pass, and which of them are C's?
//
// The first question is put to the C++ runtime itself: the personality routine that a throw would ask of each frame in
// its search for a handler is asked here, with an exception of the same type. So a c_boundary(), coir.h's functions and a
// catch clause of the program's own all count, and none has to leave a mark at run time.
//
// A frame with tables for its personality has clean-ups, in whatever language. One without has none: it is a C++ function
// that owns nothing, or C. Debug information says which; else a mangled name; else, the module: one that does not need a
// C++ runtime is C's. A C name in a module that does need one decides nothing, because it may be an extern "C" function of
// C++: rather silent than wrong.

extern "C" _Unwind_Reason_Code __gxx_personality_v0(int version, _Unwind_Action, _Unwind_Exception_Class,
                                                    _Unwind_Exception*, _Unwind_Context*);

namespace coir::detail {
namespace {

constexpr std::size_t max_frames = 1000;

/// What is mapped where, and whether it needs a C++ runtime.
class Modules {
 public:
  struct Module {
    std::uintptr_t begin;
    std::uintptr_t end;
    std::string name;
    bool needs_cpp;
  };
  Modules() {
    ::dl_iterate_phdr(
        [](dl_phdr_info* info, std::size_t, void* to) {
          static_cast<Modules*>(to)->add(*info);
          return 0;
        },
        this);
  }
  /// Null: no module has this code; a compiler at run time has made it.
  const Module* find(const void* address) const noexcept {
    const auto at = reinterpret_cast<std::uintptr_t>(address);
    for (const Module& module : all_) {
      if (at >= module.begin && at < module.end) return &module;
    }
    return nullptr;
  }

 private:
  void add(const dl_phdr_info& info) {
    const std::string_view path = info.dlpi_name != nullptr ? info.dlpi_name : "";
    // The program's own name is empty. It may have its C++ runtime linked in.
    Module module{UINTPTR_MAX, 0, path.empty() ? "the program" : std::string(path.substr(path.rfind('/') + 1)),
                  path.empty()};
    for (unsigned i = 0; i < info.dlpi_phnum; ++i) {
      const ElfW(Phdr)& header = info.dlpi_phdr[i];
      const std::uintptr_t begin = info.dlpi_addr + header.p_vaddr;
      if (header.p_type == PT_LOAD) {
        module.begin = std::min(module.begin, begin);
        module.end = std::max(module.end, begin + header.p_memsz);
      } else if (header.p_type == PT_DYNAMIC && needs_cpp(info.dlpi_addr, reinterpret_cast<const ElfW(Dyn)*>(begin))) {
        module.needs_cpp = true;
      }
    }
    all_.push_back(std::move(module));
  }
  static bool needs_cpp(std::uintptr_t base, const ElfW(Dyn)* entries) {
    std::uintptr_t strings = 0;
    for (const ElfW(Dyn)* entry = entries; entry->d_tag != DT_NULL; ++entry) {
      if (entry->d_tag == DT_STRTAB) strings = entry->d_un.d_ptr;
    }
    if (strings == 0) return false;
    if (strings < base) strings += base;  // not relocated in a read-only section
    for (const ElfW(Dyn)* entry = entries; entry->d_tag != DT_NULL; ++entry) {
      if (entry->d_tag != DT_NEEDED) continue;
      const std::string_view name = reinterpret_cast<const char*>(strings + entry->d_un.d_val);
      if (name.starts_with("libstdc++.so") || name.starts_with("libc++")) return true;
    }
    return false;
  }

  std::vector<Module> all_;
};

/// An exception that is never thrown, to ask personality routines with. They note in its header what they have found.
class Probe {
 public:
  Probe() : exception_(std::make_exception_ptr(CancelledError())) {
    static_assert(sizeof exception_ == sizeof(void*));
    void* object = nullptr;
    std::memcpy(&object, &exception_, sizeof object);
    header_ = static_cast<_Unwind_Exception*>(object) - 1;  // right in front, in both C++ runtimes
  }
  bool caught_by(_Unwind_Context* context) noexcept {
    return __gxx_personality_v0(1, _UA_SEARCH_PHASE, header_->exception_class, header_, context) ==
           _URC_HANDLER_FOUND;
  }

 private:
  const std::exception_ptr exception_;
  _Unwind_Exception* header_;
};

struct Frame {
  const void* address;
  const Modules::Module* module;
  bool cleans_up;
};

/// The frames that a throw from the frame right above `above` would pass, innermost first.
struct Walk {
  std::uintptr_t above;
  std::uintptr_t below;
  const Modules& modules;
  Probe probe = {};
  std::vector<Frame> frames = {};

  static _Unwind_Reason_Code visit(_Unwind_Context* context, void* to) {
    auto& walk = *static_cast<Walk*>(to);
    const std::uintptr_t frame = _Unwind_GetCFA(context);
    const _Unwind_Ptr address = _Unwind_GetIP(context);
    if (address == 0 || walk.frames.size() == walk.frames.capacity()) return _URC_END_OF_STACK;
    if (frame < walk.above || frame > walk.below) return _URC_NO_REASON;
    const auto* call = reinterpret_cast<const void*>(address - 1);
    const Modules::Module* const module = walk.modules.find(call);
    const bool cleans_up = _Unwind_GetLanguageSpecificData(context) != 0;
    // Elsewhere the tables may be for another routine: those of C with __attribute__((cleanup)) catch nothing.
    if (cleans_up && module != nullptr && module->needs_cpp && walk.probe.caught_by(context)) return _URC_END_OF_STACK;
    walk.frames.push_back({call, module, cleans_up});
    return _URC_NO_REASON;
  }
};

/// What earlier audits have found out.
class Memory {
 public:
  bool is_c(const Frame& frame) {
    if (frame.cleans_up || frame.module == nullptr) return false;
    const auto [entry, added] = c_.try_emplace(frame.address);
    if (added) entry->second = written_in_c(frame.address).value_or(!frame.module->needs_cpp);
    return entry->second;
  }
  /// Whether this call has not been reported yet.
  bool is_new(const void* call) { return reported_.insert(call).second; }

  std::mutex mutex;  // of both

 private:
  std::unordered_map<const void*, bool> c_;
  std::unordered_set<const void*> reported_;
};

/// "7 frames of libxml2.so.2 and 1 frame of libc.so.6"
std::string count_by_module(const std::vector<const Frame*>& frames) {
  std::vector<std::pair<const Modules::Module*, std::size_t>> counts;
  for (const Frame* frame : frames) {
    const auto known = std::find_if(counts.begin(), counts.end(), [&](auto& it) { return it.first == frame->module; });
    known != counts.end() ? ++known->second : counts.emplace_back(frame->module, 1).second;
  }
  std::string text;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    if (i != 0) text += i + 1 == counts.size() ? " and " : ", ";
    text += std::to_string(counts[i].second) + (counts[i].second == 1 ? " frame of " : " frames of ") +
            counts[i].first->name;
  }
  return text;
}

void report_c_frames(const TaskState& task, const std::vector<Frame>& frames) {
  static Memory& memory = *new Memory;  // never destroyed: tasks may still end at exit
  std::vector<const Frame*> c;
  const Frame* caller = nullptr;  // of the innermost ones
  {
    const std::scoped_lock lock(memory.mutex);
    for (const Frame& frame : frames) {
      if (memory.is_c(frame)) {
        c.push_back(&frame);
      } else if (!c.empty() && caller == nullptr) {
        caller = &frame;
      }
    }
    if (c.empty() || !memory.is_new((caller != nullptr ? caller : c.back())->address)) return;
  }
  std::string inside = symbolize(c.front()->address).back().function;
  std::string text = "cancellation of " + describe(static_cast<const FutureState&>(task)) + " unwinds " +
                     count_by_module(c) + " (" + std::move(inside) + "), which " +
                     (c.size() == 1 ? "has" : "have") +
                     " no clean-up: what C code holds stays held, and what it works on stays as it is.";
  if (caller != nullptr) text += " It is called " + to_string(symbolize(caller->address).front()) + ".";
  logger()->warn("{} Wrap the C call in call_c() and the callback in c_boundary().", text);
}

}  // namespace

[[gnu::noinline]] void audit_cancellation(const TaskState& task) {
  const int saved = errno;  // reading symbols opens files
  const Modules modules;
  Walk walk{reinterpret_cast<std::uintptr_t>(__builtin_dwarf_cfa()),
            reinterpret_cast<std::uintptr_t>(task.fiber()->stack.top), modules};
  walk.frames.reserve(max_frames);
  _Unwind_Backtrace(Walk::visit, &walk);
  report_c_frames(task, walk.frames);
  errno = saved;
}

}  // namespace coir::detail
