# sluice_plant_race(NAME name SCENARIO scenario FILE file TEXT text INSTEAD text [ALSO files])
# race_planted_NAME: race_test with a copy of FILE in which TEXT, which must be there exactly once, says INSTEAD. For a
# header, ALSO names the sources that are compiled again with it. NODE: of race_node_test.
function(sluice_plant_race)
  cmake_parse_arguments(PARSE_ARGV 0 arg "NODE" "NAME;SCENARIO;FILE;TEXT;INSTEAD" "ALSO")
  set(original ${PROJECT_SOURCE_DIR}/${arg_FILE})
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${original})
  file(READ ${original} content)
  string(FIND "${content}" "${arg_TEXT}" first)
  string(FIND "${content}" "${arg_TEXT}" last REVERSE)
  if(first EQUAL -1 OR NOT first EQUAL last)
    message(FATAL_ERROR "tests/race/planted.cmake: race '${arg_NAME}' needs this text exactly once in ${arg_FILE}; "
                        "if the line has changed, plant the race in the new one:\n${arg_TEXT}")
  endif()
  string(REPLACE "${arg_TEXT}" "${arg_INSTEAD}" content "${content}")
  # Below a directory per race, under the name by which it is included.
  string(REGEX REPLACE "^(plugins|transport/src|transport/include)/" "" name ${arg_FILE})
  set(root ${CMAKE_CURRENT_BINARY_DIR}/planted/${arg_NAME})
  file(CONFIGURE OUTPUT ${root}/${name} CONTENT "${content}" @ONLY)

  list(TRANSFORM arg_ALSO PREPEND ${PROJECT_SOURCE_DIR}/)
  set(program race_planted_${arg_NAME})
  set(libraries ${core_races})
  if(arg_NODE)
    set(libraries ${node_races})
  endif()
  if(name MATCHES "cpp$")
    list(APPEND arg_ALSO ${root}/${name})
  endif()
  sluice_add_race_program(${program} "${libraries}" ${arg_ALSO})
  target_include_directories(${program} BEFORE PRIVATE ${root})
  sluice_add_race_entry(${program} racing $<TARGET_FILE:${program}> ${arg_SCENARIO})
endfunction()

# Sluice topics: publication.
sluice_plant_race(NAME stamp_without_release SCENARIO topic_reliable_polling FILE plugins/slick/topic_writer.cpp
                  TEXT    [[cell.stamp.store_release(stamp_message(position))]]
                  INSTEAD [[cell.stamp.store_relaxed(stamp_message(position))]])
sluice_plant_race(NAME stamp_without_release_copied SCENARIO topic_best_effort_watched
                  FILE plugins/slick/topic_writer.cpp
                  TEXT    [[cell.stamp.store_release(stamp_message(position))]]
                  INSTEAD [[cell.stamp.store_relaxed(stamp_message(position))]])
sluice_plant_race(NAME stamp_without_acquire SCENARIO topic_reliable_polling FILE plugins/slick/topic_reader.cpp
                  TEXT    [[const std::uint64_t stamp = cell.stamp.load_acquire();
    if (stamp == stamp_message(next_))]]
                  INSTEAD [[const std::uint64_t stamp = cell.stamp.load_relaxed();
    if (stamp == stamp_message(next_))]])
sluice_plant_race(NAME payload_after_stamp SCENARIO topic_reliable_polling FILE plugins/slick/topic_writer.cpp
                  TEXT    [[const PublishResult result = commit(grant.first, grant.count);
  prefetch_cell(grant.first + prefetch_distance_);
  account(1, payload.size());]]
                  INSTEAD [[const PublishResult result = commit(grant.first, grant.count);
  account(1, payload.size());
  std::memcpy(TopicFile::payload(cell), payload.data(), payload.size());]])

# Reuse of cells.
sluice_plant_race(NAME cursor_without_release SCENARIO topic_reliable_polling FILE plugins/slick/reader_place.hpp
                  TEXT    [[entry_->cursor.exchange_seq_cst(cursor)]]
                  INSTEAD [[entry_->cursor.store_relaxed(cursor)]]
                  ALSO plugins/slick/topic_reader.cpp)
sluice_plant_race(NAME cursor_without_acquire SCENARIO topic_reliable_polling FILE plugins/slick/entries.hpp
                  TEXT    [[visit(Consumer{k, false, entry.cursor.load_acquire(), state});]]
                  INSTEAD [[visit(Consumer{k, false, entry.cursor.load_relaxed(), state});]]
                  ALSO plugins/slick/horizon.cpp)
