import { createHash } from "node:crypto"
import type { Script } from "./leaseScript.ts"

/**
 * The steps on one node, each atomic. A resource is one key, a packed `{ id, owner, value, token, since }`, which expires with
 * the lease; beside it `<key>:f` is the last token, kept while the node's clock has not passed it yet. Every change is noted on
 * `<key>:changes`.
 */
const head = `
local time = redis.call("TIME")
local micros = time[1] * 1000000 + time[2]
local raw = redis.call("GET", KEYS[1])
local held = raw and cmsgpack.unpack(raw)
local tell = function() redis.call("PUBLISH", KEYS[1] .. ":changes", "") end
local reserve = function(token)
  if token >= micros then
    redis.call("SET", KEYS[2], string.format("%.0f", token), "PX", math.ceil((token - micros) / 1000) + 1)
  end
end
`

/** ARGV: id, owner, value, ttl, how many tokens. Answers the token that this node can give, or `-` and for how long (ms) it is held. */
const claim = `${head}
if held and held[1] ~= ARGV[1] then return "-" .. redis.call("PTTL", KEYS[1]) end
local token = held and held[4] or math.max(micros, (tonumber(redis.call("GET", KEYS[2]) or 0)) + 1)
reserve(token + ARGV[5] - 1)
redis.call("SET", KEYS[1], cmsgpack.pack({ ARGV[1], ARGV[2], ARGV[3], token, held and held[5] or micros }), "PX", ARGV[4])
tell()
return string.format("%.0f", token)
`

/** ARGV: id, token, how many tokens. Notes the token that the quorum gave. Answers 1, or 0 where the node does not hold the id. */
const note = `${head}
if not held or held[1] ~= ARGV[1] then return 0 end
held[4] = tonumber(ARGV[2])
reserve(held[4] + ARGV[3] - 1)
redis.call("SET", KEYS[1], cmsgpack.pack(held), "KEEPTTL")
return 1
`

/** ARGV: id, value. Answers 1, or 0 where the node does not hold the id. */
const update = `${head}
if not held or held[1] ~= ARGV[1] then return 0 end
held[3] = ARGV[2]
redis.call("SET", KEYS[1], cmsgpack.pack(held), "KEEPTTL")
tell()
return 1
`

/** ARGV: id. */
const release = `${head}
if held and held[1] == ARGV[1] then
  redis.call("DEL", KEYS[1])
  tell()
end
return 1
`

/** ARGV: id, ttl. Answers 1, or 0 where the node does not hold the id. */
const renew = `${head}
if not held or held[1] ~= ARGV[1] then return 0 end
redis.call("PEXPIRE", KEYS[1], ARGV[2])
return 1
`

/** Answers nothing, or for how long it is held (ms), for how long it has been (ms), and the packed record's fields. */
const inspect = `${head}
if not held then return false end
return { redis.call("PTTL", KEYS[1]), string.format("%.3f", (micros - held[5]) / 1000), held[1], held[2], held[3], string.format("%.0f", held[4]) }
`

const script = (lua: string): Script => ({ lua, sha: createHash("sha1").update(lua).digest("hex") })

export const steps = {
  claim: script(claim),
  note: script(note),
  update: script(update),
  release: script(release),
  renew: script(renew),
  inspect: script(inspect)
}
