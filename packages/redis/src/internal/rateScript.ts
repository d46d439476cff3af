import { createHash } from "node:crypto"

/**
 * Takes or gives back a turn, as `RateMachine` does. One key a call, so it runs on any node of a cluster.
 *
 * KEYS[1]: the key. ARGV: `reserve`, algorithm, limit, per, burst, cost, patience; or `refund`, algorithm, limit, per, cost, at, burst. Times are
 * milliseconds. Answers `{ 1, at, wait }`, `{ 0, retryAfter }`, or nothing for a refund; numbers as text, for they have fractions.
 *
 * `gcra` keeps one number, `window` a list of `at:cost`, oldest first, one for each 32nd of `per` if the limit is above 32. Both end by themselves when there is nothing to remember.
 */
const rateLua = (time: string): string => `
${time}
local now = micros / 1000
local gcra = ARGV[2] == "gcra"
local limit, per = tonumber(ARGV[3]), tonumber(ARGV[4])
local function text(value) return string.format("%.3f", value) end
local function exact(value) return string.format("%.6f", value) end
local width = limit <= 32 and 0.001 or per / 32
local function slice(at) return math.floor(at / width) end
local function read(grant)
  local when, many = string.match(grant, "^(.-):(.*)$")
  return tonumber(when), tonumber(many)
end

if ARGV[1] == "refund" then
  local cost, at = tonumber(ARGV[5]), tonumber(ARGV[6])
  if gcra then
    local busy = redis.call("GET", KEYS[1])
    local interval = per / limit
    if busy and math.abs(busy - tonumber(ARGV[7]) * interval - at) <= 0.002 then
      redis.call("SET", KEYS[1], exact(busy - cost * interval), "KEEPTTL")
    end
    return
  end
  local grants = redis.call("LRANGE", KEYS[1], 0, -1)
  for index, grant in ipairs(grants) do
    local when, many = read(grant)
    if slice(when) == slice(at) then
      if many > cost then
        redis.call("LSET", KEYS[1], index - 1, text(when) .. ":" .. (many - cost))
      elseif many == cost then
        redis.call("LREM", KEYS[1], 1, grant)
      end
      return
    end
  end
  return
end

local burst, cost, patience = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
if gcra then
  local interval = per / limit
  local busy = math.max(tonumber(redis.call("GET", KEYS[1]) or now), now)
  local at = busy + (cost - burst) * interval
  if at - now <= math.min(0.002, interval / 2) then at = now end
  if at - now > patience then return { 0, text(at - now) } end
  busy = busy + cost * interval
  redis.call("SET", KEYS[1], exact(busy), "PX", math.ceil(busy - now) + 1)
  return { 1, text(at), text(at - now) }
end

local grants = redis.call("LRANGE", KEYS[1], 0, -1)
local gone = 0
while grants[gone + 1] and read(grants[gone + 1]) <= now - per do gone = gone + 1 end
if gone > 0 then redis.call("LTRIM", KEYS[1], gone, -1) end
local last, kept
if #grants > gone then last, kept = read(grants[#grants]) end
local at = math.max(now, last or now)
local sum = cost
for index = #grants, gone + 1, -1 do
  local when, many = read(grants[index])
  sum = sum + many
  if sum > limit then
    at = math.max(at, when + per)
    break
  end
end
if at - now > patience then return { 0, text(at - now) } end
local stamp = text(at)
if last and slice(last) == slice(tonumber(stamp)) then
  redis.call("LSET", KEYS[1], -1, stamp .. ":" .. (kept + cost))
else
  redis.call("RPUSH", KEYS[1], stamp .. ":" .. cost)
end
redis.call("PEXPIRE", KEYS[1], math.ceil(at - now + per) + 1)
return { 1, text(at), text(at - now) }
`

const serverTime = `
local time = redis.call("TIME")
local micros = time[1] * 1000000 + time[2]
`

/** The script, given Lua that sets `micros`: the time in microseconds since 1970. */
export const rateScriptWith = (time: string): { readonly lua: string; readonly sha: string } => {
  const lua = rateLua(time)
  return { lua, sha: createHash("sha1").update(lua).digest("hex") }
}

/** On the server's own clock. */
export const rateScript = rateScriptWith(serverTime)
