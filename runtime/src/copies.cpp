// SPDX-License-Identifier: MIT
// Each copy bears a note, a section that the dynamic linker maps and that names no symbol, and finds those of the others
// by walking the objects that are loaded.
//
// A symbol that all copies share would not do. One that GCC binds as STB_GNU_UNIQUE is shared even by what is loaded with
// RTLD_LOCAL, but can never be unloaded again; Clang makes it weak, and then RTLD_LOCAL gives each plug-in its own; and
// neither is seen of a program that does not export its symbols, or of a plug-in that is linked with a version script
// or --exclude-libs.
#include "copies.hpp"

#include <elf.h>
#include <link.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>

#include <spdlog/logger.h>

#include "log.hpp"

extern "C" {
/// Whether this copy has run a loop. Other copies, of other versions perhaps, read it: one byte, not 0 if so.
[[gnu::used, gnu::visibility("hidden")]] constinit std::atomic<unsigned char> coir_has_run{0};
}

// Owner "coir", type 1, and as its contents the distance to coir_has_run.
asm(R"(
  .pushsection .note.coir, "a", %note
  .balign 4
  .long 5
  .long 4
  .long 1
  .asciz "coir"
  .balign 4
  .long coir_has_run - .
  .popsection
)");

namespace coir::detail {
namespace {

constexpr char owner[] = "coir";

struct Search {
  char here[512] = "";   // the file with this copy
  char other[512] = "";  // one with another copy that has run a loop; empty: there is none
};

void name(const dl_phdr_info& object, char (&to)[512]) noexcept {
  std::snprintf(to, sizeof to, "%s", *object.dlpi_name != '\0' ? object.dlpi_name : "the program itself");
}

void look_at_note(const dl_phdr_info& object, const std::byte* contents, Search& search) noexcept {
  std::int32_t distance;
  std::memcpy(&distance, contents, sizeof distance);
  const auto* const has_run = reinterpret_cast<const std::atomic<unsigned char>*>(contents + distance);
  if (has_run == &coir_has_run) {
    name(object, search.here);
  } else if (has_run->load() != 0) {
    name(object, search.other);
  }
}

void look_at_notes(const dl_phdr_info& object, const ElfW(Phdr)& segment, Search& search) noexcept {
  const std::size_t alignment = segment.p_align == 8 ? 8 : 4;
  const auto aligned = [&](std::size_t bytes) { return (bytes + alignment - 1) / alignment * alignment; };
  const auto* at = reinterpret_cast<const std::byte*>(object.dlpi_addr + segment.p_vaddr);
  std::size_t left = segment.p_memsz;
  while (left >= sizeof(ElfW(Nhdr))) {
    ElfW(Nhdr) header;
    std::memcpy(&header, at, sizeof header);
    const std::size_t contents = aligned(sizeof header + header.n_namesz);
    const std::size_t bytes = aligned(contents + header.n_descsz);
    if (bytes > left) return;
    if (header.n_type == 1 && header.n_namesz == sizeof owner && header.n_descsz == sizeof(std::int32_t) &&
        std::memcmp(at + sizeof header, owner, sizeof owner) == 0) {
      look_at_note(object, at + contents, search);
    }
    at += bytes;
    left -= bytes;
  }
}

int look_at_object(dl_phdr_info* object, std::size_t, void* search) noexcept {
  for (std::size_t i = 0; i < object->dlpi_phnum; ++i) {
    const ElfW(Phdr)& segment = object->dlpi_phdr[i];
    if (segment.p_type == PT_NOTE) look_at_notes(*object, segment, *static_cast<Search*>(search));
  }
  return 0;
}

}  // namespace

void announce_copy() noexcept {
  // Said before it looks: of two copies that begin at once at least one sees the other.
  if (coir_has_run.load(std::memory_order_relaxed) != 0 || coir_has_run.exchange(1) != 0) return;
  Search search;
  ::dl_iterate_phdr(look_at_object, &search);
  if (*search.other == '\0') return;
  try {
    logger()->error(
        "Two copies of coir run loops in this process: one in {}, one in {}. Neither knows the other's tasks and loops: a "
        "function of one that awaits, called in a task of the other, finds no loop. Link both to the shared library "
        "(BUILD_SHARED_LIBS=ON, the default).",
        search.other, search.here);
  } catch (...) {  // no memory for a message
  }
}

}  // namespace coir::detail
