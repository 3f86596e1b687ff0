// SPDX-License-Identifier: MIT
// The calls that Queue, LifoQueue and PriorityQueue have in common.
#pragma once

#include <concepts>
#include <cstddef>
#include <iterator>
#include <optional>
#include <utility>

#include <coir/detail/queue_core.hpp>

namespace coir::detail {

/// A queue of T. `Items` keeps them and decides who is next:
///
///     void push(T&& or const T&);   // has no effect if it throws
///     T& next();                    // the one to go next; has no effect on what is in there, nor if it throws
///     void pop() noexcept;          // removes what next() has returned
///     and a move constructor that leaves it empty
///
/// See Queue for the contract.
template <class T, class Items>
class QueueOf : public QueueCore {
 public:
  using value_type = T;
  class Iterator;

  /// Puts the item in, as soon as there is room.
  ///
  /// Suspends  Exactly while the queue is full. A put that does not is no point of fairness.
  /// Order     Those who wait are woken in the order in which they came, one for each item taken. Another task may be
  ///           faster than a woken one, which then waits anew, behind the others.
  /// Errors    QueueShutDown. UsageError outside a task, and if the queue is destroyed meanwhile. What copying or
  /// moving a
  ///           T throws.
  /// Cancel    CancelledError; the item was not put, and is still in `item`. Room that this task was woken for goes to
  ///           the next in line.
  /// Cost      Allocates nothing while there is room and the queue has been as long before.
  /// Source    CPython 3.13 queues.py Queue.put
  void put(T&& item) {
    this->await_room();
    add(std::move(item));
  }
  void put(const T& item) requires std::copy_constructible<T> {
    this->await_room();
    add(item);
  }
  /// The same at once. From callbacks, too.
  /// Suspends  never
  /// Errors    QueueFull, QueueShutDown; then the item is still in `item`. Else as put().
  /// Source    CPython 3.13 queues.py Queue.put_nowait
  void put_nowait(T&& item) {
    this->require_room();
    add(std::move(item));
  }
  void put_nowait(const T& item) requires std::copy_constructible<T> {
    this->require_room();
    add(item);
  }

  /// Takes an item out, as soon as there is one.
  ///
  /// Suspends  Exactly while the queue is empty. A get that does not is no point of fairness.
  /// Order     As put(): woken in the order of arrival, but not served in it.
  /// Errors    QueueShutDown if the queue is empty and will stay so. UsageError outside a task, and if the queue is
  ///           destroyed meanwhile. What moving a T throws: the item then stays in the queue.
  /// Cancel    CancelledError, and no item is lost: one that this task was woken for goes to the next in line.
  /// Cost      Allocates nothing unless it suspends.
  /// Source    CPython 3.13 queues.py Queue.get
  T get() {
    if (!this->await_item("Queue.get()")) throw QueueShutDown();
    return take();
  }
  /// The same at once. From callbacks, too.
  /// Suspends  never
  /// Errors    QueueEmpty; QueueShutDown if it is empty and shut down. Else as get().
  /// Source    CPython 3.13 queues.py Queue.get_nowait
  T get_nowait() {
    this->require_item();
    return take();
  }

  /// Ends the queue: put() throws QueueShutDown from now on, get() once the queue is empty; likewise in the tasks that
  /// wait in them. `immediate` throws away what is in the queue, as if each item had been got and declared done.
  /// Calling it twice is no error.
  ///
  /// Suspends  never
  /// Source    CPython 3.13 queues.py Queue.shutdown
  void shutdown(bool immediate = false) {
    // Destroyed at the end: a destructor of an item may come back to this queue.
    std::optional<Items> drained;
    if (immediate) drained.emplace(std::move(items_));
    this->shut_down(immediate ? this->qsize() : 0);
  }

  /// `for (T& item : queue)` gets one item after another, until the queue is shut down and empty. An input range: to
  /// begin and to advance are a get(), with its errors except QueueShutDown, which is the end. An item lives until the
  /// next one is got; move it out to keep it. task_done() is up to the loop's body. Not in asyncio.
  Iterator begin() { return Iterator(*this); }
  std::default_sentinel_t end() const noexcept { return {}; }

 protected:
  QueueOf(std::ptrdiff_t maxsize, SourceLocation where, Items items = {})
      : QueueCore(maxsize, where), items_(std::move(items)) {}
  ~QueueOf() = default;

 private:
  template <class U>
  void add(U&& item) {
    try {
      items_.push(std::forward<U>(item));
    } catch (...) {
      this->not_added();
      throw;
    }
    this->added();
  }

  /// Between the move of the next item out of the queue and its removal.
  struct Taking {
    ~Taking() {
      if (!taken) queue.not_removed();
    }
    void finish() noexcept {
      taken = true;
      queue.removed();
      queue.items_.pop();  // last: a destructor may come back to this queue
    }
    QueueOf& queue;
    bool taken = false;
  };
  T take() {
    Taking taking{*this};
    T item(std::move(items_.next()));
    taking.finish();
    return item;
  }
  bool take_next_into(std::optional<T>& item) {
    if (!this->await_item("an iteration over a Queue")) return false;
    Taking taking{*this};
    item.emplace(std::move(items_.next()));
    taking.finish();
    return true;
  }

  Items items_;
};

template <class T, class Items>
class QueueOf<T, Items>::Iterator {
 public:
  using value_type = T;
  using difference_type = std::ptrdiff_t;
  using iterator_concept = std::input_iterator_tag;

  Iterator(Iterator&&) = default;
  Iterator& operator=(Iterator&&) = default;

  T& operator*() const noexcept { return *item_; }
  T* operator->() const noexcept { return &*item_; }
  Iterator& operator++() {
    item_.reset();  // before it waits for the next one
    at_end_ = !queue_->take_next_into(item_);
    return *this;
  }
  void operator++(int) { ++*this; }
  friend bool operator==(const Iterator& iterator, std::default_sentinel_t) noexcept { return iterator.at_end_; }

 private:
  friend class QueueOf;
  explicit Iterator(QueueOf& queue) : queue_(&queue) { ++*this; }

  QueueOf* queue_;
  mutable std::optional<T> item_;  // empty at the end
  bool at_end_ = false;
};

}  // namespace coir::detail
