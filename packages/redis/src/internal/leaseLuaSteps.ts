/** The part of the lease script that says what each operation does to a resource that `leaseLuaState` has read. */
export const leaseLuaSteps = `
local function claim(s, id, permits, limit, tokens, ttl, wait, owner, value, again)
  if s.gone[id] then return "X" end
  if owner == 0 then owner = default end
  local waiter = again == 1 and waiterOf(s, id)
  if waiter then
    waiter[W_UNTIL] = now + patience
    put(s, id, waiter)
  end
  promote(s, id)
  local holder = holderOf(s, id)
  if holder then return "G" .. number(holder[TOKEN]) .. " " .. millis(holder[UNTIL] - now) end
  if idle(s) and s.named ~= limit then
    if s.limit == s.named then s.limit = limit end
    s.named, s.dirty = limit, true
  end
  if s.named ~= limit then return "M" .. number(s.named) end
  if s.waiting == 0 and s.used + permits <= s.limit then
    return "G" .. number(grant(s, id, owner, value, permits, tokens, ttl))
  end
  if not waiter then
    if wait == 0 then return "B" end
    enter(s, id, { owner, value, permits, session, now, now + patience, tokens, ttl, patience })
  end
  local next = math.huge
  for i = 1, #s.holders do next = math.min(next, s.holders[i][UNTIL] - now) end
  return "Q" .. millis(next) .. " " .. number(math.max(s.token + 1, micros))
end

local function renew(s, id, ttl)
  local holder = holderOf(s, id)
  if holder then holder[UNTIL], s.dirty = now + ttl, true end
  promote(s)
  return holder and "D" or "L"
end

local function update(s, id, value, permits)
  local holder = holderOf(s, id)
  if holder then
    if value ~= 0 then holder[VALUE] = value end
    if permits ~= 0 and permits < holder[PERMITS] then
      s.used = s.used - holder[PERMITS] + permits
      holder[PERMITS] = permits
    end
    changed[s.key] = true
  end
  promote(s)
  return holder and "D" or "L"
end

local function release(s, id, remember)
  local holder, at = holderOf(s, id)
  if holder then
    table.remove(s.holders, at)
    s.used, changed[s.key] = s.used - holder[PERMITS], true
  elseif waiterOf(s, id) then
    leave(s, id)
  elseif remember > 0 then
    s.gone[id], s.dirty = now + remember, true
  end
  promote(s)
  return "D"
end

local function resize(s, limit)
  local even = s.limit == s.named
  s.limit, changed[s.key] = limit, true
  promote(s)
  -- Where nobody names a number, it is one that no caller agrees with.
  if even and idle(s) then s.named = 0 end
  return "D"
end

local function inspect(s)
  local next, holders, waiters = math.huge, {}, {}
  for i, h in ipairs(s.holders) do
    next = math.min(next, h[UNTIL] - now)
    holders[i] = cjson.encode({ h[ID], h[OWNER], h[VALUE], number(h[PERMITS]), number(h[TOKEN]), millis(now - h[SINCE]) })
  end
  for _, id in ipairs(s.waiting > 0 and call("LRANGE", s.q, 0, -1) or {}) do
    local w = waiterOf(s, id)
    if w and w[W_UNTIL] > now then
      next = math.min(next, w[W_UNTIL] - now)
      waiters[#waiters + 1] = cjson.encode({ id, w[W_OWNER], number(w[W_PERMITS]), millis(now - w[W_SINCE]) })
    end
  end
  next = next == math.huge and "null" or millis(next)
  local used = #holders > 0 or #waiters > 0 or s.limit ~= s.named
  local limit = used and number(s.limit) or "null"
  return "[" .. next .. "," .. limit .. ",[" .. table.concat(holders, ",") .. "],[" .. table.concat(waiters, ",") .. "]]"
end

local run = {
  function(s, id, at)
    local a = args
    return claim(s, id, a[at], a[at + 1], a[at + 2], a[at + 3], a[at + 4], a[at + 5], a[at + 6], a[at + 7])
  end,
  function(s, id, at) return renew(s, id, args[at]) end,
  function(s, id, at) return release(s, id, args[at]) end,
  function(s, id, at) return update(s, id, args[at], args[at + 1]) end,
  inspect,
  function(s, id, at) return claim(s, id, 1, 1, 1, args[at], args[at + 1], 0, "", args[at + 2]) end,
  function(s, limit) return resize(s, limit) end
}
return { step = function(code, key, id, at) return run[code](load(key), id, at) end, save = save }
`
