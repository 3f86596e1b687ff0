// SPDX-License-Identifier: MIT
// Symbol tables and debug information, read by elfutils' libdw.
#include <dwarf.h>
#include <elfutils/libdw.h>
#include <elfutils/libdwfl.h>
#include <libelf.h>
#include <link.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "symbols.hpp"

namespace coir::detail {
namespace {

std::optional<std::string> text_of(Dwarf_Die& die, unsigned attribute) {
  Dwarf_Attribute found;
  const char* text = dwarf_formstring(dwarf_attr_integrate(&die, attribute, &found));
  return text != nullptr ? std::optional<std::string>(text) : std::nullopt;
}

/// What a DIE is an instance or the definition of: that one stands in its namespace or class.
Dwarf_Die declaration_of(Dwarf_Die die) {
  for (int hops = 0; hops < 8; ++hops) {
    Dwarf_Attribute attribute;
    Dwarf_Die next;
    if (dwarf_attr(&die, DW_AT_abstract_origin, &attribute) == nullptr &&
        dwarf_attr(&die, DW_AT_specification, &attribute) == nullptr) {
      break;
    }
    if (dwarf_formref_die(&attribute, &next) == nullptr) break;
    die = next;
  }
  return die;
}

struct Free {
  void operator()(void* memory) const noexcept { std::free(memory); }
};
using Scopes = std::unique_ptr<Dwarf_Die[], Free>;

/// The DIE and those around it, innermost first.
std::pair<Scopes, int> scopes_around(Dwarf_Die die) {
  Dwarf_Die* scopes = nullptr;
  const int count = dwarf_getscopes_die(&die, &scopes);
  return {Scopes(scopes), count};
}

/// Only functions with external linkage have a linkage name; for others the scopes say it.
std::string qualified_name(Dwarf_Die function, int depth = 0) {
  if (const auto linkage = text_of(function, DW_AT_linkage_name)) return demangle(linkage->c_str());
  const auto [scopes, count] = scopes_around(declaration_of(function));
  std::string name;
  for (int i = 0; i < count; ++i) {
    Dwarf_Die& scope = scopes[i];
    const char* own = dwarf_diename(&scope);
    std::string part;
    switch (dwarf_tag(&scope)) {
      case DW_TAG_namespace:
        part = own != nullptr ? own : "(anonymous namespace)";
        break;
      case DW_TAG_class_type:
      case DW_TAG_structure_type:
      case DW_TAG_union_type:
        part = own != nullptr ? own : "<lambda>";
        break;
      case DW_TAG_subprogram:
        if (i > 0 && depth < 8) return qualified_name(scope, depth + 1) + "::" + name;
        part = own != nullptr ? own : "";
        break;
      default:
        continue;
    }
    name = name.empty() ? part : part + "::" + name;
  }
  return name;
}

/// Opens a module as libdw would, but keeps no descriptor.
int find_elf(Dwfl_Module* module, void** user_data, const char* module_name, Dwarf_Addr base, char** file_name,
             Elf** elf) {
  const int fd = dwfl_linux_proc_find_elf(module, user_data, module_name, base, file_name, elf);
  if (fd < 0 || *elf != nullptr) return fd;
  elf_version(EV_CURRENT);
  Elf* const mapped = elf_begin(fd, ELF_C_READ_MMAP_PRIVATE, nullptr);
  if (mapped == nullptr || elf_cntl(mapped, ELF_C_FDREAD) != 0) {
    elf_end(mapped);
    return fd;
  }
  elf_cntl(mapped, ELF_C_FDDONE);
  ::close(fd);
  *elf = mapped;
  return -1;
}

/// How often the process has loaded and unloaded modules.
struct Loads {
  unsigned long long added = 0;
  unsigned long long removed = 0;
  bool operator==(const Loads&) const = default;

