-- One transaction of idp.kv. Called by hub.storage.kv_redis, which also reads what it answers.
--
-- KEYS[1] the marker of the epoch. ARGV: the marker that the caller knows, the key prefix of that epoch, a nonce (the source of
-- all chance here: Redis seeds math.random alike for every script), then the steps, each an operation and its arguments:
--   A key free delay_ms longest_ms window_ms      I key member ms most          O key
--   L key interval_us full_us    F (as L)         P key value idle_ms absolute_ms|-1 absent linger_ms parent|-1 within_ms|-1 bounded
--                                                   has_origin origin n shed.. n unless.. n watch..
--   E n name version ..                           R key slide optional spent    T key tombstone_ms
--   M key ms       D key       C key ms           N hold_ms|0 n name ..         K n name ..
-- Answers nil when the marker is another one (nothing is done then), else { stopped_at|-1, stop|nil, result, .. }:
--   A count or stop {retry_ms, full_in_ms}
--   L {remaining, full_in_us} or stop {retry_us, full_in_us}     E 1 or stop {version, ..}      P expires_ms or stop {1, value}
--   R, T {1, value, expires_ms, created_ms, parent, name, version, ..} or {0, spent, ended_by, value, parent}
--   C count        M, D, N, I, F 1   K {version, ..}        O {cut, member, ..}
--
-- First every step is decided against the store AND what the steps before it staged; then all is written, or, when a step said
-- no, only what is staged as `sure`: used-up limits, counts, and stamps that somebody has now seen.
--
-- Keys behind the prefix: r: record, m: mark (its end), s: stamp, l: limit (the bucket's full time, microseconds), c: counter,
-- t: attempts ("count until_ms forgotten_ms"), i: list (msgpack {member, end_ms, member, end_ms, ..}; the member '' stands for those
-- that made room, with the latest of their ends).
-- Record: msgpack {value, created_ms, idle_ms, last_ms, parent, {unless}, {watch}, spent, expires_ms, linger_ms}. It says its end
-- itself, because PTTL counts from another moment than TIME and would be a millisecond off; and because it may linger behind it.
-- Stamp: ten digits of the second it was written, then the version; held: "~" and the ends of all holds, in milliseconds.

local call, sub = redis.call, string.sub
local prefix, nonce = ARGV[2], ARGV[3]
if call('GET', KEYS[1]) ~= ARGV[1] then return false end

local time = call('TIME')
local now_s = tonumber(time[1])
local now_us = now_s * 1000000 + tonumber(time[2])
local now = math.floor(now_us / 1000)

local STAMP_MS, STAMP_REFRESH_S = 86400000, 43200

-- Redis writes numbers that are arguments with 17 digits, so whole ones arrive whole; `..` and tostring would cut them to 14.
-- Staged writes: value (false: remove), end in ms, written even when a later step stops.
local staged, ends, sure, order = {}, {}, {}, {}

local function stage(key, value, expires, always)
  if staged[key] == nil then order[#order + 1] = key end
  staged[key] = expires > now and value
  ends[key], sure[key] = expires, always
end

local function fetch(key)
  local value = staged[key]
  if value == nil then return call('GET', key) end
  return value
end

local chance = 0
local function fresh()
  chance = chance + 1
  return nonce .. '.' .. chance
end

local function names(at)
  local last = at + tonumber(ARGV[at])
  local list = {}
  for i = at + 1, last do list[#list + 1] = ARGV[i] end
  return list, last + 1
end

local function versions(list)
  if #list == 0 then return {} end
  local keys, out = {}, {}
  for i = 1, #list do keys[i] = prefix .. 's:' .. list[i] end
  local found = call('MGET', unpack(keys))
  for i = 1, #list do
    local key, value = keys[i], found[i]
    if staged[key] ~= nil then value = staged[key] end
    if not value then
      local version = fresh()
      stage(key, string.format('%010d', now_s) .. version, now + STAMP_MS, true)
      out[i] = version
    elseif sub(value, 1, 1) == '~' then
      out[i] = '~' .. fresh()
    else
      out[i] = sub(value, 11)
      if now_s - tonumber(sub(value, 1, 10)) > STAMP_REFRESH_S then
        stage(key, string.format('%010d', now_s) .. out[i], now + STAMP_MS, true)
      end
    end
  end
  return out
end

-- A writer adds the end of its hold and takes ONE away when it is done, the earliest: another writer's hold outlives it.
local function renew(name, hold)
  local key = prefix .. 's:' .. name
  local was, holds = fetch(key), {}
  if was and sub(was, 1, 1) == '~' then
    for until_ms in string.gmatch(was, '%d+') do
      if tonumber(until_ms) > now then holds[#holds + 1] = tonumber(until_ms) end
    end
  end
  if hold > 0 then holds[#holds + 1] = now + hold end
  table.sort(holds)
  if hold <= 0 then table.remove(holds, 1) end
  if #holds == 0 then
    stage(key, string.format('%010d', now_s) .. fresh(), now + STAMP_MS)
  else
    for i = 1, #holds do holds[i] = string.format('%.0f', holds[i]) end
    stage(key, '~' .. table.concat(holds, ','), tonumber(holds[#holds]))
  end
end

local function ended_by(unless)
  if #unless == 0 then return false end
  local keys = {}
  for i = 1, #unless do keys[i] = prefix .. 'm:' .. unless[i] end
  local none = call('EXISTS', unpack(keys)) == 0
  for i = 1, #unless do
    local mark = staged[keys[i]]
    if mark == nil then mark = not none and call('EXISTS', keys[i]) == 1 end
    if mark then return unless[i] end
  end
  return false
end

-- The record when it is alive; else nil and why not. `spent`: also one that was taken.
local function alive(key, spent)
  local raw = fetch(key)
  if not raw then return nil, { 0, 0, false, false, false } end
  local record = cmsgpack.unpack(raw)
  local ahead = math.max(record[2] - now, 0)
  local latest = math.min(record[9] - ahead, now + record[3])
  if not record[8] and latest < record[9] then
    -- Made in the future, or further from its end than its idle time: the clock was set back.
    record[2], record[4], record[9] = record[2] - ahead, record[4] - ahead, latest
    stage(key, cmsgpack.pack(record), latest + record[10], true)
  end
  local mark = ended_by(record[6])
  local over
  if record[8] then over = not spent else over = record[9] <= now end
  if over or mark then return nil, { 0, record[8] and 1 or 0, mark, record[1], record[5] } end
  return record
end

local function told(record)
  local out = { 1, record[1], record[9], record[2], record[5] }
  local watch = record[7]
  local now_at = versions(watch)
  for i = 1, #watch do
    out[#out + 1] = watch[i]
    out[#out + 1] = now_at[i]
  end
  return out
end

local function joined(first, second, without)
  local list, seen = {}, {}
  for i = 1, #without do seen[without[i]] = true end
  for _, part in ipairs({ first, second }) do
    for i = 1, #part do
      if not seen[part[i]] then
        seen[part[i]] = true
        list[#list + 1] = part[i]
      end
    end
  end
  return list
end

-- Members of a list with their ends, flat, oldest first (one may be left out), and until when others would have stayed that made room.
local function members(key, but)
  local raw = fetch(key)
  local all, live, cut = raw and cmsgpack.unpack(raw) or {}, {}, 0
  for i = 1, #all, 2 do
    if all[i] == '' then
      cut = all[i + 1]
    elseif all[i + 1] > now and all[i] ~= but then
      live[#live + 1] = all[i]
      live[#live + 1] = all[i + 1]
    end
  end
  return live, cut
end

local answer, parents = { -1, false }, {}
local at, index, stop = 4, 0, nil

while at <= #ARGV do
  local op, key = ARGV[at], ARGV[at + 1]
  local result

  if op == 'L' then
    key = prefix .. 'l:' .. key
    local interval, full = tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3])
    at = at + 4
    local full_at = math.max(tonumber(fetch(key) or 0), now_us)
    -- Later than an empty bucket fills up: the clock was set back (or the limit lowered). It begins anew, or it stayed shut so long.
    if full_at > now_us + full then full_at = now_us end
    local after = full_at + interval
    if after - full > now_us then
      stop = { after - full - now_us, full_at - now_us }
    else
      stage(key, after, math.ceil(after / 1000), true)
      result = { math.floor((full - (after - now_us)) / interval), after - now_us }
    end

  elseif op == 'F' then
    key = prefix .. 'l:' .. key
    local known = fetch(key)
    if known then
      known = tonumber(known) - tonumber(ARGV[at + 2])
      stage(key, known, math.ceil(known / 1000))
    end
    at = at + 4
    result = 1

  elseif op == 'A' then
    key = prefix .. 't:' .. key
    local free, delay, longest = tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3]), tonumber(ARGV[at + 4])
    local window = tonumber(ARGV[at + 5])
    at = at + 6
    local count, until_ms, forgotten = string.match(fetch(key) or '0 0 0', '^(%d+) (%d+) (%d+)$')
    count, until_ms, forgotten = tonumber(count), tonumber(until_ms), tonumber(forgotten)
    local function after(times)
      if times < free then return now end
      return now + math.min(longest, delay * 2 ^ math.min(times - free, 30))
    end
    if until_ms > after(count) then
      -- Later than this guess could make anybody wait: the clock was set back (or the delays were shortened).
      until_ms = after(count)
      forgotten = until_ms + window
      stage(key, string.format('%.0f %.0f %.0f', count, until_ms, forgotten), forgotten, true)
    end
    if until_ms > now then
      stop = { until_ms - now, forgotten - now }
    else
      count = count + 1
      until_ms = after(count)
      stage(key, string.format('%.0f %.0f %.0f', count, until_ms, until_ms + window), until_ms + window, true)
      result = count
    end

  elseif op == 'E' then
    local list, known = {}, {}
    local last = at + 1 + 2 * tonumber(key)
    for i = at + 2, last, 2 do
      list[#list + 1] = ARGV[i]
      known[#known + 1] = ARGV[i + 1]
    end
    at = last + 1
    local present = versions(list)
    result = 1
    for i = 1, #list do
      if present[i] ~= known[i] then stop = present end
    end

  elseif op == 'P' then
    key = prefix .. 'r:' .. key
    local value, idle, absolute = ARGV[at + 2], tonumber(ARGV[at + 3]), tonumber(ARGV[at + 4])
    local absent, linger, parent = ARGV[at + 5] == '1', tonumber(ARGV[at + 6]), tonumber(ARGV[at + 7])
    local within, bounded = tonumber(ARGV[at + 8]), ARGV[at + 9] == '1'
    local origin = ARGV[at + 10] == '1' and ARGV[at + 11]
    local last = now + (absolute >= 0 and absolute or idle)
    local shed, unless, watch
    shed, at = names(at + 12)
    unless, at = names(at)
    watch, at = names(at)
    if absent then
      local record = alive(key)
      if record then stop = { 1, record[1] } end
    end
    if parent >= 0 and not stop then
      local from = parents[parent]
      if from.gone then
        stop = from.gone
      else
        local inherited = from[6]
        if #shed > 0 then inherited = joined(inherited, {}, shed) end
        unless = joined(inherited, unless, {})
        watch = joined(from[7], watch, {})
        if not origin then origin = from[1] end
        if within >= 0 then last = math.min(last, from[2] + within) end
        if bounded then last = math.min(last, from[4]) end
      end
    end
    if not stop then
      local expires = math.min(now + idle, last)
      stage(key, cmsgpack.pack({ value, now, idle, last, origin, unless, watch, false, expires, linger }), expires + linger)
      result = expires
    end

  elseif op == 'R' then
    key = prefix .. 'r:' .. key
    local slide, optional = ARGV[at + 2] == '1', ARGV[at + 3] == '1'
    local record, gone = alive(key, ARGV[at + 4] == '1')
    at = at + 5
    if record then
      local expires = math.min(now + record[3], record[4])
      if slide and not record[8] and expires > record[9] then
        record[9] = expires
        stage(key, cmsgpack.pack(record), expires + record[10])
      end
      parents[index] = record
      result = told(record)
    elseif optional then
      parents[index] = { gone = gone }
      result = gone
    else
      stop = gone
    end

  elseif op == 'T' then
    key = prefix .. 'r:' .. key
    local tombstone = tonumber(ARGV[at + 2])
    at = at + 3
    local record, gone = alive(key)
    if record then
      parents[index] = record
      result = told(record)
      record[8] = true
      stage(key, cmsgpack.pack(record), now + tombstone)
    else
      stop = gone
    end

  elseif op == 'M' then
    key = prefix .. 'm:' .. key
    local expires = now + tonumber(ARGV[at + 2])
    local known = tonumber(fetch(key) or 0)
    stage(key, math.max(expires, known), math.max(expires, known))
    at = at + 3
    result = 1

  elseif op == 'D' then
    stage(prefix .. 'r:' .. key, false, 0)
    stage(prefix .. 'm:' .. key, false, 0)
    stage(prefix .. 't:' .. key, false, 0)
    at = at + 2
    result = 1

  elseif op == 'C' then
    key = prefix .. 'c:' .. key
    result = tonumber(fetch(key) or 0) + 1
    stage(key, result, now + tonumber(ARGV[at + 2]), true)
    at = at + 3

  elseif op == 'I' then
    key = prefix .. 'i:' .. key
    local list, cut = members(key, ARGV[at + 2])
    local last = 0
    list[#list + 1] = ARGV[at + 2]
    list[#list + 1] = now + tonumber(ARGV[at + 3])
    while #list > 2 * tonumber(ARGV[at + 4]) do
      table.remove(list, 1)
      cut = math.max(cut, table.remove(list, 1))
    end
    if cut > now then
      table.insert(list, 1, cut)
      table.insert(list, 1, '')
    end
    for i = 2, #list, 2 do last = math.max(last, list[i]) end
    stage(key, cmsgpack.pack(list), last)
    at = at + 5
    result = 1

  elseif op == 'O' then
    local list, cut = members(prefix .. 'i:' .. key)
    result = { cut > now and 1 or 0 }
    for i = 1, #list, 2 do result[#result + 1] = list[i] end
    at = at + 2

  elseif op == 'N' then
    local list
    list, at = names(at + 2)
    for i = 1, #list do renew(list[i], tonumber(key)) end
    result = 1

  else -- K
    local list
    list, at = names(at + 1)
    result = versions(list)
  end

  if stop then
    answer[1], answer[2] = index, stop
    break
  end
  index = index + 1
  answer[index + 2] = result
end

for i = 1, #order do
  local key = order[i]
  if not stop or sure[key] then
    if not staged[key] then
      call('DEL', key)
    else
      call('SET', key, staged[key], 'PXAT', ends[key])
    end
  end
end
return answer
