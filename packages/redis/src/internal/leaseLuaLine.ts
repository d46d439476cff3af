/**
 * The part of the lease script for everything but a free mutex.
 *
 * `<key>` is a packed blob: limit, last token, how many wait, how many in the list have left the line, next place in it,
 * when the last waiter counts as dead, until when the line is kept, holders, and withdrawn ids. Only while somebody waits
 * there are `<key>:q`, a list of `<place> <id>` in order, and `<key>:w`, a hash of the waiters by id. Who leaves the line
 * goes from the hash alone; the list is cleared of it when its turn would come.
 */
export const leaseLuaLine = `
local ID, OWNER, VALUE, PERMITS, TOKEN, SINCE, UNTIL = 1, 2, 3, 4, 5, 6, 7
local SESSION, TOKENS, TTL, PATIENCE, PLACE = 5, 8, 9, 10, 11
local others = {}
local millis = function(n) return string.format("%.3f", n) end

local function load(key)
  local s = states[key]
  if s then return s end
  s = { key = key, q = key .. ":q", w = key .. ":w", limit = 1, token = 0, used = 0 }
  s.waiting, s.stale, s.place, s.last, s.kept = 0, 0, 0, 0, 0
  s.holders, s.gone, s.grants = {}, {}, {}
  local raw = redis.call("GET", key)
  if raw and string.byte(raw) == 193 then
    local cut = string.find(raw, "\\0", 2, true)
    local token, owner, value, since, till = cmsgpack.unpack(string.sub(raw, cut + 1))
    s.found, s.token = true, token
    if till > now then
      s.holders[1] = { string.sub(raw, 2, cut - 1), owner, value, 1, token, since, till }
      s.used = 1
    else
      s.changed = true
    end
  elseif raw then
    local holders, gone
    s.found = true
    s.limit, s.token, s.waiting, s.stale, s.place, s.last, s.kept, holders, gone = cmsgpack.unpack(raw)
    for i = 1, #holders do
      local holder = holders[i]
      if holder[UNTIL] > now then
        s.holders[#s.holders + 1] = holder
        s.used = s.used + holder[PERMITS]
      else
        s.changed = true
      end
    end
    for id, till in pairs(gone) do
      if till > now then s.gone[id] = till end
    end
  end
  states[key] = s
  return s
end

local function putBack(s)
  if s.head then redis.call("LPUSH", s.q, number(s.head[PLACE]) .. " " .. s.head[ID]) end
  s.head = nil
end

local function keepLine(s)
  if s.waiting == 0 then
    if s.stale > 0 then redis.call("DEL", s.q) end
    s.stale, s.last, s.kept = 0, 0, 0
  elseif s.last > s.kept then
    s.kept = s.last + patience
    redis.call("PEXPIRE", s.q, left(s.kept))
    redis.call("PEXPIRE", s.w, left(s.kept))
  end
end

local function save(s)
  putBack(s)
  if not (s.changed or s.dirty) then return end
  keepLine(s)
  local till = s.last
  for i = 1, #s.holders do till = math.max(till, s.holders[i][UNTIL]) end
  for _, gone in pairs(s.gone) do till = math.max(till, gone) end
  if s.token >= micros then till = math.max(till, s.token / 1000) end
  local one = s.holders[1]
  if one and s.limit == 1 and s.waiting == 0 and s.token == one[TOKEN] and s.token <= micros and not next(s.gone) then
    redis.call("SET", s.key, simple(one[ID], s.token, one[OWNER], one[VALUE], one[SINCE], one[UNTIL]), "PX", left(till))
  elseif till > now then
    local blob = cmsgpack.pack(s.limit, s.token, s.waiting, s.stale, s.place, s.last, s.kept, s.holders, s.gone)
    redis.call("SET", s.key, blob, "PX", left(till))
  elseif s.found and s.waiting == 0 then
    redis.call("DEL", s.key)
  end
end

local function waiterOf(s, id)
  if s.waiting == 0 then return end
  if s.head and s.head[ID] == id then return s.head end
  local raw = redis.call("HGET", s.w, id)
  return raw and cmsgpack.unpack(raw)
end

local function put(s, waiter)
  s.last, s.dirty = math.max(s.last, waiter[UNTIL]), true
  return redis.call("HSET", s.w, waiter[ID], cmsgpack.pack(waiter))
end

local function enter(s, waiter)
  -- What a line left behind whose resource was deleted by hand.
  if s.waiting == 0 then redis.call("DEL", s.q, s.w) end
  redis.call("RPUSH", s.q, number(s.place) .. " " .. waiter[ID])
  if put(s, waiter) == 1 then s.waiting = s.waiting + 1 else s.stale = s.stale + 1 end
  s.place, s.changed = s.place + 1, true
end

local function headOf(s)
  while not s.head do
    local entry = redis.call("LPOP", s.q)
    if not entry then
      redis.call("DEL", s.w)
      s.waiting, s.stale, s.changed = 0, 0, true
      return
    end
    local place, id = string.match(entry, "^(%d+) (.*)$")
    local waiter = waiterOf(s, id)
    if waiter and waiter[PLACE] == tonumber(place) then
      s.head = waiter
    else
      s.stale, s.changed = s.stale - 1, true
    end
  end
  return s.head
end

local function leave(s, id)
  redis.call("HDEL", s.w, id)
  s.waiting, s.changed = s.waiting - 1, true
  if s.head and s.head[ID] == id then s.head = nil else s.stale = s.stale + 1 end
end

local function grant(s, id, owner, value, permits, tokens, ttl)
  local token = math.max(s.token + 1, micros)
  s.token = token + tokens - 1
  s.holders[#s.holders + 1] = { id, owner, value, permits, token, now, now + ttl }
  s.used, s.changed = s.used + permits, true
  return token
end

local function promote(s)
  while s.waiting > 0 and s.used < s.limit do
    local head = headOf(s)
    if not head then return end
    local dead = head[UNTIL] <= now
    if not dead and s.used + head[PERMITS] > s.limit then return end
    leave(s, head[ID])
    if not dead then
      local ttl = math.min(head[TTL], head[PATIENCE])
      local token = grant(s, head[ID], head[OWNER], head[VALUE], head[PERMITS], head[TOKENS], ttl)
      s.grants[#s.grants + 1] = { head[SESSION], head[ID], head[ID] .. " " .. number(token) .. " " .. millis(ttl) }
    end
  end
end

local function holderOf(s, id)
  for i = 1, #s.holders do
    if s.holders[i][ID] == id then return s.holders[i], i end
  end
end

local function claim(s, id, permits, limit, tokens, ttl, wait, owner, value, again)
  if s.gone[id] then return "X" end
  if owner == 0 then owner = default end
  local waiter = again == 1 and waiterOf(s, id)
  if waiter then
    waiter[UNTIL] = now + patience
    put(s, waiter)
  end
  promote(s)
  local holder = holderOf(s, id)
  if holder then
    for i = #s.grants, 1, -1 do
      if s.grants[i][2] == id then table.remove(s.grants, i) end
    end
    return "G" .. number(holder[TOKEN]) .. " " .. millis(holder[UNTIL] - now)
  end
  if #s.holders == 0 and s.waiting == 0 then s.limit = limit end
  if s.limit ~= limit then return "M" .. number(s.limit) end
  if s.waiting == 0 and (#s.holders == 0 or s.used + permits <= limit) then
    return "G" .. number(grant(s, id, owner, value, permits, tokens, ttl))
  end
  if not waiter then
    if wait == 0 then return "B" end
    enter(s, { id, owner, value, permits, session, now, now + patience, tokens, ttl, patience, s.place })
  end
  local next = math.huge
  for i = 1, #s.holders do next = math.min(next, s.holders[i][UNTIL] - now) end
  return "Q" .. millis(next)
end

local function renew(s, id, ttl)
  local holder = holderOf(s, id)
  if holder then
    holder[UNTIL] = now + ttl
    s.dirty = true
  end
  promote(s)
  return holder and "D" or "L"
end

local function update(s, id, value)
  local holder = holderOf(s, id)
  if holder then
    holder[VALUE] = value
    s.changed = true
  end
  promote(s)
  return holder and "D" or "L"
end

local function release(s, id, remember)
  local holder, at = holderOf(s, id)
  if holder then
    table.remove(s.holders, at)
    s.used, s.changed = s.used - holder[PERMITS], true
  elseif waiterOf(s, id) then
    leave(s, id)
  elseif remember > 0 then
    s.gone[id] = now + remember
    s.dirty = true
  end
  promote(s)
  return "D"
end

local function inspect(s)
  putBack(s)
  local next, holders, waiters = math.huge, {}, {}
  for i, h in ipairs(s.holders) do
    next = math.min(next, h[UNTIL] - now)
    holders[i] = cjson.encode({ h[ID], h[OWNER], h[VALUE], number(h[PERMITS]), number(h[TOKEN]), millis(now - h[SINCE]) })
  end
  for _, entry in ipairs(s.waiting > 0 and redis.call("LRANGE", s.q, 0, -1) or {}) do
    local place, id = string.match(entry, "^(%d+) (.*)$")
    local w = waiterOf(s, id)
    if w and w[PLACE] == tonumber(place) and w[UNTIL] > now then
      next = math.min(next, w[UNTIL] - now)
      waiters[#waiters + 1] = cjson.encode({ id, w[OWNER], number(w[PERMITS]), millis(now - w[SINCE]) })
    end
  end
  next = next == math.huge and "null" or millis(next)
  return "[" .. next .. ",[" .. table.concat(holders, ",") .. "],[" .. table.concat(waiters, ",") .. "]]"
end
`