  static Loads now() {
    Loads loads;
    ::dl_iterate_phdr(
        [](dl_phdr_info* info, std::size_t, void* to) {
          *static_cast<Loads*>(to) = {info->dlpi_adds, info->dlpi_subs};
          return 1;  // each entry says the same
        },
        &loads);
    return loads;
  }
};

/// Sets `die` to the unit that the address is in. By the table of addresses, which Clang does not write, else by a
/// search.
bool find_unit(Dwfl_Module* module, Dwarf_Addr pc, Dwarf_Die& die, Dwarf_Addr& bias) {
  if (const Dwarf_Die* found = dwfl_module_addrdie(module, pc, &bias)) {
    die = *found;
    return true;
  }
  Dwarf_Die* unit = nullptr;
  while ((unit = dwfl_module_nextcu(module, unit, &bias)) != nullptr) {
    if (dwarf_haspc(unit, pc - bias) > 0) {
      die = *unit;
      return true;
    }
  }
  return false;
}

/// The function that the address is in and those inlined there, outermost first. dwarf_getscopes() does not look into
/// namespaces, where Clang puts its functions.
bool find_functions(Dwarf_Die& parent, Dwarf_Addr pc, std::vector<Dwarf_Die>& path) {
  Dwarf_Die die;
  if (dwarf_child(&parent, &die) != 0) return false;
  do {
    const int tag = dwarf_tag(&die);
    const bool function = tag == DW_TAG_subprogram || tag == DW_TAG_inlined_subroutine;
    if (tag == DW_TAG_namespace) {
      if (find_functions(die, pc, path)) return true;
    } else if ((function || tag == DW_TAG_lexical_block) && dwarf_haspc(&die, pc) > 0) {
      if (function) path.push_back(die);
      find_functions(die, pc, path);
      return true;
    }
  } while (dwarf_siblingof(&die, &die) == 0);
  return false;
}

/// The modules of this process. One for all threads: what has been read stays until modules come or go.
class Session {
 public:
  static Session& instance() {
    static Session& session = *new Session;  // never destroyed: threads may still ask at exit
    return session;
  }
  std::vector<StackFrame> symbolize(const void* address);
  std::optional<bool> written_in_c(const void* address);

 private:
  Session() : dwfl_(dwfl_begin(&callbacks)) {}
  bool refresh();
  std::vector<StackFrame> look_up(const void* address);

