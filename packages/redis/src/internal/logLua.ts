/**
 * The steps of a log as one Lua script.
 *
 * KEYS, both in one slot:
 * 1. a stream with one entry an offset, `<offset>-0`: `b` is the offset of the entry before it (0: there was none), `h` the headers as
 *    JSON, `p` the payload;
 * 2. a hash: `last`, the last offset, and for each consumer `t:<name>`, its token, and `p:<name>`, its position.
 *
 * ARGV: the operation and what it takes.
 * - `append`, channel, count to keep or "", age to keep in microseconds or "", then headers and payload of each: answers the offsets.
 * - `read`, from, how many at most: answers `F` and the entries, or `X` and the first offset that is kept.
 * - `place`, what, which number: answers an offset, and the one after the last.
 * - `attach`, name: answers the token, and the position or "".
 * - `commit`, name, token, offset: answers 1, or 0 where another has the name.
 * - `position`, name: answers the position or "".
 *
 * The invariants: an offset is above all before it, also when the newest are lost with a failover or all with the data, because it is
 * no less than the time in microseconds; and an entry follows the one that it names and no other.
 */
export const logLua = (sharded: boolean): string => `
local LOG, META = unpack(KEYS)
local time = redis.call("TIME")
local micros = time[1] * 1000000 + time[2]
local number = function(n) return string.format("%.0f", n) end
local last = tonumber(redis.call("HGET", META, "last") or "0")
local steps = {}

function steps.append(channel, count, age)
  local offsets = {}
  for at = 5, #ARGV, 2 do
    local before = number(last)
    last = math.max(last + 1, micros)
    redis.call("XADD", LOG, number(last) .. "-0", "b", before, "h", ARGV[at], "p", ARGV[at + 1])
    offsets[#offsets + 1] = number(last)
  end
  redis.call("HSET", META, "last", number(last))
  if count ~= "" then redis.call("XTRIM", LOG, "MAXLEN", "~", count) end
  if age ~= "" then redis.call("XTRIM", LOG, "MINID", "~", number(math.max(0, micros - age)) .. "-0") end
  redis.call("${sharded ? "SPUBLISH" : "PUBLISH"}", channel, number(last))
  return offsets
end

local function offsetOf(entry) return string.match(entry[1], "^%d+") end

function steps.read(from, most)
  local all, bytes, at = {}, 0, from .. "-0"
  while #all < tonumber(most) and bytes < 1000000 do
    local some = redis.call("XRANGE", LOG, at, "+", "COUNT", 20)
    for _, entry in ipairs(some) do
      all[#all + 1] = entry
      bytes = bytes + #entry[2][6]
    end
    if #some < 20 then break end
    at = "(" .. some[20][1]
  end
  if #all == 0 then
    if last >= tonumber(from) then return { "X", number(last + 1) } end
  elseif tonumber(all[1][2][2]) >= tonumber(from) then
    return { "X", offsetOf(all[1]) }
  end
  return { "F", all }
end

local function newest(count)
  local offset, at = number(last + 1), "+"
  while count > 0 do
    local some = redis.call("XREVRANGE", LOG, at, "-", "COUNT", math.min(count, 20))
    if #some == 0 then break end
    offset, at = offsetOf(some[#some]), "(" .. some[#some][1]
    count = count - #some
  end
  return offset
end

function steps.place(what, n)
  local since = number(last + 1)
  if what == "last" then return { newest(tonumber(n)), since } end
  if what == "time" then return { number(math.min(tonumber(n), last + 1)), since } end
  local first = what == "oldest" and redis.call("XRANGE", LOG, "-", "+", "COUNT", 1)[1]
  return { first and offsetOf(first) or since, since }
end

function steps.position(name) return redis.call("HGET", META, "p:" .. name) or "" end

function steps.attach(name)
  local token = number(math.max(tonumber(redis.call("HGET", META, "t:" .. name) or "0") + 1, micros))
  redis.call("HSET", META, "t:" .. name, token)
  return { token, steps.position(name) }
end

function steps.commit(name, token, offset)
  if redis.call("HGET", META, "t:" .. name) ~= token then return 0 end
  local position = steps.position(name)
  if position == "" or tonumber(offset) > tonumber(position) then redis.call("HSET", META, "p:" .. name, offset) end
  return 1
end

return steps[ARGV[1]](unpack(ARGV, 2, 4))
`