sluice_plant_race(NAME given_back_too_early SCENARIO topic_reliable_polling FILE plugins/slick/topic_reader.cpp
                  TEXT    [[released_.hand_out_until(next_ + 1);
  deliver(message, payload]]
                  INSTEAD [[place_.publish_cursor(next_ + 1);
  released_.hand_out_until(next_ + 1);
  deliver(message, payload]])
sluice_plant_race(NAME horizon_without_acquire SCENARIO topic_horizon FILE plugins/slick/topic_grant.cpp
                  TEXT    [[horizon_ = file_.control().horizon.load_acquire();]]
                  INSTEAD [[horizon_ = file_.control().horizon.load_relaxed();]])
sluice_plant_race(NAME record_without_acquire SCENARIO topic_rare_publisher FILE plugins/slick/horizon.hpp
                  TEXT    [[std::uint64_t record = entry.record.load_acquire();]]
                  INSTEAD [[std::uint64_t record = entry.record.load_relaxed();]]
                  ALSO plugins/slick/horizon.cpp plugins/slick/hole_watch.cpp)
sluice_plant_race(NAME no_quarantine SCENARIO topic_stopped_owner FILE plugins/slick/topic_grant.cpp
                  TEXT    [[if (fences_.empty() || !is_quarantined(position)) return]]
                  INSTEAD [[if (fences_.empty() || !is_quarantined(position) || true) return]])

# SlickQueue segments.
sluice_plant_race(NAME raw_without_release SCENARIO raw_watched FILE transport/include/sluice/slick/ring.hpp
                  TEXT    [[slot.data_index.store_release(index);]]
                  INSTEAD [[slot.data_index.store_relaxed(index);]]
                  ALSO plugins/slick/raw_writer.cpp)
sluice_plant_race(NAME raw_without_acquire SCENARIO raw_watched FILE transport/include/sluice/slick/ring.hpp
                  TEXT    [[const std::uint64_t index = slot(next).data_index.load_acquire();]]
                  INSTEAD [[const std::uint64_t index = slot(next).data_index.load_relaxed();]]
                  ALSO plugins/slick/raw_reader.cpp)
sluice_plant_race(NAME raw_cursor_too_early SCENARIO raw_reliable FILE plugins/slick/raw_reader.cpp
                  TEXT    [[if (companion_.file().reliable() && place_.evicted()) rejoin_after_eviction();]]
                  INSTEAD [[place_.publish_cursor(cursor_.next + 1);]])

# ESHM channels.
set(channel_sources transport/src/eshm/arrival.cpp transport/src/eshm/channel.cpp transport/src/eshm/channel_watch.cpp)
sluice_plant_race(NAME mailbox_without_release SCENARIO channel_in_turns FILE transport/include/sluice/eshm/mailbox.hpp
                  TEXT    [[head.sequence.store_release(busy + 1);]]
                  INSTEAD [[head.sequence.store_relaxed(busy + 1);]]
                  ALSO ${channel_sources})
sluice_plant_race(NAME mailbox_without_acquire SCENARIO channel_in_turns FILE transport/include/sluice/eshm/mailbox.hpp
                  TEXT    [[const std::uint32_t sequence = memory_.head->sequence.load_acquire();
      if (sequence == last_) {]]
                  INSTEAD [[const std::uint32_t sequence = memory_.head->sequence.load_relaxed();
      if (sequence == last_) {]]
                  ALSO ${channel_sources})
sluice_plant_race(NAME channel_without_mutex SCENARIO channel_replaced FILE transport/src/eshm/channel.cpp
                  TEXT    [[std::shared_ptr<Arrival> Channel::Impl::attached() const {
  const std::lock_guard lock(mutex_);]]
                  INSTEAD [[std::shared_ptr<Arrival> Channel::Impl::attached() const {]]
                  ALSO transport/src/eshm/arrival.cpp transport/src/eshm/channel_watch.cpp)

# Inproc.
sluice_plant_race(NAME inproc_without_release SCENARIO inproc_reliable FILE plugins/inproc/channel.cpp
                  TEXT    [[tail_.store(tail + 1, std::memory_order_seq_cst);]]
                  INSTEAD [[tail_.store(tail + 1, std::memory_order_relaxed);]])
sluice_plant_race(NAME inproc_without_acquire SCENARIO inproc_best_effort FILE plugins/inproc/channel.cpp
                  TEXT    [[known_tail = tail_.load(std::memory_order_acquire)]]
                  INSTEAD [[known_tail = tail_.load(std::memory_order_relaxed)]])
sluice_plant_race(NAME inproc_reuse SCENARIO inproc_one_by_one FILE plugins/inproc/channel.cpp
                  TEXT    [[message.references.load(std::memory_order_acquire) == 0]]
                  INSTEAD [[message.references.load(std::memory_order_relaxed) == 0]])
sluice_plant_race(NAME inproc_without_mutex SCENARIO inproc_coming_and_going FILE plugins/inproc/channel.cpp
                  TEXT    [[std::shared_ptr<Inbox> Channel::add_reader() {
  const std::lock_guard lock(mutex_);]]
                  INSTEAD [[std::shared_ptr<Inbox> Channel::add_reader() {]])

# Doorbell and wait set.
sluice_plant_race(NAME doorbell_without_release SCENARIO doorbell FILE transport/src/shm/doorbell.cpp
                  TEXT    [[word_.compare_exchange_seq_cst(found, (found & ~kWaiting) + 2)]]
                  INSTEAD [[(word_.store_relaxed((found & ~kWaiting) + 2), true)]])
sluice_plant_race(NAME wait_set_without_mutex SCENARIO wait_set FILE transport/src/shm/wait_set.cpp
                  TEXT    [[const std::lock_guard lock(mutex_);
      entries_.assign]]
                  INSTEAD [[entries_.assign]])

# Nodes.
sluice_plant_race(NAME executor_made_twice NODE SCENARIO executor_ended_at_start FILE transport/src/node/node.cpp
                  TEXT    [[std::call_once(impl_->own_executor_made, [this] {]]
                  INSTEAD [[if (!impl_->own_executor) std::invoke([this] {]])
sluice_plant_race(NAME executor_without_mutex NODE SCENARIO executor_start_stop FILE transport/src/node/executor.cpp
                  TEXT    [[const std::lock_guard lock(mutex);
  watch_in(]]
                  INSTEAD [[watch_in(]])
sluice_plant_race(NAME record_without_mutex NODE SCENARIO graph_while_it_changes
                  FILE transport/src/control/process_record.cpp
                  TEXT    [[const std::lock_guard lock(mutex_);
    index = free_entry();]]
                  INSTEAD [[index = free_entry();]])
