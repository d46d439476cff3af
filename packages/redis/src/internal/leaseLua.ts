/**
 * The state of resources and the steps on it, as one Lua script that carries out many operations in a call.
 *
 * It says in Redis what `LeaseMachine.step` says: the property test runs both side by side.
 */

/**
 * Keys of one resource: `<key>` is a packed blob of limit, last token, length of the line, next place in it, when its last
 * waiter counts as dead, holders, and withdrawn ids. Only while somebody waits there are `<key>:q`, a sorted set of ids by
 * their place, and `<key>:w`, a hash of the waiters by id. A mutex that is held and nothing else has a blob of its own,
 * which begins with byte 193 and the holder's id, so that a free one is taken and given back without more than a look.
 *
 * KEYS: the key of each operation. ARGV[1]: a JSON list of what `header` and the encoders of an operation give, one after
 * another. Answers one line for each operation, then a line `P<id> <token> <ttl>` for each grant to a waiter of the
 * caller's own session. Grants to others are published to their inbox, one message `<id> <token> <ttl>` a line.
 *
 * A resource is read at its first operation and written after the last. An operation that fails answers `E<why>`, and the
 * others go on.
 */
export const leaseLua = (time: string): string => `
local args = cjson.decode(ARGV[1])
local session, inbox, patience, default = args[1], args[2], args[3], args[4]
${time}
local now = micros / 1000
local number = function(n) return string.format("%.0f", n) end
local left = function(till) return number(math.ceil(till - now) + 1) end
local simple = function(id, token, owner, value, since, till)
  return "\\193" .. id .. "\\0" .. cmsgpack.pack(token, owner, value, since, till)
end
local listened = redis.call("PUBSUB", "NUMPAT") > 0
local states, replies, mine = {}, {}, {}
local full

-- All but the taking and giving back of a free mutex. Defined in a call only when that call needs it.
local function define()
local ID, OWNER, VALUE, PERMITS, TOKEN, SINCE, UNTIL = 1, 2, 3, 4, 5, 6, 7
local SESSION, TOKENS, TTL, PATIENCE = 5, 8, 9, 10
local others = {}
local millis = function(n) return string.format("%.3f", n) end

local function load(key)
  local s = states[key]
  if s then return s end
  s = { key = key, limit = 1, token = 0, waiting = 0, place = 0, last = 0, holders = {}, gone = {}, used = 0, grants = {} }
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
    s.limit, s.token, s.waiting, s.place, s.last, holders, gone = cmsgpack.unpack(raw)
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

local function expire(key, till)
  redis.call("PEXPIRE", key, left(till))
end

local function save(s)
  if not (s.changed or s.dirty) then return end
  local till = s.last
  if s.waiting == 0 then till = 0 end
  for i = 1, #s.holders do till = math.max(till, s.holders[i][UNTIL]) end
  for _, gone in pairs(s.gone) do till = math.max(till, gone) end
  if s.token >= micros then till = math.max(till, s.token / 1000) end
  local one = s.holders[1]
  if one and s.limit == 1 and s.waiting == 0 and s.token == one[TOKEN] and s.token <= micros and not next(s.gone) then
    redis.call("SET", s.key, simple(one[ID], s.token, one[OWNER], one[VALUE], one[SINCE], one[UNTIL]), "PX", left(till))
  elseif till > now then
    local blob = cmsgpack.pack(s.limit, s.token, s.waiting, s.place, s.last, s.holders, s.gone)
    redis.call("SET", s.key, blob, "PX", left(till))
    if s.beaten and s.waiting > 0 then
      expire(s.key .. ":q", s.last)
      expire(s.key .. ":w", s.last)
    end
  elseif s.found and s.waiting == 0 then
    redis.call("DEL", s.key)
  end
end

local function waiterOf(s, id)
  if s.waiting == 0 then return end
  if s.head and s.head[ID] == id then return s.head end
  local raw = redis.call("HGET", s.key .. ":w", id)
  return raw and cmsgpack.unpack(raw)
end

local function put(s, waiter)
  redis.call("HSET", s.key .. ":w", waiter[ID], cmsgpack.pack(waiter))
  s.last = math.max(s.last, waiter[UNTIL])
  s.beaten, s.dirty = true, true
end

local function headOf(s)
  if not s.head then
    local id = redis.call("ZRANGE", s.key .. ":q", 0, 0)[1]
    s.head = id and waiterOf(s, id)
    if not s.head then
      redis.call("DEL", s.key .. ":q", s.key .. ":w")
      s.waiting, s.changed = 0, true
    end
  end
  return s.head
end

local function leave(s, id)
  redis.call("ZREM", s.key .. ":q", id)
  redis.call("HDEL", s.key .. ":w", id)
  s.waiting, s.changed = s.waiting - 1, true
  if s.head and s.head[ID] == id then s.head = nil end
end

local function grant(s, id, owner, value, permits, tokens, ttl)
  local token = math.max(s.token + 1, micros)
  s.token = token + tokens - 1
  s.holders[#s.holders + 1] = { id, owner, value, permits, token, now, now + ttl }
  s.used, s.changed = s.used + permits, true
  return token
end

local function promote(s)
  while s.waiting > 0 do
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

local function claim(s, id, permits, limit, tokens, ttl, wait, owner, value)
  if s.gone[id] then return "X" end
  if owner == 0 then owner = default end
  local waiter = waiterOf(s, id)
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
    -- What a line left behind whose resource was deleted by hand.
    if s.waiting == 0 then redis.call("DEL", s.key .. ":q", s.key .. ":w") end
    redis.call("ZADD", s.key .. ":q", number(s.place), id)
    put(s, { id, owner, value, permits, session, now, now + patience, tokens, ttl, patience })
    s.place, s.waiting, s.changed = s.place + 1, s.waiting + 1, true
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
  local next, holders, waiters = math.huge, {}, {}
  for i, h in ipairs(s.holders) do
    next = math.min(next, h[UNTIL] - now)
    holders[i] = cjson.encode({ h[ID], h[OWNER], h[VALUE], number(h[PERMITS]), number(h[TOKEN]), millis(now - h[SINCE]) })
  end
  for _, id in ipairs(s.waiting > 0 and redis.call("ZRANGE", s.key .. ":q", 0, -1) or {}) do
    local w = waiterOf(s, id)
    if w and w[UNTIL] > now then
      next = math.min(next, w[UNTIL] - now)
      waiters[#waiters + 1] = cjson.encode({ id, w[OWNER], number(w[PERMITS]), millis(now - w[SINCE]) })
    end
  end
  next = next == math.huge and "null" or millis(next)
  return "[" .. next .. ",[" .. table.concat(holders, ",") .. "],[" .. table.concat(waiters, ",") .. "]]"
end

local run = {
  function(s, at)
    local a = args
    return claim(s, a[at], a[at + 1], a[at + 2], a[at + 3], a[at + 4], a[at + 5], a[at + 6], a[at + 7])
  end,
  function(s, at) return renew(s, args[at], args[at + 1]) end,
  function(s, at) return release(s, args[at], args[at + 1]) end,
  function(s, at) return update(s, args[at], args[at + 1]) end,
  function(s) return inspect(s) end,
  function(s, at) return claim(s, args[at], 1, 1, 1, args[at + 1], args[at + 2], 0, "") end
}

local function failed(why)
  return "E" .. string.gsub(type(why) == "table" and why.err or why, "\\n", " ")
end
local function step(i, at)
  return run[args[at]](load(KEYS[i]), at + 1)
end
local function finish()
  for key, s in pairs(states) do
    local ok, why = pcall(save, s)
    if ok then
      if listened and s.changed then redis.call("PUBLISH", key .. ":changes", "") end
      for _, push in ipairs(s.grants) do
        local list = push[1] == session and mine or others[push[1]]
        if not list then
          list = {}
          others[push[1]] = list
        end
        list[#list + 1] = push[3]
      end
    else
      for i = 1, #KEYS do
        if KEYS[i] == key then replies[i] = failed(why) end
      end
    end
  end
  for to, list in pairs(others) do redis.call("PUBLISH", inbox .. to, table.concat(list, "\\n")) end
end
return {
  step = function(i, at)
    local ok, reply = pcall(step, i, at)
    return ok and reply or failed(reply)
  end,
  finish = finish
}
end

local length = { 9, 3, 3, 3, 1, 4 }
local granted, fresh, at = "G" .. number(micros), {}, 5
for i = 1, #KEYS do
  local key, code, id = KEYS[i], args[at], args[at + 1]
  local reply
  if (code == 6 or code == 3) and not listened and not states[key] then
    local raw = redis.pcall("GET", key)
    if code == 6 and not raw then
      local ttl = args[at + 2]
      local set = redis.pcall("SET", key, simple(id, micros, default, "", now, now + ttl), "PX", ttl + 1)
      if not set.err then
        fresh[key] = true
        reply = granted
      end
    elseif code == 3 and args[at + 2] == 0 and type(raw) == "string" and not fresh[key] and string.byte(raw) == 193
      and string.sub(raw, 2, #id + 2) == id .. "\\0" then
      redis.call("DEL", key)
      reply = "D"
    end
  end
  if not reply then
    full = full or define()
    reply = full.step(i, at)
  end
  replies[i] = reply
  at = at + length[code]
end
if full then full.finish() end
for _, push in ipairs(mine) do replies[#replies + 1] = "P" .. push end
return table.concat(replies, "\\n")
`
