import { leaseLuaLine } from "./leaseLuaLine.ts"

/**
 * The state of resources and the steps on it, as one Lua script that carries out many operations in a call.
 *
 * It says in Redis what `LeaseMachine.step` says: the property test runs both side by side.
 *
 * Keys of one resource: `<key>` is a packed blob, see `leaseLuaLine`. A mutex that is held and nothing else has a blob of
 * its own, which begins with byte 193 and the holder's id, so that a free one is taken and given back without more than a
 * look.
 *
 * KEYS: the key of each operation. ARGV[1]: what `encode` in `leaseScript` gives. Answers one line for each operation, then a line `P<id> <token> <ttl>` for each grant to a waiter of the caller's own session. Grants to others
 * are published to their inbox, one message `<id> <token> <ttl>` a line.
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
${leaseLuaLine}
-- An operation is given its id, and where its other arguments begin.
local run = {
  function(s, id, at)
    local a = args
    return claim(s, id, a[at], a[at + 1], a[at + 2], a[at + 3], a[at + 4], a[at + 5], a[at + 6], a[at + 7])
  end,
  function(s, id, at) return renew(s, id, args[at]) end,
  function(s, id, at) return release(s, id, args[at]) end,
  function(s, id, at) return update(s, id, args[at]) end,
  function(s) return inspect(s) end,
  function(s, id, at) return claim(s, id, 1, 1, 1, args[at], args[at + 1], 0, "", args[at + 2]) end
}

local function failed(why)
  return "E" .. string.gsub(type(why) == "table" and why.err or why, "\\n", " ")
end
local function step(code, key, id, at)
  return run[code](load(key), id, at)
end
return {
  step = function(code, key, id, at)
    local ok, reply = pcall(step, code, key, id, at)
    return ok and reply or failed(reply)
  end,
  finish = function()
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
}
end

local CLAIM, RENEW, RELEASE, UPDATE, INSPECT, MUTEX = 1, 2, 3, 4, 5, 6
local length = { 10, 3, 3, 3, 1, 5 }
local granted, fresh, at = "G" .. number(micros), {}, 5
for i = 1, #KEYS do
  local key, code, id = KEYS[i], args[at], args[at + 1]
  local reply
  if (code == MUTEX or code == RELEASE) and not listened and not states[key] then
    local raw = redis.pcall("GET", key)
    if code == MUTEX and not raw then
      local ttl = args[at + 2]
      local set = redis.pcall("SET", key, simple(id, micros, default, "", now, now + ttl), "PX", ttl + 1)
      if not set.err then
        fresh[key] = true
        reply = granted
      end
    elseif code == RELEASE and args[at + 2] == 0 and type(raw) == "string" and not fresh[key]
      and string.byte(raw) == 193 and string.sub(raw, 2, #id + 2) == id .. "\\0" then
      redis.call("DEL", key)
      reply = "D"
    end
  end
  if not reply then
    full = full or define()
    reply = full.step(code, key, id, at + 2)
  end
  replies[i] = reply
  at = at + length[code]
end
if full then full.finish() end
for _, push in ipairs(mine) do replies[#replies + 1] = "P" .. push end
return table.concat(replies, "\\n")
`