  static const Dwfl_Callbacks callbacks;
  std::mutex mutex_;
  Dwfl* const dwfl_;
  Loads loads_;  // when the modules were looked at last
  std::unordered_map<const void*, std::vector<StackFrame>> known_;
};

// By build id below /usr/lib/debug only: the standard search would ask a debuginfod server, in the middle of a loop.
const Dwfl_Callbacks Session::callbacks = {
    .find_elf = find_elf,
    .find_debuginfo = dwfl_build_id_find_debuginfo,
    .section_address = nullptr,
    .debuginfo_path = nullptr,
};

bool Session::refresh() {
  const Loads loads = Loads::now();
  if (dwfl_ == nullptr || loads == loads_) return dwfl_ != nullptr;
  known_.clear();
  dwfl_report_begin(dwfl_);
  const bool reported = dwfl_linux_proc_report(dwfl_, ::getpid()) == 0;
  if (dwfl_report_end(dwfl_, nullptr, nullptr) != 0 || !reported) return false;
  loads_ = loads;
  return true;
}

std::vector<StackFrame> Session::symbolize(const void* address) {
  const std::scoped_lock lock(mutex_);
  if (!refresh()) return {};
  const auto [entry, added] = known_.try_emplace(address);
  if (added) entry->second = look_up(address);
  return entry->second;
}

std::vector<StackFrame> Session::look_up(const void* address) {
  const auto pc = static_cast<Dwarf_Addr>(reinterpret_cast<std::uintptr_t>(address));
  Dwfl_Module* module = dwfl_addrmodule(dwfl_, pc);
  if (module == nullptr) return {};
  StackFrame place{address, {}, {}, 0};  // the line, and where the function around was called, as we go outwards
  std::vector<StackFrame> frames;
  Dwarf_Addr bias = 0;
  std::string physical;
  if (Dwarf_Die unit; find_unit(module, pc, unit, bias)) {
    if (Dwarf_Line* line = dwarf_getsrc_die(&unit, pc - bias)) {
      int number = 0;
      const char* file = dwarf_linesrc(line, nullptr, nullptr);
      if (file != nullptr && dwarf_lineno(line, &number) == 0) {
        place.file = file;
        place.line = static_cast<unsigned>(number);
      }
    }
    Dwarf_Files* files = nullptr;
    std::size_t file_count = 0;
    dwarf_getsrcfiles(&unit, &files, &file_count);
    std::vector<Dwarf_Die> path;
    find_functions(unit, pc - bias, path);
    for (auto scope = path.rbegin(); scope != path.rend(); ++scope) {
      if (dwarf_tag(&*scope) == DW_TAG_subprogram) {
        physical = qualified_name(*scope);
        break;
      }
      place.function = plain_name(qualified_name(*scope));
      frames.push_back(place);
      Dwarf_Attribute attribute;
      Dwarf_Word file = 0;
      Dwarf_Word line = 0;
      dwarf_formudata(dwarf_attr(&*scope, DW_AT_call_file, &attribute), &file);
      dwarf_formudata(dwarf_attr(&*scope, DW_AT_call_line, &attribute), &line);
      const char* path_of_file =
          files != nullptr && file < file_count ? dwarf_filesrc(files, file, nullptr, nullptr) : nullptr;
      place.file = path_of_file != nullptr ? path_of_file : "";
      place.line = path_of_file != nullptr ? static_cast<unsigned>(line) : 0;
    }
  }
  // The symbol table has the full name of every function, lambdas and internal ones too.
  GElf_Off offset = 0;
  GElf_Sym symbol;
  const char* name = dwfl_module_addrinfo(module, pc, &offset, &symbol, nullptr, nullptr, nullptr);
  const bool inside = name != nullptr && (symbol.st_size == 0 || offset < symbol.st_size);
  place.function = inside              ? plain_name(demangle(name))
                   : !physical.empty() ? plain_name(physical)
                                       : offset_in_module(address);
  frames.push_back(place);
  return frames;
}

std::optional<bool> Session::written_in_c(const void* address) {
  const std::scoped_lock lock(mutex_);
  if (!refresh()) return std::nullopt;
  const auto pc = static_cast<Dwarf_Addr>(reinterpret_cast<std::uintptr_t>(address));
  Dwfl_Module* module = dwfl_addrmodule(dwfl_, pc);
  if (module == nullptr) return std::nullopt;
  Dwarf_Addr bias = 0;
  if (Dwarf_Die unit; find_unit(module, pc, unit, bias)) {
    switch (dwarf_srclang(&unit)) {
      case DW_LANG_C89:
      case DW_LANG_C:
      case DW_LANG_C99:
      case DW_LANG_C11:
      case DW_LANG_Mips_Assembler:  // any processor's
        return true;
      default:
        return false;
    }
  }
  GElf_Off offset = 0;
  GElf_Sym symbol;
  const char* name = dwfl_module_addrinfo(module, pc, &offset, &symbol, nullptr, nullptr, nullptr);
  const bool inside = name != nullptr && (symbol.st_size == 0 || offset < symbol.st_size);
  return inside && std::string_view(name).starts_with("_Z") ? std::optional(false) : std::nullopt;
}

}  // namespace

std::optional<bool> written_in_c_by_libdw(const void* address) { return Session::instance().written_in_c(address); }

std::vector<StackFrame> symbolize_by_libdw(const void* address) { return Session::instance().symbolize(address); }

}  // namespace coir::detail
