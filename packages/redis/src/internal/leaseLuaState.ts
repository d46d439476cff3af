/**
 * The part of the lease script that reads a resource of any kind at its first operation, and writes it after the last.
 *
 * `<key>` is a packed blob: limit, what callers name as it, last token, until when the line is kept, holders, and withdrawn
 * ids; or the shorter blob of a mutex, see `leaseLuaMutex`. Only while somebody waits there are `<key>:q`, a list of
 * their ids in order, and `<key>:w`, a hash of what they ask for.
 */
export const leaseLuaState = `
local function number(n) return format("%.0f", n) end
local function millis(n) return n == math.huge and "Infinity" or format("%.3f", n) end
local function left(till) return ceil(till - now) + 1 end

local function tell(to, id, token, ttl)
  local grant = id .. " " .. number(token) .. " " .. millis(ttl)
  if to == session then
    mine = (mine and mine .. "\\nP" or "P") .. grant
  else
    others = others or {}
    others[to] = (others[to] and others[to] .. "\\n" or "") .. grant
  end
end

local ID, OWNER, VALUE, PERMITS, TOKEN, SINCE, UNTIL = 1, 2, 3, 4, 5, 6, 7
-- A waiter has the first of them as well, but for its id.
local W_OWNER, W_VALUE, W_PERMITS, W_SESSION, W_SINCE, W_UNTIL, W_TOKENS, W_TTL, W_PATIENCE = 1, 2, 3, 4, 5, 6, 7, 8, 9

local function load(key)
  local s = states[key]
  if s then return s end
  s = { key = key, q = key .. ":q", w = key .. ":w", limit = 1, named = 1, token = 0, used = 0, waiting = 0, kept = 0 }
  s.holders, s.gone = {}, {}
  local raw = call("GET", key)
  local kind = raw and string.byte(raw)
  local holders, gone = {}, {}
  if kind == 193 or kind == 194 then
    local cut = string.find(raw, "\\0", 2, true)
    local token, owner, value, since, till, tokens, kept = munpack(sub(raw, cut + 1))
    s.token, s.kept = token + (tokens or 1) - 1, kept or 0
    holders[1] = { sub(raw, 2, cut - 1), owner, value, 1, token, since, till }
  elseif raw then
    s.limit, s.named, s.token, s.kept, holders, gone = munpack(raw)
  end
  for _, holder in ipairs(holders) do
    if holder[UNTIL] > now then
      s.holders[#s.holders + 1] = holder
      s.used = s.used + holder[PERMITS]
    else
      changed[key] = true
    end
  end
  for id, till in pairs(gone) do
    if till > now then s.gone[id] = till end
  end
  s.found = raw
  s.waiting = s.kept > 0 and call("LLEN", s.q) or 0
  states[key] = s
  return s
end

local function idle(s)
  return #s.holders == 0 and s.waiting == 0
end

local function save(s)
  if not (changed[s.key] or s.dirty) then return end
  if s.waiting == 0 then
    s.kept = 0
  elseif s.stretched then
    call("PEXPIRE", s.q, left(s.kept))
    call("PEXPIRE", s.w, left(s.kept))
  end
  local till = s.kept
  for _, holder in ipairs(s.holders) do till = math.max(till, holder[UNTIL]) end
  for _, gone in pairs(s.gone) do till = math.max(till, gone) end
  if s.token >= micros then till = math.max(till, s.token / 1000) end
  local one = s.holders[1]
  if #s.holders == 1 and s.limit == 1 and s.named == 1 and not next(s.gone) then
    local tokens = s.token - one[TOKEN] + 1
    local usual = s.waiting == 0 and s.token <= micros and tokens == 1
    local blob = usual and mpack(one[TOKEN], one[OWNER], one[VALUE], one[SINCE], one[UNTIL])
      or mpack(one[TOKEN], one[OWNER], one[VALUE], one[SINCE], one[UNTIL], tokens, s.kept)
    call("SET", s.key, (usual and "\\193" or "\\194") .. one[ID] .. "\\0" .. blob, "PX", left(till))
  elseif s.limit ~= s.named then
    call("SET", s.key, mpack(s.limit, s.named, s.token, s.kept, s.holders, s.gone))
  elseif till > now then
    call("SET", s.key, mpack(s.limit, s.named, s.token, s.kept, s.holders, s.gone), "PX", left(till))
  elseif s.found and s.waiting == 0 then
    call("DEL", s.key)
  end
end

local function waiterOf(s, id)
  local raw = s.waiting > 0 and call("HGET", s.w, id)
  return raw and { munpack(raw) }
end

local function put(s, id, waiter)
  if s.kept < waiter[W_UNTIL] then s.kept, s.stretched = waiter[W_UNTIL] + patience, true end
  s.dirty = true
  call("HSET", s.w, id, mpack(unpack(waiter)))
end

local function enter(s, id, waiter)
  -- What a line left behind whose resource was deleted by hand.
  if s.waiting == 0 then call("DEL", s.q, s.w) end
  call("RPUSH", s.q, id)
  put(s, id, waiter)
  if s.waiting == 0 then s.stretched = true end
  s.waiting, changed[s.key] = s.waiting + 1, true
end

local function leave(s, id)
  call("LREM", s.q, 1, id)
  call("HDEL", s.w, id)
  s.waiting, changed[s.key] = s.waiting - 1, true
end

local function grant(s, id, owner, value, permits, tokens, ttl)
  local token = math.max(s.token + 1, micros)
  s.token = token + tokens - 1
  s.holders[#s.holders + 1] = { id, owner, value, permits, token, now, now + ttl }
  s.used, changed[s.key] = s.used + permits, true
  return token
end

-- One id, that of the asker, is told by the answer.
local function promote(s, but)
  while s.waiting > 0 and s.used < s.limit do
    local id = call("LINDEX", s.q, 0)
    if not id then
      s.waiting = 0
      return
    end
    local head = waiterOf(s, id)
    local alive = head and head[W_UNTIL] > now
    if alive and s.used + head[W_PERMITS] > s.limit then return end
    leave(s, id)
    if alive then
      local ttl = math.min(head[W_TTL], head[W_PATIENCE])
      local token = grant(s, id, head[W_OWNER], head[W_VALUE], head[W_PERMITS], head[W_TOKENS], ttl)
      if id ~= but then tell(head[W_SESSION], id, token, ttl) end
    end
  end
end

local function holderOf(s, id)
  for i = 1, #s.holders do
    if s.holders[i][ID] == id then return s.holders[i], i end
  end
end
`
