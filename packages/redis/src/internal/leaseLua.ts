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
local now = micros / 1000
local spread, call, format, sub, ceil = unpack, redis.call, string.format, string.sub, math.ceil
local pack, unpack = cmsgpack.pack, cmsgpack.unpack
local listened = ${sharded ? "true" : `call("PUBSUB", "NUMPAT") > 0`}
local states, changed, replies, mine, others = {}, {}, {}, {}, {}

-- Claim, renew, release, update, inspect, claim a mutex, resize.
local length = { 10, 3, 3, 4, 1, 5, 2 }
${leaseLuaMutex}
local full
local at = 5
for i = 1, #KEYS do
  local code, key, ok, reply = args[at], KEYS[i], true
  if not states[key] then ok, reply = pcall(quick, code, key, args[at + 1], at + 2) end
  if ok and not reply then
    if not full then
      -- All but a mutex in its usual course. Defined in a call only when that call needs it: each local that a function
      -- uses is paid for when the function is made.
      full = (function()
${leaseLuaState}
${leaseLuaSteps}
      end)()
    end
    ok, reply = pcall(full.step, code, key, args[at + 1], at + 2)
  end
  replies[i] = ok and reply or ${failed("reply")}
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
for to, list in pairs(others) do call("${sharded ? "SPUBLISH" : "PUBLISH"}", inbox .. to, table.concat(list, "\\n")) end
for _, push in ipairs(mine) do replies[#replies + 1] = "P" .. push end
return table.concat(replies, "\\n")
`

const failed = (why: string) => `"E" .. string.gsub(type(${why}) == "table" and ${why}.err or ${why}, "\\n", " ")`
const note = `call("PUBLISH", key .. ":changes", "")`
const noteInShard = `
    local channel = key .. ":changes"
    if call("PUBSUB", "SHARDNUMSUB", channel)[2] > 0 then call("SPUBLISH", channel, "") end
  `
