import { leaseLuaMutex } from "./leaseLuaMutex.ts"
import { leaseLuaState } from "./leaseLuaState.ts"
import { leaseLuaSteps } from "./leaseLuaSteps.ts"

/**
 * The steps on resources, as one Lua script that carries out many operations in a call.
 *
 * It says in Redis what `LeaseMachine.step` says: the property test runs both side by side.
 *
 * KEYS: the key of each operation. ARGV[1]: what `encode` in `leaseScript` gives. Answers one line for each operation, then
 * a line `P<id> <token> <ttl>` for each grant to a waiter of the caller's own session. Grants to others are published to
 * their inbox, one message `<id> <token> <ttl>` a line.
 *
 * An operation that fails answers `E<why>`, and the others go on. `sharded`: for the nodes of a cluster, which publish in the
 * slot of the keys.
 */
export const leaseLua = (time: string, sharded: boolean): string => `
local args = cjson.decode(ARGV[1])
local session, inbox, patience, default = args[1], args[2], args[3], args[4]
${time}
local now, stamp = micros / 1000, string.format("%.0f", micros)
local call, try, mpack, munpack = redis.call, redis.pcall, cmsgpack.pack, cmsgpack.unpack
local format, sub, find, byte, ceil = string.format, string.sub, string.find, string.byte, math.ceil
local listened = ${sharded ? "true" : `call("PUBSUB", "NUMPAT") > 0`}
local states, changed, replies, full, fresh, tail, tailTtl = {}, {}, {}
-- Grants to waiters of the caller's session, and to others by their session.
local mine, others
-- What was handed over last, and to whom: whoever asks for it next in the same call need not read it.
local passed

-- Claim, renew, release, update, inspect, claim a mutex, resize.
local length = { 10, 3, 3, 4, 1, 5, 2 }
local at = 5
for i = 1, #KEYS do
  local code, key, id, reply = args[at], KEYS[i], args[at + 1]
  -- A loop that is run once, so that it can be broken off.
  repeat
    if states[key] then break end
${leaseLuaMutex}
  until true
  if not reply then
    if not full then
      -- All but a mutex in its usual course. Defined in a call only when that call needs it: each local that a function
      -- uses is paid for when the function is made.
      full = (function()
${leaseLuaState}
${leaseLuaSteps}
      end)()
    end
    local ok, answer = pcall(full.step, code, key, id, at + 2)
    reply = ok and answer or ${failed("answer")}
  end
  replies[i] = reply
  at = at + length[code]
end
for key, s in pairs(states) do
  local ok, why = pcall(full.save, s)
  if not ok then
    for i = 1, #KEYS do
      if KEYS[i] == key then replies[i] = ${failed("why")} end
    end
  end
end
if listened then
  for key in pairs(changed) do ${sharded ? noteInShard : note} end
end
if others then
  for to, lines in pairs(others) do call("${sharded ? "SPUBLISH" : "PUBLISH"}", inbox .. to, lines) end
end
if mine then replies[#replies + 1] = mine end
return table.concat(replies, "\\n")
`

const failed = (why: string) => `"E" .. string.gsub(type(${why}) == "table" and ${why}.err or ${why}, "\\n", " ")`
const note = `call("PUBLISH", key .. ":changes", "")`
const noteInShard = `
    local channel = key .. ":changes"
    if call("PUBSUB", "SHARDNUMSUB", channel)[2] > 0 then call("SPUBLISH", channel, "") end
  `
